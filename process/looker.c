/* looker.c - the calls of the sandbox that wait for the supervisor: --seccomp-trace's and --trace-denied's.
 *
 * Every one goes on, at once or when the helper has looked, one after the other. A helper that does not come back from a
 * file system is left there, its call goes on, and another one takes its place. One that ends was ended by somebody:
 * then nobody knows what is missing from what was told, and the run ends.
 */
#include "process/looker.h"

#include "filter/denied.h"
#include "filter/look.h"
#include "filter/notify.h"
#include "filter/trace.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/helpers.h"
#include "process/state.h"
#include "sys/channel.h"
#include "utils.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000, MOST_HUNG = 4 };

struct looker {
	int listener, socket; /* -1: none */
	bool is_looking;
	int64_t due_ms; /* of the look */
	unsigned n_hung;
	union notified at_hand;
	struct look_memory *memory; /* shared with the helper */
	char words[WORDS_CAPACITY + 2];
};

static void start_helper(const struct run *run)
{
	struct looker *looker = run->supervisor->looker;
	int ends[2];
	channel_make_pair(ends);
	looker->socket = ends[0];
	helpers_start_looker(run, ends[1], looker->listener, looker->memory);
}

static void end_helper(const struct run *run)
{
	pid_t helper = helpers_find(run, HELPER_LOOKER);
	if (helper)
		kill(helper, SIGKILL); /* which one that hangs hears later */
	close_fd(&run->supervisor->looker->socket);
}

void looker_begin(struct run *run, int listener)
{
	struct looker *looker = run->supervisor->looker;
	if (looker) { /* there is one COMMAND */
		close_fd(&listener);
		return;
	}
	looker = run->supervisor->looker = arena_alloc(sizeof(*looker));
	looker->listener = listener;
	looker->socket = -1;
	if (run->plan->report.denied.fd < 0)
		return;
	void *memory = mmap(NULL, sizeof(*looker->memory), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die_errno(errno, "Can't share memory with a process");
	looker->memory = memory;
	start_helper(run);
}

void looker_poll(const struct run *run, struct pollfd events[LOOKER_EVENTS])
{
	const struct looker *looker = run->supervisor->looker;
	events[0] = (struct pollfd){ .fd = looker && !looker->is_looking ? looker->listener : -1,
				     .events = POLLIN };
	events[1] = (struct pollfd){ .fd = looker ? looker->socket : -1, .events = POLLIN };
}

int64_t looker_due_ms(const struct run *run)
{
	const struct looker *looker = run->supervisor->looker;
	return looker && looker->is_looking ? looker->due_ms : INT64_MAX;
}

static void let_through(const struct run *run)
{
	struct looker *looker = run->supervisor->looker;
	looker->is_looking = false;
	notify_let_through(run, looker->listener, looker->at_hand.call.id);
}

static void hear_call(const struct run *run)
{
	struct looker *looker = run->supervisor->looker;
	const struct seccomp_notif *call = &looker->at_hand.call;
	const struct message message = { .kind = MESSAGE_LOOK };
	if (!notify_receive(run, looker->listener, &looker->at_hand))
		return;
	if (run->plan->filter.policy.trace.fd >= 0)
		trace_note(run, call);
	looker->is_looking = looker->socket >= 0;
	looker->due_ms = now_ms() + PATIENCE_MS;
	if (!looker->is_looking)
		let_through(run);
	else /* where it has ended, its end of the socket tells */
		channel_try_send_words(looker->socket, MESSAGE_LOOK, &message, (const char *) call,
				       sizeof(*call));
}

static void hear_helper(const struct run *run)
{
	struct looker *looker = run->supervisor->looker;
	struct message message;
	/* One at a time: COMMAND may have taken it over and send without end. */
	int heard = channel_receive_words(looker->socket, false, &message, NULL, looker->words);
	if (heard > 0 && message.kind == MESSAGE_DENIED)
		denied_note(run, &message, looker->words);
	else if (heard > 0 && looker->is_looking)
		let_through(run);
	if (heard == 0)
		die("%s: The process that looks up what is denied was ended, and so is the sandbox: nobody knows what else is missing",
		    position_text(run->plan->report.denied.position));
}

static void go_on_without(const struct run *run)
{
	struct looker *looker = run->supervisor->looker;
	bool last = ++looker->n_hung == MOST_HUNG;
	end_helper(run);
	denied_note_hung(run, &looker->at_hand.call, looker->memory, last);
	let_through(run);
	if (!last)
		start_helper(run);
}

void looker_hear(struct run *run, const struct pollfd events[LOOKER_EVENTS])
{
	struct looker *looker = run->supervisor->looker;
	if (!looker)
		return;
	if (events[1].revents)
		hear_helper(run);
	if (events[0].revents & POLLIN)
		hear_call(run);
	else if (events[0].revents) /* the last process that it could hear is gone */
		close_fd(&looker->listener);
	if (looker->is_looking && now_ms() >= looker->due_ms)
		go_on_without(run);
}

void looker_finish(struct run *run)
{
	if (run->plan->filter.policy.trace.fd >= 0)
		trace_finish(run);
	if (run->plan->report.denied.fd < 0)
		return;
	if (run->supervisor->looker)
		end_helper(run);
	denied_finish(run);
}
