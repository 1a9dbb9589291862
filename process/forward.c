/* forward.c - signals that the supervisor passes on to COMMAND, each once: not those that have reached it already.
 */
#include "process/forward.h"

#include "plan/plan.h"
#include "process/end.h"
#include "process/relay.h"
#include "process/report.h"
#include "process/signals.h"
#include "process/state.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/procstat.h"
#include "utils.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Whether one of the masks that /proc/PID/status shows has the signal; -1: not to be learned. */
static int is_in_masks(const struct run *run, pid_t pid, int number, const char *const *masks,
		       size_t n_masks)
{
	char text[16384], path[32];
	int any = 0;
	snprintf(path, sizeof(path), "%d/status", pid);
	if (!procfile_read_into(run->host->proc_fd, path, text, sizeof(text)))
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
	       is_in_masks(run, run->supervisor->child_in_proc, number, arranged,
			   ARRAY_SIZE(arranged)) == 0;
}

void forward_signal(const struct run *run, int signal)
{
	if (run->supervisor->command_pidfd >= 0)
		sys_pidfd_send_signal(run->supervisor->command_pidfd, signal);
	else
		kill(run->supervisor->child, signal);
}

/* Who waits for it by sigwait(3), as tini(1) does, shows none of that; but one that is asleep is woken
 * by what it gets, at once, and by nothing that is lost on it. */
static bool is_woken_by(const struct run *run, int signal)
{
	static const char asleep[] = "\nState:\tS", switches[] = "\nvoluntary_ctxt_switches:";
	char before[16384], after[16384], path[32];
	snprintf(path, sizeof(path), "%d/status", run->supervisor->child_in_proc);
	if (!procfile_read_into(run->host->proc_fd, path, before, sizeof(before)))
		before[0] = '\0';
	forward_signal(run, signal);
	if (!strstr(before, asleep) ||
	    !procfile_read_into(run->host->proc_fd, path, after, sizeof(after)))
		return false;
	const char *then = strstr(before, switches), *now = strstr(after, switches);
	return !strstr(after, asleep) || !then || !now || !streq(then, now);
}

static void send_to_session(const struct run *run, int signal)
{
	if (run->supervisor->session <= 1 || kill(-run->supervisor->session, signal) < 0)
		forward_signal(run, signal);
}

/* The process group of one that /proc shows, as a number there; 0: not to be learned. */
static pid_t group_in_proc(const struct run *run, const char *process)
{
	char text[1024];
	return (pid_t) procstat_field(
		procstat_read(run->host->proc_fd, process, text, sizeof(text)), PROCSTAT_GROUP);
}

/* COMMAND may have left the group, or been born outside of it (--new-session). False, too, where that
 * is not to be learned. */
static bool is_command_in_our_group(const struct run *run)
{
	char number[16];
	if (run->supervisor->command_pidfd < 0)
		return getpgid(run->supervisor->child) == getpgrp();
	snprintf(number, sizeof(number), "%d",
		 procfile_pid_of(run->host->proc_fd, run->supervisor->command_pidfd));
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
			signals_note_group(run->supervisor->signals, number);
		return to_all;
	}
	if (run->shape.topology != RUN_WITH_INIT || run->supervisor->child_in_proc <= 0)
		return false;
	if (signals_end_us(run->supervisor->signals, number)) /* of others, two are one */
		poll(NULL, 0, ALL_CALLED_MS);
	return signals_went_to_group(run->supervisor->signals, run, run->supervisor->child_in_proc,
				     info);
}

static void pass_on(struct run *run, const struct signalfd_siginfo *info)
{
	int number = (int) info->ssi_signo;
	bool new_session = run->shape.new_session, has_relay = run->supervisor->modes;
	if (number == SIGCHLD)
		return;
	if (signals_stop_us(number)) {
		/* A session of its own is not the terminal's to stop. */
		bool is_late =
			run->supervisor->deadline_ms && now_ms() >= run->supervisor->deadline_ms;
		if ((new_session && !has_relay) || run->supervisor->timed_out || is_late)
			return;
		relay_pause(run);
		signals_stop(number);
		if (run->supervisor->started)
			relay_go_on(run);
		return;
	}
	if (number == SIGWINCH && has_relay && is_from_terminal(info)) /* its own tells COMMAND */
		return;
	/* Before COMMAND runs nobody could answer; nor can a pid 1 that has not arranged for it. */
	bool started = run->supervisor->started && !run->supervisor->not_started;
	if (signals_end_us(run->supervisor->signals, number) &&
	    (!started || may_be_lost_on_pid_1(run, number))) {
		if (started && is_woken_by(run, number))
			return;
		end_and_remove(run);
		if (started)
			report_exit(run, 128 + number);
		else
			report_failure(run,
				       &(struct told_failure){ .failure.exit_status = 128 + number,
							       .stage = -1 });
		end_leave_by(run, number);
	}
	if (new_session && is_from_terminal(info))
		send_to_session(run,
				number); /* as the terminal would: a shell waits for its child */
	else if (!reached_command(run, info))
		forward_signal(run, number);
}

void forward_hangup(struct run *run)
{
	run->supervisor->is_hung_up = false;
	pass_on(run, &(struct signalfd_siginfo){ .ssi_signo = SIGHUP, .ssi_code = SI_KERNEL });
}

/* Each kind once, and then whatever else there is to look at: COMMAND can send them as fast as they are
 * taken, to all of its process group. */
void forward_signals(struct run *run)
{
	struct signalfd_siginfo info;
	sigset_t heard;
	sigemptyset(&heard);
	for (bool again = false; !again && signals_next(run->supervisor->signals, &info);) {
		again = sigismember(&heard, (int) info.ssi_signo);
		sigaddset(&heard, (int) info.ssi_signo);
		pass_on(run, &info);
	}
}

/* With --new-session COMMAND leads a process group, which has its number. */
void forward_learn_session(const struct run *run)
{
	run->supervisor->session = run->supervisor->child;
	if (run->supervisor->command_pidfd >= 0)
		run->supervisor->session = procfile_shows_own_pids(run->host->proc_fd)
						   ? procfile_pid_of(run->host->proc_fd,
								     run->supervisor->command_pidfd)
						   : 0;
}
