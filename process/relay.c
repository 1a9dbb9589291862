/* relay.c - the supervisor's side of --pty: its helper, and the caller's terminal.
 *
 * The relay makes the terminal raw, and gives it back. Where it is killed the supervisor gives it back, and where that
 * is killed the relay does. What is relayed never comes here: nothing that COMMAND writes keeps the supervisor
 * from its work.
 */
#include "process/relay.h"

#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/helpers.h"
#include "process/pty.h"
#include "process/state.h"
#include "run/helper.h"
#include "sys/channel.h"
#include "sys/terminal.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

bool relay_is_due(const struct run *run)
{
	return run->host->terminal.replaced && !run->supervisor->modes;
}

void relay_start(struct run *run, int master)
{
	struct supervisor *self = run->supervisor;
	int ends[2];
	void *modes = mmap(NULL, sizeof(*self->modes), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (modes == MAP_FAILED)
		die_errno(errno, "Can't share memory with a process");
	self->modes = modes;
	channel_make_pair(ends);
	self->relay_socket = ends[0];
	run->pty.master = master;
	helpers_start_relay(run, ends[1]);
	close_fd(&run->pty.master);
	/* A relay that is stopped hears nothing. */
	if (fcntl(self->relay_socket, F_SETFL, O_NONBLOCK) < 0)
		die_errno(errno, "Can't use the socket to a process");
}

int relay_fd(const struct run *run)
{
	return run->supervisor->relay_socket;
}

void relay_await_ready(const struct run *run, relay_await await)
{
	enum { PATIENCE_MS = 5000 };
	int socket = run->supervisor->relay_socket;
	struct failure failure;
	await(run, socket, PATIENCE_MS);
	switch (helper_receive_answer(socket, NULL, &failure)) {
	case HELPER_IS_READY:
		return;
	case HELPER_HAS_FAILED:
		await(run, socket, PATIENCE_MS); /* until it has said so, and ended */
		die_silently(&failure);
	case HELPER_IS_GONE: /* or does not answer */
		die("%s: The process that relays the terminal is not ready; nothing was run",
		    position_text(options_position(run->plan, "--pty")));
	}
}

void relay_go_on(const struct run *run)
{
	if (run->supervisor->modes) /* one that is gone needs no word */
		channel_try_send(run->supervisor->relay_socket, MESSAGE_RELAY_GO_ON, 0);
}

static void restore(const struct run *run)
{
	terminal_restore(run->supervisor->modes, run->host->terminal.in_fd);
}

void relay_pause(const struct run *run)
{
	enum { PATIENCE_MS = 200 };
	const struct supervisor *self = run->supervisor;
	struct message message;
	if (!self->modes)
		return;
	struct pollfd answer = { .fd = self->relay_socket, .events = POLLIN };
	if (channel_try_send(self->relay_socket, MESSAGE_RELAY_PAUSE, 0) &&
	    poll(&answer, 1, PATIENCE_MS) > 0)
		channel_receive(self->relay_socket, false, &message, NULL); /* RELAY_PAUSED */
	restore(run); /* it may be stopped, or gone */
}

void relay_finish(const struct run *run, bool (*wait)(const struct run *run))
{
	const struct supervisor *self = run->supervisor;
	if (!self->modes)
		return;
	channel_try_send(self->relay_socket, MESSAGE_RELAY_FINISH, 0);
	while (helpers_find(run, HELPER_PTY_RELAY) &&
	       (!self->silent_ms || now_ms() < self->silent_ms) && wait(run))
		;
	relay_abandon(run);
}

void relay_abandon(const struct run *run)
{
	pid_t relay = helpers_find(run, HELPER_PTY_RELAY);
	int status;
	if (!run->supervisor->modes)
		return;
	if (relay && kill(relay, SIGKILL) == 0 && waitpid(relay, &status, 0) == relay)
		helpers_note_end(run, relay, status);
	restore(run);
}

void relay_note_end(const struct run *run, pid_t pid, int status)
{
	if (!run->supervisor->modes || pid != helpers_find(run, HELPER_PTY_RELAY))
		return;
	restore(run);
	if (WIFSIGNALED(status))
		say_warning(
			"%s: The process that relays the terminal was ended by signal %d: COMMAND has none any more",
			position_text(options_position(run->plan, "--pty")), WTERMSIG(status));
	run->supervisor->is_hung_up = true;
}
