/* end.c - the end of the sandbox, and waiting in which somebody may ask for it: once it is called for, nothing of
 * the sandbox is left, or somebody is told what is.
 *
 * In the supervisor nothing waits without a bound outside the poll loop of supervisor.c: before that end_await()
 * does, and while something is written end_may_go_on_writing() is asked. It kills before it speaks.
 */
#include "process/end.h"

#include "limit/cgroup.h"
#include "mount/stub.h"
#include "plan/given.h"
#include "plan/ns-options.h"
#include "plan/plan.h"

#include "plan/position.h"
#include "plan/traits.h"
#include "process/descendants.h"
#include "process/helpers.h"
#include "process/passages.h"
#include "process/relay.h"
#include "process/signals.h"
#include "process/state.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { STEP_MS = 50 };

/* For a while, or until something happens: what is heard is about what is left to do, COMMAND is
 * over. */
static void hear_the_end(struct supervisor *self, int ms)
{
	struct pollfd events[] = { { .fd = signals_fd(self->signals), .events = POLLIN },
				   { .fd = self->cut_short ? -1 : self->lifeline_fd,
				     .events = POLLIN } };
	poll(events, ARRAY_SIZE(events), ms);
	if (events[1].revents)
		self->cut_short = 1;
	int ending = signals_take(self->signals);
	if (ending)
		self->cut_short = 128 + ending;
}

pid_t end_take_status(const struct run *run, int *ret_status)
{
	struct supervisor *self = run->supervisor;
	pid_t pid = waitpid(-1, ret_status, WNOHANG);
	if (pid > 0) {
		relay_note_end(run, pid, *ret_status);
		passages_note_end(run, pid, *ret_status);
		helpers_note_end(run, pid, *ret_status);
	}
	if (pid > 0 && pid == self->child)
		self->child = 0;
	return pid;
}

/* What was killed may still hang on a helper. */
static pid_t reap(const void *argument, bool wait)
{
	enum { PATIENCE_MS = 5000 };
	const struct run *run = argument;
	struct supervisor *self = run->supervisor;
	int status;
	pid_t pid = end_take_status(run, &status);
	if (pid != 0 || !wait)
		return pid;
	if (!self->ending_ms)
		self->ending_ms = now_ms();
	helpers_urge(run, now_ms() - self->ending_ms > PATIENCE_MS);
	hear_the_end(self, STEP_MS);
	return end_take_status(run, &status);
}

pid_t end_await_child(const struct run *run, int ms)
{
	struct supervisor *self = run->supervisor;
	int64_t end_ms = now_ms() + ms;
	while (self->child > 0 && now_ms() < end_ms)
		if (reap(run, true) < 0)
			self->child = 0;
	pid_t left = self->child;
	self->child = 0;
	return left;
}

bool end_must_find_the_rest(const struct run *run)
{
	return run->shape.ends_with_command && !run->shape.pid_namespace;
}

/* In a container that shows the /proc of the pid namespace around it, numbers found there are those
 * of others here. */
void end_require_own_proc(const struct run *run)
{
	const struct plan *plan = run->plan;
	const char *option = plan->ns.pidns.fd >= 0 ? "--pidns" : NULL;
	const struct fd_at *joined = ns_options_first_joined(&plan->ns);
	if (joined && run->shape.pid_namespace)
		option = joined->position.option;
	if (end_must_find_the_rest(run) && !option)
		option = options_with_trait(plan, ENDS_WITH_COMMAND);
	if (end_must_find_the_rest(run) && !option)
		option = run->shape.stub_for->position.option;
	if (plan->report.denied.fd >= 0 && !option)
		option = "--trace-denied";
	if (option && !procfile_shows_own_pids(run->host->proc_fd))
		die("%s: /proc shows another pid namespace than this one, so the sandbox's processes cannot be found there; mount one of this namespace%s",
		    position_text(options_position(plan, option)),
		    end_must_find_the_rest(run) ? ", or give --unshare-pid" : "");
}

static void continue_helpers(const struct run *run)
{
	helpers_urge(run, false);
}

static bool is_spared(const void *argument, pid_t pid)
{
	return helpers_include(argument, pid);
}

bool end_sandbox(const struct run *run)
{
	struct supervisor *self = run->supervisor;
	bool must_find = end_must_find_the_rest(run);
	pid_t other = 0;
	cgroups_kill_command(run, continue_helpers);
	if (self->child > 0)
		kill(self->child, SIGKILL);
	/* Before the child is waited for: whoever traces it has its status first. In a joined pid
	 * namespace somebody may have stopped those who only led there. */
	if (must_find || run->plan->ns.pidns.fd >= 0)
		other = descendants_kill(
			&(struct descendants_search){ .proc_fd = run->host->proc_fd,
						      .earlier = self->earlier,
						      .argument = run,
						      .is_spared = is_spared,
						      .reap = reap });
	pid_t left = end_await_child(run, DESCENDANTS_PATIENCE_MS);
	if (left || other)
		say_warning(
			"Process %d of the sandbox does not end; nobody waits for it any longer%s",
			left ? left : other,
			must_find ? " (with --unshare-pid it could not get away)" : "");
	return !left && !other;
}

void end_remove_stubs(struct run *run)
{
	const struct supervisor *self = run->supervisor;
	if (run->shape.stub_for)
		stubs_remove(run, self->started ? -1 : self->socket);
}

void end_and_remove(struct run *run)
{
	if (end_sandbox(run))
		end_remove_stubs(run);
	cgroups_remove(run);
}

/* A shell inside that was in the foreground gives the terminal back to whoever had it before; which it
 * cannot where that was a group outside of its pid namespace. Then nobody could read from it. */
static void take_terminal_back(const struct supervisor *self)
{
	pid_t group = self->terminal < 0 ? -1 : tcgetpgrp(self->terminal);
	if (group <= 1 || group == getpgrp() || kill(-group, 0) == 0 || errno != ESRCH)
		return;
	signal(SIGTTOU, SIG_IGN); /* which stops whoever does this from the background */
	tcsetpgrp(self->terminal, getpgrp());
}

static void leave_terminal(const struct run *run)
{
	helpers_end_guard(run);
	relay_abandon(run);
	passages_abandon(run);
	take_terminal_back(run->supervisor);
}

void end_leave(const struct run *run, int exit_status)
{
	leave_terminal(run);
	_exit(exit_status);
}

/* As COMMAND has died, but for the core: that would be of this program. It returns where nothing dies of
 * the signal, as a pid 1 does not. */
static void die_of(int number)
{
	const struct rlimit none = { 0 };
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, number);
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return;
	signal(number, SIG_DFL);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
}

void end_leave_by(const struct run *run, int number)
{
	leave_terminal(run);
	if (run->plan->command.exit_signal)
		die_of(number);
	_exit(128 + number);
}

/* ---- when somebody asks for it ---- */

bool end_lifeline_is_cut(const struct supervisor *self)
{
	struct pollfd lifeline = { .fd = self->lifeline_fd, .events = POLLIN };
	return poll(&lifeline, 1, 0) > 0;
}

void end_of_lifeline(const struct run *run)
{
	const struct fd_at *at = &run->plan->command.die_with_fd;
	if (at->fd < 0) /* nobody is left to be told */
		die_silently(&(struct failure){ .exit_status = die_status() });
	die("%s: The end came before COMMAND was started: descriptor %d or the parent is gone",
	    position_text(at->position), at->fd);
}

void end_of_time(const struct run *run)
{
	die_as(EXIT_TIMED_OUT, "%s: The time was up before COMMAND was started",
	       position_text(options_position(run->plan, "--timeout")));
}

void end_if_asked(const struct run *run)
{
	struct supervisor *self = run->supervisor;
	bool is_late = self->deadline_ms && now_ms() >= self->deadline_ms;
	bool is_orphan = end_lifeline_is_cut(self);
	int ending = signals_take(self->signals);
	if (!is_late && !is_orphan && !ending)
		return;
	end_sandbox(run);
	if (is_late && !is_orphan && !ending)
		end_of_time(run);
	if (!ending)
		end_of_lifeline(run);
	self->asked_by = ending;
	die_silently(&(struct failure){ .exit_status = 128 + ending });
}

void end_await(const struct run *run, int fd, int ms)
{
	const struct supervisor *self = run->supervisor;
	int64_t end_ms = now_ms() + ms;
	for (;;) {
		struct pollfd events[] = { { .fd = signals_fd(self->signals), .events = POLLIN },
					   { .fd = self->lifeline_fd, .events = POLLIN },
					   { .fd = fd, .events = POLLIN } };
		int64_t next_ms = self->deadline_ms && (ms < 0 || self->deadline_ms < end_ms)
					  ? self->deadline_ms
					  : end_ms,
			left = next_ms - now_ms();
		bool sleeps = ms >= 0 || self->deadline_ms;
		poll(events, ARRAY_SIZE(events),
		     !sleeps          ? -1
		     : left < 0       ? 0
		     : left > INT_MAX ? INT_MAX
				      : (int) left);
		end_if_asked(run);
		if (events[2].revents || (ms >= 0 && now_ms() >= end_ms))
			return;
	}
}

bool end_may_go_on_writing(const void *argument)
{
	const struct supervisor *self = argument;
	return (!self->silent_ms || now_ms() < self->silent_ms) &&
	       !signals_ask_for_the_end(self->signals) && !end_lifeline_is_cut(self);
}

bool end_is_list_wanted(const struct run *run)
{
	struct supervisor *self = run->supervisor;
	int status;
	helpers_urge(run, false);
	if (!self->cut_short && end_take_status(run, &status) == 0)
		hear_the_end(self, STEP_MS);
	return !self->cut_short;
}
