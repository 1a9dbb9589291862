/* supervisor.c - the process outside: waits for COMMAND, passes signals on, reports, and dies with its
 * parent.
 *
 * It keeps no capability and no descriptor that it does not need, cannot be looked into from inside
 * (it is not dumpable), and lives as short as it can. A root caller's keeps two capabilities, each
 * only where the end of the sandbox cannot do without: CAP_KILL, for limits without a new user
 * namespace, and CAP_DAC_OVERRIDE, for groups in a directory that the caller may not write to
 * otherwise. COMMAND is not started before all that is so (supervisor_await_ready()).
 *
 * It must never end without its child having ended, or at least been killed, except that a reaper
 * goes on when COMMAND is over.
 */
#include "process/supervisor.h"

#include "filter/trace.h"
#include "limit/cgroup.h"
#include "limit/rlimits.h"
#include "limit/usage.h"
#include "mount/overlay.h"
#include "ns/namespaces.h"
#include "plan/descriptors.h"
#include "plan/given.h"
#include "plan/limit-options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "process/descendants.h"
#include "process/helpers.h"
#include "process/protocol.h"
#include "process/signals.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

enum { EXIT_TIMED_OUT = 124, EXIT_KILLED = 137 }; /* as of timeout(1) */

static struct {
	struct run *run;
	pid_t child;
	pid_t child_in_proc; /* its number there, where it is pid 1 */
	int parent_pidfd;    /* -1: not asked for */
	int command_pidfd;   /* where signals go; -1: to the child */
	pid_t session;       /* COMMAND's, that it leads: --new-session; 0: not known */
	int socket;
	int listener;     /* --seccomp-trace's; -1: none yet */
	bool started;     /* COMMAND was about to be executed */
	bool not_started; /* that failed; may be heard first, from another process */
	bool waits_for_maps;
	bool listens;        /* is woken by messages */
	bool settled;        /* has given back what it needs no more */
	bool takes_helpers;  /* setup may still ask for one */
	bool ended;          /* a reaper has told COMMAND's status */
	bool reaper_ends;    /* and is about to end itself */
	bool reaper_is_ours; /* nobody else may take its status */
	bool may_reap_more;  /* there were too many to reap at once */
	bool timed_out;      /* SIGTERM was sent because the time was up */
	bool killed;         /* and that was not enough */
	int64_t deadline_ms; /* of the next of these steps, CLOCK_MONOTONIC; 0: none */
	bool lacks_timers;   /* the kernel gives none, so that the guard has to do for --timeout */
	pid_t guard;         /* start_guard(); 0: there is none */
	int64_t silent_ms;   /* from when on no write is waited for; 0: for ever */
	int terminal;        /* a descriptor of it, where we came in the foreground; or -1 */
	int status;          /* COMMAND's, as of waitpid(2) */
	int64_t ending_ms;   /* when the end of the sandbox began; 0: it has not */
	int cut_short;       /* the exit status when nobody wants the rest any more; 0: go on */
} monitor = { .parent_pidfd = -1, .command_pidfd = -1, .listener = -1, .terminal = -1 };

/* ---- the end ---- */

enum { STEP_MS = 50 };

/* For a while, or until something happens: what is heard is about what is left to do, COMMAND is
 * over. */
static void hear_the_end(int ms)
{
	struct pollfd events[] = { { .fd = signals_fd(), .events = POLLIN },
				   { .fd = monitor.cut_short ? -1 : monitor.parent_pidfd,
				     .events = POLLIN } };
	poll(events, ARRAY_SIZE(events), ms);
	if (events[1].revents)
		monitor.cut_short = 1;
	int ending = signals_take();
	if (ending)
		monitor.cut_short = 128 + ending;
}

/* Takes the status of any child. */
static pid_t take_status(int *ret_status)
{
	pid_t pid = waitpid(-1, ret_status, WNOHANG);
	if (pid > 0)
		helpers_note_end(pid, *ret_status);
	if (pid > 0 && pid == monitor.guard)
		monitor.guard = 0;
	if (pid > 0 && pid == monitor.child)
		monitor.child = 0;
	return pid;
}

/* What was killed may still hang on a helper. */
static pid_t reap(bool wait)
{
	enum { PATIENCE_MS = 5000 };
	int status;
	pid_t pid = take_status(&status);
	if (pid != 0 || !wait)
		return pid;
	if (!monitor.ending_ms)
		monitor.ending_ms = now_ms();
	helpers_urge(now_ms() - monitor.ending_ms > PATIENCE_MS);
	hear_the_end(STEP_MS);
	return take_status(&status);
}

/* The child, if it does not end; otherwise 0. */
static pid_t await_child(int ms)
{
	int64_t end_ms = now_ms() + ms;
	while (monitor.child > 0 && now_ms() < end_ms)
		if (reap(true) < 0)
			monitor.child = 0;
	pid_t left = monitor.child;
	monitor.child = 0;
	return left;
}

/* Whether what COMMAND leaves behind has to be looked for: a pid namespace of the sandbox's own is
 * over with its pid 1. */
static bool must_find_the_rest(const struct run *run)
{
	return run->shape.ends_with_command && !run->shape.pid_namespace;
}

static void continue_helpers(void)
{
	helpers_urge(false);
}

/* Nothing of the sandbox is left when this returns true, where it ends with COMMAND. Those who lost
 * their parents became our children. */
static bool end_sandbox(void)
{
	const struct run *run = monitor.run;
	bool must_find = must_find_the_rest(run);
	pid_t other = 0;
	cgroups_kill_command(run, continue_helpers);
	if (monitor.child > 0)
		kill(monitor.child, SIGKILL);
	/* Before the child is waited for: whoever traces it has its status first. In a joined pid
	 * namespace somebody may have stopped those who only led there. */
	if (must_find || run->plan->ns.pidns.fd >= 0)
		other = descendants_kill(run->host->proc_fd, helpers_include, reap);
	pid_t left = await_child(DESCENDANTS_PATIENCE_MS);
	if (left || other)
		say_warning(
			"Process %d of the sandbox does not end; nobody waits for it any longer%s",
			left ? left : other,
			must_find ? " (with --unshare-pid it could not get away)" : "");
	return !left && !other;
}

static void end_and_remove(void *run)
{
	end_sandbox();
	cgroups_remove(run);
}

/* A shell inside that was in the foreground gives the terminal back to whoever had it before; which it
 * cannot where that was a group outside of its pid namespace. Then nobody could read from it. */
static void take_terminal_back(void)
{
	pid_t group = monitor.terminal < 0 ? -1 : tcgetpgrp(monitor.terminal);
	if (group <= 1 || group == getpgrp() || kill(-group, 0) == 0 || errno != ESRCH)
		return;
	signal(SIGTTOU, SIG_IGN); /* which stops whoever does this from the background */
	tcsetpgrp(monitor.terminal, getpgrp());
}

static _Noreturn void leave(int status)
{
	if (monitor.guard && kill(monitor.guard, SIGKILL) == 0)
		waitpid(monitor.guard, NULL, 0);
	take_terminal_back();
	_exit(status);
}

/* ---- the parent ---- */

/* `parent` is who it was at the start. Whether that is init because the one before it has died, or
 * because we were handed to it on purpose, as a daemon is, nothing tells. */
static void watch_parent(pid_t parent)
{
	if (parent == 0) { /* in an outer pid namespace: no pidfd for it, only the signal */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			die_errno(errno, "Can't arrange to die with the parent");
		return;
	}
	/* Of the process, not of the thread that started us: the parent-death signal would come
	 * with the latter. */
	monitor.parent_pidfd = sys_pidfd_open(parent, 0);
	if (monitor.parent_pidfd < 0 && errno != ESRCH)
		die_errno(errno, "--die-with-parent: Can't watch the parent");
	/* A stopped supervisor could not see it; what wakes it does no harm when only a thread has
	 * died. */
	if (prctl(PR_SET_PDEATHSIG, SIGCONT) < 0)
		die_errno(errno, "Can't arrange to be woken when the parent dies");
	/* In this order: once it is seen to be the parent still, the descriptor was opened on it and
	 * not on a stranger with its number. */
	if (monitor.parent_pidfd < 0 || getppid() != parent)
		die("--die-with-parent: The parent is gone already; nothing was run");
}

/* In a container that shows the /proc of the pid namespace around it, numbers found there are those
 * of others here. */
static void require_own_proc(const struct run *run)
{
	const struct plan *plan = run->plan;
	const char *option = plan->ns.pidns.fd >= 0 ? "--pidns" : NULL;
	if (plan->ns.userns.fd >= 0 && run->shape.pid_namespace)
		option = "--userns";
	if (must_find_the_rest(run) && !option)
		option = options_with_trait(plan, ENDS_WITH_COMMAND);
	if (option && !ns_has_own_proc(run))
		die("%s: /proc shows another pid namespace than this one, so the sandbox's "
		    "processes cannot be found there; mount one of this namespace%s",
		    position_text(options_position(plan, option)),
		    must_find_the_rest(run) ? ", or give --unshare-pid" : "");
}

static void learn_terminal(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && monitor.terminal < 0; fd++)
		if (isatty(fd) && tcgetsid(fd) == getsid(0) && tcgetpgrp(fd) == getpgrp())
			monitor.terminal = fd;
}

/* Whoever stops the supervisor, COMMAND by the terminal or by a signal to its own process group, or
 * the caller: it goes on when something is due, and once more when nobody is left to stop it. */
static void set_deadline(struct run *run)
{
	enum { LAST_RESORT_MS = 2000 };
	const struct plan *plan = run->plan;
	if (!plan->limit.timeout_ms)
		return;
	monitor.deadline_ms = monitor.silent_ms = now_ms() + plan->limit.timeout_ms;
	int64_t kill_ms = monitor.deadline_ms + plan->limit.kill_after_ms;
	run->last_resort_ms = kill_ms + LAST_RESORT_MS;
	monitor.lacks_timers = !signals_wake_at(monitor.deadline_ms, 0) ||
			       !signals_wake_at(kill_ms, 0) ||
			       !signals_wake_at(run->last_resort_ms + LAST_RESORT_MS, 0);
	/* Any program of the user's can bring that about; start_guard() does without. */
	if (monitor.lacks_timers && errno != EAGAIN)
		die_errno(errno, "%s: Can't make a timer",
			  position_text(options_position(plan, "--timeout")));
}

void supervisor_prepare(struct run *run)
{
	monitor.run = run;
	require_own_proc(run);
	learn_terminal();
	signals_block(run->plan);
	set_deadline(run);
	if (run->plan->command.die_with_parent)
		watch_parent(run->host->caller.parent);
	if (must_find_the_rest(run) || run->plan->ns.pidns.fd >= 0)
		descendants_spare(run->host->proc_fd);
	if (must_find_the_rest(run) && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die_errno(errno, "Can't become the one who finds what COMMAND leaves behind");
}

/* ---- waiting before the loop, and writing ---- */

static bool parent_is_gone(void)
{
	struct pollfd parent = { .fd = monitor.parent_pidfd, .events = POLLIN };
	return poll(&parent, 1, 0) > 0;
}

/* Ends the run, COMMAND not having been started, if somebody wants it to. */
static void end_if_asked(const struct run *run)
{
	bool is_late = monitor.deadline_ms && now_ms() >= monitor.deadline_ms;
	bool is_orphan = parent_is_gone();
	int ending = signals_take();
	if (!is_late && !is_orphan && !ending)
		return;
	end_sandbox();
	if (is_late && !is_orphan && !ending)
		die_as(EXIT_TIMED_OUT, "%s: The time was up before COMMAND was started",
		       position_text(options_position(run->plan, "--timeout")));
	die_silently(ending ? 128 + ending : 1);
}

void supervisor_await(const struct run *run, int fd, int ms)
{
	int64_t end_ms = now_ms() + ms;
	for (;;) {
		struct pollfd events[] = { { .fd = signals_fd(), .events = POLLIN },
					   { .fd = monitor.parent_pidfd, .events = POLLIN },
					   { .fd = fd, .events = POLLIN } };
		int64_t next_ms = monitor.deadline_ms && (ms < 0 || monitor.deadline_ms < end_ms)
					  ? monitor.deadline_ms
					  : end_ms,
			left = next_ms - now_ms();
		bool sleeps = ms >= 0 || monitor.deadline_ms;
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

/* COMMAND may stop a terminal or fill a pipe that we share with it. */
static bool may_go_on_writing(void)
{
	return (!monitor.silent_ms || now_ms() < monitor.silent_ms) && !signals_ask_for_the_end() &&
	       !parent_is_gone();
}

void supervisor_leave_to_it(struct run *run)
{
	const struct shape *shape = &run->shape;
	signals_leave_to_supervisor();
	if (shape->topology == RUN_WITH_INIT && shape->pid_namespace && !shape->has_guard) {
		run->parent_pidfd = monitor.parent_pidfd;
		monitor.parent_pidfd = -1;
	}
	close_fd(&monitor.parent_pidfd);
}

/* ---- reports ---- */

/* What setup tells: whoever waits for it must have got it. What is told of the end is worth less than
 * COMMAND's status, which goes on even where nobody reads any more. */
static void write_report(const struct fd_at *to, const char *json)
{
	bool done = write_all(to->fd, json, strlen(json));
	if (!done && errno == ETIMEDOUT)
		end_if_asked(monitor.run);
	if (!done)
		die("%s: Can't write to descriptor %d: %s%s", position_text(to->position), to->fd,
		    errno_text(errno), errno == EBADF ? "; it is not open for writing" : "");
}

static void report_child(const struct run *run, pid_t child)
{
	const struct plan *plan = run->plan;
	if (plan->report.info.fd >= 0) {
		struct text json = { 0 };
		text_add(&json, "{\n    ");
		ns_describe(run, child, "\n    ", &json);
		text_add(&json, "\n}\n");
		write_report(&plan->report.info, json.bytes);
	}
	if (plan->report.json_status.fd >= 0) {
		struct text json = { 0 };
		text_add(&json, "{ ");
		ns_describe(run, child, " ", &json);
		text_add(&json, " }\n");
		write_report(&plan->report.json_status, json.bytes);
	}
}

static void report_exit(const struct run *run, int exit_code)
{
	struct text json = { 0 };
	if (run->plan->report.json_status.fd < 0)
		return;
	text_add(&json, "{ \"exit-code\": %d }\n", exit_code);
	write_all(run->plan->report.json_status.fd, json.bytes, json.length);
}

/* Inside: waits for a message. That the supervisor is ready may come before another. */
static bool hear_supervisor(struct run *run, uint32_t kind)
{
	struct message message = { 0 };
	while (message.kind != kind && !(kind == MESSAGE_READY && run->supervisor_is_ready)) {
		if (channel_receive(run->supervisor_fd, true, &message, NULL) != 1)
			return false;
		run->supervisor_is_ready |= message.kind == MESSAGE_READY;
	}
	return true;
}

void supervisor_tell_namespaces(struct run *run)
{
	const struct plan *plan = run->plan;
	if (plan->report.info.fd < 0 && plan->report.json_status.fd < 0)
		return;
	ns_learn_ids(run);
	if (run->supervisor_fd < 0) {
		report_child(run, getpid());
		close_consumed(plan->report.info.fd);
		return;
	}
	channel_send_numbers(run->supervisor_fd, MESSAGE_NAMESPACES, 0, run->ns_ids, N_NS_KINDS);
	if (!hear_supervisor(run, MESSAGE_GO))
		_exit(1); /* the report could not be written, and that has been said; or nobody is
			     left */
}

void supervisor_tell_pinned(const struct run *run)
{
	if (run->supervisor_fd >= 0 && overlay_may_need_helper(run->plan))
		channel_send(run->supervisor_fd, MESSAGE_PINNED, 0);
}

void supervisor_await_ready(struct run *run)
{
	if (run->supervisor_fd >= 0 && !hear_supervisor(run, MESSAGE_READY))
		die("The supervisor is gone; nothing was run");
}

/* ---- the loop ---- */

static int exit_code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Ours, or COMMAND as one. */
static bool has_pid_1(const struct run *run)
{
	return run->plan->command.as_pid_1 || run->shape.topology == RUN_WITH_INIT;
}

/* In a process group of its own: neither the terminal nor what is sent to COMMAND's gets here. */
static _Noreturn void be_guard(const struct run *run, int child, pid_t supervisor_pid)
{
	enum { PATIENCE_MS = 1000 };
	int keep[] = { child, monitor.parent_pidfd };
	die_first_call(NULL, NULL);
	bool closed = close_all_except(keep, ARRAY_SIZE(keep));
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd); /* their readers wait for the end of file */
	int supervisor = sys_pidfd_open(supervisor_pid, 0);
	if (!closed || supervisor < 0 || getppid() != supervisor_pid) { /* nothing runs unguarded */
		sys_pidfd_send_signal(child, SIGKILL);
		_exit(1);
	}
	struct pollfd events[] = { { .fd = child, .events = POLLIN },
				   { .fd = supervisor, .events = POLLIN },
				   { .fd = monitor.parent_pidfd, .events = POLLIN } };
	int64_t end_ms = run->last_resort_ms ? run->last_resort_ms : INT64_MAX;
	for (int64_t left;
	     !events[0].revents && !events[1].revents && (left = end_ms - now_ms()) > 0;) {
		poll(events, ARRAY_SIZE(events), left > INT_MAX ? INT_MAX : (int) left);
		if (events[0].revents && !monitor.lacks_timers)
			_exit(0);
		if (events[2].revents) { /* the supervisor does what is to be done, if it can */
			events[2].fd = -1;
			if (now_ms() + PATIENCE_MS < end_ms)
				end_ms = now_ms() + PATIENCE_MS;
		}
	}
	sys_pidfd_send_signal(child, SIGKILL);
	do /* it may have to help along the end, and nobody is left afterwards to stop it again */
		sys_pidfd_send_signal(supervisor, SIGCONT);
	while (poll(events, 1, STEP_MS) == 0);
	do { /* it ends us */
		sys_pidfd_send_signal(supervisor, SIGCONT);
		sys_pidfd_send_signal(supervisor, WAKE_WRITER);
	} while (poll(events + 1, 1, STEP_MS) == 0);
	_exit(0);
}

/* COMMAND can stop us by its process group (kill(2) with 0) or have the terminal stop or kill us, with a
 * session of its own, too; and as pid 1 it can take back that it dies with us. */
static void start_guard(const struct run *run)
{
	if (!run->shape.has_guard && !monitor.lacks_timers)
		return;
	pid_t ours = getpid();
	AUTO_CLOSE int child = sys_pidfd_open(monitor.child, 0);
	monitor.guard = child < 0 ? -1 : sys_clone_process(0);
	if (monitor.guard == 0)
		be_guard(run, child, ours);
	/* Before COMMAND can run, and so by us. */
	if (monitor.guard < 0 || setpgid(monitor.guard, monitor.guard) < 0)
		die_errno(errno,
			  "%s: Can't start the process that ends the sandbox where the supervisor "
			  "is kept from it",
			  position_text(options_position(
				  run->plan, monitor.lacks_timers          ? "--timeout"
					     : run->plan->command.as_pid_1 ? "--as-pid-1"
									   : "--die-with-parent")));
}

static void drop_privilege(struct run *run)
{
	const struct plan *plan = run->plan;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		die_errno(errno, "Can't protect the supervisor from COMMAND");
	uint64_t permitted, effective, ambient;
	caps_of_process(&permitted, &effective, &ambient);
	/* Who made a user namespace has every capability over it from outside (user_namespaces(7)).
	 * Without one a root caller's COMMAND may become a user whom only CAP_KILL can still end. */
	bool may_lose_it = run->shape.ends_with_command && !run->shape.user_namespace;
	uint64_t needed = (may_lose_it ? CAP_BIT(CAP_KILL) : 0) |
			  (cgroups_are_in_closed(run) ? CAP_BIT(CAP_DAC_OVERRIDE) : 0);
	if (permitted)
		caps_drop_all_but(permitted & needed);
	const int ours[] = { monitor.socket, signals_fd(), monitor.parent_pidfd,
			     run->shape.ends_with_command || plan->command.new_session ||
					     has_pid_1(run) || plan->ns.pidns.fd >= 0
				     ? run->host->proc_fd
				     : -1 };
	size_t n_helpers;
	const int *helper_fds = helpers_fds(&n_helpers);
	size_t n_sync = plan->command.as_pid_1 ? plan->report.sync.n
					       : 0; /* otherwise the reaper holds them */
	int *keep = arena_alloc(
		(ARRAY_SIZE(ours) + n_sync + plan->n_fds + n_helpers + CGROUPS_MOST_FDS) *
		sizeof(int));
	memcpy(keep, ours, sizeof(ours));
	if (n_helpers)
		memcpy(keep + ARRAY_SIZE(ours), helper_fds, n_helpers * sizeof(int));
	size_t n_keep = ARRAY_SIZE(ours) + n_helpers;
	for (size_t i = 0; i < n_sync; i++)
		keep[n_keep++] = plan->report.sync.items[i].fd;
	n_keep += fds_with_trait(plan, SUPERVISOR_WRITES | SUPERVISOR_WAITS, keep + n_keep);
	if (!close_all_except(keep, n_keep + cgroups_fds(run, keep + n_keep)))
		die_errno(errno, "Can't close the descriptors that the supervisor must not have");
	start_guard(run);
	channel_let_go_on(monitor.socket, MESSAGE_READY);
}

/* With --new-session COMMAND leads a process group, which has its number. */
static void learn_session(const struct run *run)
{
	monitor.session = monitor.child;
	if (monitor.command_pidfd >= 0)
		monitor.session =
			ns_has_own_proc(run) ? ns_pid_in_proc(run, monitor.command_pidfd) : 0;
}

static void hear_message(struct run *run, const struct message *message, int attached_fd)
{
	switch (message->kind) {
	case MESSAGE_NAMESPACES:
		if (monitor.started) /* not setup's: whoever has got hold of pid 1's socket */
			break;
		memcpy(run->ns_ids, message->numbers, sizeof(run->ns_ids));
		report_child(run, monitor.child);
		close_consumed(run->plan->report.info.fd);
		monitor.waits_for_maps = run->plan->report.userns_block.fd >= 0;
		if (!monitor.waits_for_maps)
			channel_let_go_on(monitor.socket, MESSAGE_GO);
		break;
	case MESSAGE_STARTING:
		monitor.started = true;
		close_fd(&monitor.command_pidfd);
		monitor.command_pidfd = attached_fd;
		attached_fd = -1;
		if (run->plan->command.new_session)
			learn_session(run);
		break;
	case MESSAGE_NOT_STARTED:
		monitor.not_started = true;
		break;
	case MESSAGE_ENDED:
	case MESSAGE_ALL_ENDED:
		monitor.ended = true;
		monitor.reaper_ends = message->kind == MESSAGE_ALL_ENDED;
		monitor.status = message->value;
		break;
	case MESSAGE_LISTENER:
		close_fd(&monitor.listener);
		monitor.listener = attached_fd;
		attached_fd = -1;
		break;
	case MESSAGE_START_HELPER:
		if (!monitor.takes_helpers)
			break;
		helpers_start(run, monitor.child, attached_fd, (enum helper_kind) message->value);
		attached_fd = -1;
		break;
	case MESSAGE_PINNED:
		if (!monitor.takes_helpers)
			break;
		monitor.takes_helpers = false;
		drop_privilege(run);
		break;
	}
	close_fd(&attached_fd);
}

/* False when the other side is gone. */
static bool hear_messages(struct run *run)
{
	struct message message;
	int heard, attached_fd;
	while ((heard = channel_receive(monitor.socket, false, &message, &attached_fd)) > 0)
		hear_message(run, &message, attached_fd);
	return heard < 0;
}

/* Whether one of the masks that /proc/PID/status shows has the signal; -1: not to be learned. */
static int is_in_masks(const struct run *run, pid_t pid, int number, const char *const *masks,
		       size_t n_masks)
{
	char text[16384], path[32];
	int any = 0;
	snprintf(path, sizeof(path), "%d/status", pid);
	if (!read_file_into(run->host->proc_fd, path, text, sizeof(text)))
		return -1;
	for (size_t i = 0; i < n_masks; i++) {
		const char *line = strstr(text, masks[i]);
		if (!line)
			return -1;
		any |= (int) (strtoull(line + strlen(masks[i]), NULL, 16) >> (number - 1) & 1);
	}
	return any;
}

/* Pid 1 of a namespace that has not arranged for a signal never gets it, not even from outside:
 * pid_namespaces(7). One that it has blocked waits for it, as signalfd(2) needs it. */
static bool may_be_lost_on_pid_1(const struct run *run, int number)
{
	static const char *const arranged[] = { "\nSigBlk:", "\nSigIgn:", "\nSigCgt:" };
	return run->plan->command.as_pid_1 &&
	       is_in_masks(run, monitor.child_in_proc, number, arranged, ARRAY_SIZE(arranged)) == 0;
}

/* The part of /proc/PID/stat behind the name, in which any character may be; NULL: not to be had. */
static const char *read_stat(const struct run *run, const char *process, char *text,
			     size_t capacity)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/stat", process);
	return read_file_into(run->host->proc_fd, path, text, capacity) ? strrchr(text, ')') : NULL;
}

/* By the numbers of proc_pid_stat(5). */
enum { STAT_GROUP = 5, STAT_REAPED_FAULTS = 11, STAT_START = 22, STAT_BLOCKED = 32 };

static unsigned long long stat_field(const char *rest, int number)
{
	for (int n = 2; n < number && rest; n++)
		rest = strchr(rest + 1, ' ');
	return rest ? strtoull(rest, NULL, 10) : 0;
}

/* Dead, and started long enough ago for a pid 1 that polls to have been there since. */
static bool is_long_dead(const struct run *run, const char *process)
{
	enum { LONG_S = 5 };
	char text[1024];
	struct timespec now;
	const char *stat = read_stat(run, process, text, sizeof(text));
	if (!stat || strncmp(stat, ") Z", 3) != 0 || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return false;
	unsigned long long start_s =
		stat_field(stat, STAT_START) / (unsigned long long) sysconf(_SC_CLK_TCK);
	return start_s + LONG_S < (unsigned long long) now.tv_sec;
}

/* A few are looked at, from all over the list: where nobody takes their status they are ever more. */
static bool init_leaves_dead(const struct run *run)
{
	enum { N_SAMPLES = 4 };
	char children[16384], child[16];
	if (!read_file_into(run->host->proc_fd, "1/task/1/children", children, sizeof(children)))
		return true;
	size_t length = strlen(children);
	for (size_t i = 0; i < N_SAMPLES; i++) {
		const char *at = children + length * i / N_SAMPLES;
		while (at > children && at[-1] != ' ')
			at--;
		if (sscanf(at, "%15s", child) == 1 && is_long_dead(run, child))
			return true;
	}
	return length + 1 == sizeof(children); /* and there are more of them */
}

/* A reaper that ends after us would stay a zombie where init is a program like any other, as in many a
 * container. To see it end takes as long as the kernel needs to take the sandbox's mounts apart. An init
 * that waits for strangers arranges for their signal; or it polls, as that of a small virtual machine may,
 * and has taken the status of some, and left none for long. */
static bool init_may_reap_nobody(const struct run *run)
{
	char text[1024];
	const char *stat = read_stat(run, "1", text, sizeof(text));
	unsigned long long arranged = 0;
	for (int mask = 0; mask < 3; mask++) /* blocked, ignored, caught */
		arranged |= stat_field(stat, STAT_BLOCKED + mask);
	return !(arranged >> (SIGCHLD - 1) & 1) &&
	       (!stat_field(stat, STAT_REAPED_FAULTS) || init_leaves_dead(run));
}

static void send_signal(int signal)
{
	if (monitor.command_pidfd >= 0)
		sys_pidfd_send_signal(monitor.command_pidfd, signal);
	else
		kill(monitor.child, signal);
}

/* Who waits for it by sigwait(3), as tini(1) does, shows none of that; but one that is asleep is woken
 * by what it gets, at once, and by nothing that is lost on it. */
static bool is_woken_by(const struct run *run, int signal)
{
	static const char asleep[] = "\nState:\tS", switches[] = "\nvoluntary_ctxt_switches:";
	char before[16384], after[16384], path[32];
	snprintf(path, sizeof(path), "%d/status", monitor.child_in_proc);
	if (!read_file_into(run->host->proc_fd, path, before, sizeof(before)))
		before[0] = '\0';
	send_signal(signal);
	if (!strstr(before, asleep) ||
	    !read_file_into(run->host->proc_fd, path, after, sizeof(after)))
		return false;
	const char *then = strstr(before, switches), *now = strstr(after, switches);
	return !strstr(after, asleep) || !then || !now || !streq(then, now);
}

static void send_to_session(int signal)
{
	if (monitor.session <= 1 || kill(-monitor.session, signal) < 0)
		send_signal(signal);
}

/* The process group of one that /proc shows, as a number there; 0: not to be learned. */
static pid_t group_in_proc(const struct run *run, const char *process)
{
	char text[1024];
	return (pid_t) stat_field(read_stat(run, process, text, sizeof(text)), STAT_GROUP);
}

/* COMMAND may have left the group, or been born outside of it (--new-session). False, too, where that
 * is not to be learned. */
static bool is_command_in_our_group(const struct run *run)
{
	char number[16];
	if (monitor.command_pidfd < 0)
		return getpgid(monitor.child) == getpgrp();
	snprintf(number, sizeof(number), "%d", ns_pid_in_proc(run, monitor.command_pidfd));
	pid_t group = group_in_proc(run, number);
	return group > 0 && group == group_in_proc(run, "self");
}

/* Others come from the kernel, too: SIGALRM of an alarm(2) from before we were executed, SIGIO and SIGURG
 * for the owner of a descriptor. */
static bool is_from_terminal(const struct signalfd_siginfo *info)
{
	int number = (int) info->ssi_signo;
	return info->ssi_code == SI_KERNEL &&
	       (number == SIGINT || number == SIGQUIT || number == SIGWINCH || number == SIGHUP);
}

/* Whether COMMAND has got it without us, for sure: one that comes twice does less harm than one that
 * is lost. A sender who means all of us may have to call each. */
static bool reached_command(const struct run *run, const struct signalfd_siginfo *info)
{
	enum { ALL_CALLED_MS = 10 };
	int number = (int) info->ssi_signo;
	if (!is_command_in_our_group(run))
		return false;
	if (is_from_terminal(info)) {
		/* To the whole foreground group, but of a hangup only the leader of the session is
		 * told. */
		bool to_all = number != SIGHUP || getsid(0) != getpid();
		if (to_all)
			signals_note_group(number);
		return to_all;
	}
	if (run->shape.topology != RUN_WITH_INIT || monitor.child_in_proc <= 0)
		return false;
	if (signals_end_us(number)) /* of others, two are one */
		poll(NULL, 0, ALL_CALLED_MS);
	return signals_went_to_group(run, monitor.child_in_proc, info);
}

static void pass_signal_on(const struct run *run, const struct signalfd_siginfo *info)
{
	int number = (int) info->ssi_signo;
	bool new_session = run->plan->command.new_session;
	if (number == SIGCHLD)
		return;
	if (signals_stop_us(number)) {
		/* A session of its own is not the terminal's to stop. */
		bool is_late = monitor.deadline_ms && now_ms() >= monitor.deadline_ms;
		if (!new_session && !monitor.timed_out && !is_late)
			signals_stop(number);
		return;
	}
	/* Before COMMAND runs nobody could answer; nor can a pid 1 that has not arranged for it. */
	bool started = monitor.started && !monitor.not_started;
	if (signals_end_us(number) && (!started || may_be_lost_on_pid_1(run, number))) {
		if (started && is_woken_by(run, number))
			return;
		end_and_remove(monitor.run);
		if (started)
			report_exit(run, 128 + number);
		leave(128 + number);
	}
	if (new_session && is_from_terminal(info))
		send_to_session(number); /* as the terminal would: a shell waits for its child */
	else if (!reached_command(run, info))
		send_signal(number);
}

/* Each kind once, and then whatever else there is to look at: COMMAND can send them as fast as they are
 * taken, to all of its process group. */
static void hear_signals(const struct run *run)
{
	struct signalfd_siginfo info;
	sigset_t heard;
	sigemptyset(&heard);
	for (bool again = false; !again && signals_next(&info);) {
		again = sigismember(&heard, (int) info.ssi_signo);
		sigaddset(&heard, (int) info.ssi_signo);
		pass_signal_on(run, &info);
	}
}

/* How long poll(2) may sleep. */
static int ms_to_sleep(void)
{
	int64_t left = monitor.deadline_ms ? monitor.deadline_ms - now_ms() : INT64_MAX;
	/* While it listens it will hear of the start, and has nothing to give back before. */
	bool may_settle = !monitor.settled && (monitor.started || !monitor.listens);
	if (may_settle && left > RELEASE_AFTER_MS)
		left = RELEASE_AFTER_MS;
	return monitor.may_reap_more || left < 0 ? 0
	       : left == INT64_MAX               ? -1
	       : left > INT_MAX                  ? INT_MAX
						 : (int) left;
}

/* Whether setup asks for something, or a reaper tells the end: otherwise what is sent only says how
 * far it is, and is read when that matters. To be woken for it costs both sides more than the rest of
 * the message. */
static bool must_listen(const struct plan *plan, const struct shape *shape)
{
	return shape->topology == RUN_WITH_INIT || plan->report.info.fd >= 0 ||
	       plan->report.json_status.fd >= 0 || plan->filter.policy.trace.fd >= 0 ||
	       monitor.takes_helpers;
}

/* What ended COMMAND. The kernel counts its kills by the group; that one of them was COMMAND shows
 * in its status. */
static const char *cause_of_end(const struct usage *usage, int status)
{
	if (monitor.timed_out)
		return "timeout";
	if (!WIFSIGNALED(status))
		return "exit";
	return WTERMSIG(status) == SIGKILL && usage->oom_kills > 0 ? "oom-kill" : "signal";
}

static void report_usage(const struct run *run, const struct usage *usage, int status)
{
	const char *cause = cause_of_end(usage, status);
	if (streq(cause, "oom-kill"))
		run_tell(run,
			 "COMMAND was killed by the kernel because the group was out of memory");
	if (run->plan->report.json_status.fd < 0)
		return;
	const struct {
		const char *name;
		int64_t value;
	} members[] = { { "memory-peak-bytes", usage->memory_peak_bytes },
			{ "max-rss-bytes", usage->max_rss_bytes },
			{ "cpu-us", usage->cpu_us },
			{ "oom-kills", usage->oom_kills },
			{ "throttled", usage->throttled } };
	struct text json = { 0 };
	text_add(&json, "{ \"ended-by\": \"%s\"", cause);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (members[i].value >= 0)
			text_add(&json, ", \"%s\": %lld", members[i].name,
				 (long long) members[i].value);
	text_add(&json, " }\n");
	write_all(run->plan->report.json_status.fd, json.bytes, json.length);
}

/* Waits for a helper, as long as the list is wanted. */
static bool is_wanted(void)
{
	int status;
	helpers_urge(false);
	if (!monitor.cut_short && take_status(&status) == 0)
		hear_the_end(STEP_MS);
	return !monitor.cut_short;
}

static _Noreturn void finish(struct run *run, int status)
{
	enum { PATIENCE_MS = 1000 };
	die_first_call(NULL, NULL);
	signals_take(); /* what came until now was for COMMAND */
	struct usage usage = { 0 };
	bool started = monitor.started && !monitor.not_started;
	if (run->last_resort_ms && now_ms() >= run->last_resort_ms && !monitor.ended)
		monitor.timed_out = monitor.killed = true; /* by pid 1, while we were stopped */
	bool lists_changes = overlay_lists_changes(run->plan), listed = true, all_ended = true;
	if (monitor.reaper_ends && monitor.reaper_is_ours && !run->shape.ends_with_command)
		await_child(PATIENCE_MS);
	if (run->shape.ends_with_command) {
		all_ended = end_sandbox();
		if (run->cgroups || lists_changes)
			helpers_wait_for_fuse(is_wanted);
		if (!started || run->plan->report.json_status.fd >= 0 || run->plan->verbose)
			usage_read(run, &usage);
		if (started && lists_changes)
			listed = helpers_list_changes(is_wanted);
		cgroups_remove(run);
	}
	if (monitor.silent_ms && monitor.silent_ms < now_ms() + PATIENCE_MS)
		monitor.silent_ms = now_ms() + PATIENCE_MS;
	if (!started && monitor.timed_out)
		die_as(EXIT_TIMED_OUT, "%s: The time was up before COMMAND was started",
		       position_text(options_position(run->plan, "--timeout")));
	if (!started) {
		const char *position = limits_position(run->plan, "memory.max");
		if (usage.oom_kills > 0)
			die("Setup was ended by the kernel: the memory that %s allows is not "
			    "enough to start",
			    position ? position
			    : run->plan->limit.cgroup
				    ? position_text(options_position(run->plan, "--cgroup"))
				    : "the group");
		run_end_with_setup(status);
	}
	int exit_code = monitor.killed      ? EXIT_KILLED
			: monitor.timed_out ? EXIT_TIMED_OUT
					    : exit_code_of(status);
	run_tell(run,
		 WIFSIGNALED(status) ? "COMMAND was ended by signal %d"
				     : "COMMAND ended with status %d",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	trace_finish(run);
	if (run->shape.ends_with_command)
		report_usage(run, &usage, status);
	report_exit(run, exit_code);
	leave(listed && all_ended ? exit_code : monitor.cut_short ? monitor.cut_short : 1);
}

/* The first time COMMAND is asked to end; the second time nobody is asked. COMMAND goes before its
 * pid 1 then, if it does at once: only a pid 1 that waits for it counts what it has used. What has
 * not become COMMAND yet has the signal blocked and nothing to put in order. */
static void time_is_up(struct run *run)
{
	enum { PATIENCE_MS = 1000 };
	const struct plan *plan = run->plan;
	bool was_asked = monitor.timed_out, was_killed = monitor.killed;
	monitor.timed_out = true;
	monitor.killed = was_asked;
	if (!monitor.started || was_killed || (was_asked && monitor.command_pidfd < 0))
		finish(run, SIGKILL);
	monitor.deadline_ms = now_ms() + (was_asked ? PATIENCE_MS : plan->limit.kill_after_ms);
	monitor.silent_ms = now_ms() + PATIENCE_MS;
	if (was_asked) {
		send_signal(SIGKILL);
		return;
	}
	send_signal(SIGTERM);
	send_signal(SIGCONT); /* a stopped process would not hear it */
	run_tell(run, "%s: the time is up: SIGTERM, and SIGKILL in %lld ms",
		 position_text(options_position(plan, "--timeout")),
		 (long long) plan->limit.kill_after_ms);
}

static void let_maps_pass(const struct run *run)
{
	if (!wait_for_byte(run->plan->report.userns_block.fd))
		die_errno(errno, "%s: Can't read descriptor %d",
			  position_text(run->plan->report.userns_block.position),
			  run->plan->report.userns_block.fd);
	monitor.waits_for_maps = false;
	channel_let_go_on(monitor.socket, MESSAGE_GO);
}

/* Others than the child are intermediate processes of ns_split(), or lost their parents: these may
 * come faster than they can be reaped, which must not keep us from looking at the time. */
static bool reap_until_child(int *ret_status)
{
	enum { MOST = 256 };
	bool had_child = monitor.child > 0;
	pid_t pid = 1;
	for (int n = 0; n < MOST && pid > 0; n++) {
		pid = take_status(ret_status);
		if (had_child && !monitor.child)
			return true;
	}
	monitor.may_reap_more = pid > 0;
	return false;
}

static void begin(struct run *run, pid_t child, int socket)
{
	monitor.child = child;
	monitor.socket = socket;
	die_first_call(end_and_remove, run);
	/* Otherwise nobody has been promised that it is never waited for too long. */
	if (!write_patiently(may_go_on_writing) && run->plan->limit.timeout_ms) {
		if (errno != EAGAIN)
			die_errno(errno, "%s: Can't make a timer",
				  position_text(options_position(run->plan, "--timeout")));
		monitor.lacks_timers = true;
	}
	if (has_pid_1(run)) {
		AUTO_CLOSE int pidfd = sys_pidfd_open(child, 0);
		monitor.child_in_proc = ns_pid_in_proc(run, pidfd);
	}
	monitor.takes_helpers = overlay_may_need_helper(run->plan);
	if (!monitor.takes_helpers) /* otherwise once all helpers have been started */
		drop_privilege(run);
	if (run->shape.topology == RUN_WITH_INIT && !run->shape.ends_with_command)
		monitor.reaper_is_ours = init_may_reap_nobody(run);
	cgroups_sweep(run); /* while the sandbox is being set up, which need not wait for it */
	monitor.listens = must_listen(run->plan, &run->shape);
}

void supervisor_run(struct run *run, pid_t child, int socket)
{
	enum { AWAKE_MS = 200 };
	bool connected = true;
	begin(run, child, socket);
	for (;;) {
		struct pollfd events[] = {
			{ .fd = signals_fd(), .events = POLLIN },
			{ .fd = connected && monitor.listens ? socket : -1, .events = POLLIN },
			{ .fd = monitor.parent_pidfd, .events = POLLIN },
			{ .fd = monitor.waits_for_maps ? run->plan->report.userns_block.fd : -1,
			  .events = POLLIN },
			{ .fd = monitor.listener, .events = POLLIN },
		};
		int n_ready = poll(events, ARRAY_SIZE(events), ms_to_sleep());
		if (n_ready < 0 && errno != EINTR)
			die_errno(errno, "Can't wait for the sandbox");
		if (events[2].revents) { /* the parent is gone, and so is everything */
			/* COMMAND may stop us once more before it is over, and nobody continues us
			 * then. */
			signals_wake_at(now_ms() + AWAKE_MS, AWAKE_MS);
			end_and_remove(monitor.run);
			leave(1);
		}
		if (connected && (events[1].revents || !monitor.listens))
			connected = hear_messages(run);
		if (n_ready == 0 && !monitor.settled) {
			if (monitor.started)
				release_code_pages();
			monitor.settled = monitor.started;
			monitor.listens = true; /* setup is slow */
		}
		if (events[3].revents)
			let_maps_pass(run);
		if (events[4].revents & POLLIN)
			trace_hear(run, monitor.listener);
		else if (events[4].revents) /* the last process that it could hear is gone */
			close_fd(&monitor.listener);
		if (monitor.ended)
			finish(run, monitor.status);
		if (events[0].revents)
			hear_signals(run);

		int status;
		if (reap_until_child(&status)) {
			if (connected)
				hear_messages(run);
			finish(run, monitor.ended ? monitor.status : status);
		}
		if (monitor.deadline_ms && now_ms() >= monitor.deadline_ms)
			time_is_up(run);
	}
}
