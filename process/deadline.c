/* deadline.c - --timeout in the supervisor: when it is due, and what becomes of COMMAND then. The time of pid 1 and of the
 * guard, who keep it where the supervisor cannot, is run->last_resort_ms.
 */
#include "process/deadline.h"

#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/forward.h"
#include "process/report.h"
#include "process/signals.h"
#include "process/state.h"
#include "utils.h"

#include <errno.h>
#include <signal.h>

static const char *position(const struct run *run)
{
	return position_text(options_position(run->plan, "--timeout"));
}

/* Any program of the user's can bring that about. Without the option nobody has been promised that nothing is waited
 * for too long. */
void deadline_note_no_timer(struct run *run)
{
	if (!run->plan->limit.timeout_ms)
		return;
	if (errno != EAGAIN)
		die_errno(errno, "%s: Can't make a timer", position(run));
	run->supervisor->lacks_timers = true;
}

/* Whoever stops the supervisor, COMMAND by the terminal or by a signal to its own process group, or
 * the caller: it goes on when something is due, and once more when nobody is left to stop it. */
void deadline_set(struct run *run)
{
	struct supervisor *self = run->supervisor;
	enum { LAST_RESORT_MS = 2000 };
	const struct limit_plan *limit = &run->plan->limit;
	if (!limit->timeout_ms)
		return;
	self->deadline_ms = self->silent_ms = now_ms() + limit->timeout_ms;
	int64_t kill_ms = self->deadline_ms + limit->kill_after_ms;
	run->last_resort_ms = kill_ms + LAST_RESORT_MS;
	if (!signals_wake_at(self->deadline_ms, 0) || !signals_wake_at(kill_ms, 0) ||
	    !signals_wake_at(run->last_resort_ms + LAST_RESORT_MS, 0))
		deadline_note_no_timer(run);
}

/* COMMAND goes before its pid 1, if it does at once: only a pid 1 that waits for it counts what it has used. What has
 * not become COMMAND yet has the signal blocked and nothing to put in order. */
bool deadline_take_step(struct run *run)
{
	enum { PATIENCE_MS = 1000 };
	struct supervisor *self = run->supervisor;
	int64_t kill_after_ms = run->plan->limit.kill_after_ms;
	bool was_asked = self->timed_out, was_killed = self->killed;
	self->timed_out = true;
	self->killed = was_asked;
	if (!self->started || was_killed || (was_asked && self->command_pidfd < 0))
		return false;
	self->deadline_ms = now_ms() + (was_asked ? PATIENCE_MS : kill_after_ms);
	self->silent_ms = now_ms() + PATIENCE_MS;
	report_timeout(run);
	if (was_asked) {
		forward_signal(run, SIGKILL);
		return true;
	}
	forward_signal(run, SIGTERM);
	forward_signal(run, SIGCONT); /* a stopped process would not hear it */
	run_tell(run, "%s: the time is up: SIGTERM, and SIGKILL in %lld ms", position(run),
		 (long long) kill_after_ms);
	return true;
}
