/* verdict.c - what has ended COMMAND: the time, the memory of its group, or a filter; and one line on stderr that says so.
 *
 * Must not: say more than is known. Which call a filter has ended a process for the kernel tells its log alone:
 * wait(2) has the signal, and no si_syscall.
 */
#include "process/verdict.h"

#include "plan/filter-options.h"
#include "plan/given.h"
#include "plan/limit-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/state.h"
#include "utils.h"

#include <signal.h>
#include <sys/wait.h>

/* The kernel counts its kills by the group; that one of them was COMMAND shows in its status. */
static bool is_oom_kill(const struct usage *usage, int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && usage->oom_kills > 0;
}

const char *verdict_word(const struct run *run, const struct usage *usage, int status)
{
	return run->supervisor->timed_out   ? "timeout"
	       : !WIFSIGNALED(status)       ? "exit"
	       : is_oom_kill(usage, status) ? "oom-kill"
					    : "signal";
}

static void tell_timeout(const struct run *run)
{
	const struct limit_plan *limit = &run->plan->limit;
	say_note("%s: the time was up after %lld ms: COMMAND was asked to end by SIGTERM%s",
		 position_text(options_position(run->plan, "--timeout")),
		 (long long) limit->timeout_ms,
		 run->supervisor->killed
			 ? arena_printf(", and killed %lld ms later, since it did not",
					(long long) limit->kill_after_ms)
			 : "");
}

/* Where COMMAND itself goes on without what was killed, it has seen to that. */
static void tell_oom_kill(const struct run *run, const struct usage *usage, int status)
{
	const char *position = limits_position(run->plan, "memory.max");
	const char *what = is_oom_kill(usage, status)
				   ? "COMMAND"
				   : arena_printf("%lld of the sandbox's processes",
						  (long long) usage->oom_kills);
	say_note("the kernel has killed %s, out of the memory that %s allows", what,
		 position ? position : "the group");
}

static void tell_filter(const struct run *run)
{
	const char *killers = filter_options_killers(run->plan);
	say_note(
		"COMMAND was ended by SIGSYS, as a seccomp filter does for a call that it denies; %s",
		killers ? killers
			: "none of this line's has that to do, but one around it or of COMMAND's own may");
}

void verdict_tell(const struct run *run, const struct usage *usage, int status)
{
	if (run->host->as_bwrap && !run->plan->verbose)
		return;
	if (run->supervisor->timed_out)
		tell_timeout(run);
	else if (status && usage->oom_kills > 0)
		tell_oom_kill(run, usage, status);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		tell_filter(run);
}
