/* tell.c - the sandbox's side of the talk with its supervisor. */
#include "process/tell.h"

#include "mount/made-source.h"
#include "mount/proc.h"
#include "ns/namespaces.h"
#include "plan/descriptors.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/helpers.h"
#include "process/protocol.h"
#include "process/report.h"
#include "process/signals.h"
#include "process/state.h"
#include "run/entries.h"
#include "run/failure.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell_not_started(void *argument, const struct failure *failure)
{
	const struct run *run = argument;
	made_sources_remove(run);
	failure_send(run->supervisor_fd, MESSAGE_NOT_STARTED,
		     &(struct told_failure){ .failure = *failure,
					     .stage = (int) run->stage,
					     .of_exec = run->exec_failed });
}

void tell_from_now_on(struct run *run, int socket)
{
	const struct shape *shape = &run->shape;
	struct supervisor *left = run->supervisor;
	run->supervisor_fd = socket;
	run->supervisor = NULL;
	die_first_call(tell_not_started, run);
	signals_leave_to_supervisor(left->signals);
	if (shape->topology == RUN_WITH_INIT && shape->pid_namespace && !shape->has_guard) {
		run->lifeline_fd = left->lifeline_fd;
		left->lifeline_fd = -1;
	}
	close_fd(&left->lifeline_fd);
	entries_leave(run);
	/* The supervisor writes to them, and their readers wait for the end of file. */
	int *written = arena_alloc(run->plan->n_fds * sizeof(int));
	for (size_t i = fds_with_trait(run->plan, SUPERVISOR_WRITES, written); i-- > 0;)
		close_consumed(written[i]);
}

void tell_nothing_before_in_groups(const struct run *run)
{
	struct message message;
	if (channel_receive(run->supervisor_fd, true, &message, NULL) != 1)
		_exit(1); /* it has said why */
	protocol_expect(&message, MESSAGE_IN_GROUPS);
}

void tell_child(const struct run *run)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(getpid(), 0);
	if (pidfd < 0)
		die_errno(errno, "Can't tell the supervisor of the sandbox's process");
	channel_send_fd(run->supervisor_fd, MESSAGE_CHILD, 0, pidfd);
}

/* False: the supervisor is gone. */
static bool hear_supervisor(struct run *run, const bool *until)
{
	struct message message;
	while (!*until) {
		if (channel_receive(run->supervisor_fd, true, &message, NULL) != 1)
			return false;
		switch (message.kind) {
		case MESSAGE_READY: /* at whatever time */
			run->supervisor_is_ready = true;
			break;
		case MESSAGE_REPORTED:
			run->is_reported = true;
			break;
		default:
			protocol_refuse(&message);
		}
	}
	return true;
}

void tell_namespaces(struct run *run)
{
	const struct plan *plan = run->plan;
	if (plan->report.info.fd < 0 && plan->report.json_status.fd < 0)
		return;
	ns_learn_ids(run);
	if (run->supervisor_fd < 0) {
		report_namespaces(run, getpid());
		close_consumed(plan->report.info.fd);
		return;
	}
	channel_send_numbers(run->supervisor_fd, MESSAGE_NAMESPACES, 0, run->ns_ids, N_NS_KINDS);
	if (!hear_supervisor(run, &run->is_reported))
		/* the report could not be written, and that has been said; or nobody is left */
		_exit(1);
}

void tell_pinned(const struct run *run)
{
	if (run->supervisor_fd < 0 || !helpers_may_be_asked_for(run->plan))
		return;
	channel_send(run->supervisor_fd, MESSAGE_PINNED, 0);
}

void tell_steps_down(const struct run *run)
{
	if (run->plan->report.json_status.fd < 0)
		return;
	for (size_t i = 0; i < run->plan->root.n_ops; i++)
		for (uint64_t form = PROC_PROCESSES; form <= proc_stepped_down_to(run, i); form++)
			channel_send_numbers(run->supervisor_fd, MESSAGE_STEPPED_DOWN, (int) i,
					     &form, 1);
}

void tell_terminal(struct run *run)
{
	if (run->pty.master < 0)
		return;
	channel_send_fd(run->supervisor_fd, MESSAGE_TERMINAL, 0, run->pty.master);
	close_fd(&run->pty.master);
}

void tell_and_await_ready(struct run *run)
{
	if (run->supervisor_fd >= 0 && !hear_supervisor(run, &run->supervisor_is_ready))
		die("The supervisor is gone; nothing was run");
}

void tell_starting(const struct run *run, int pidfd)
{
	channel_send_fd(run->supervisor_fd, MESSAGE_STARTING, 0, pidfd);
}

/* Its number is asked of the host's /proc, where "self" is whom the caller knows by it: in a pid namespace of its
 * own it has another. */
void tell_going(struct run *run)
{
	char number[24] = "";
	uint64_t pid = 0;
	struct stat userns;
	int ends[2];
	if (run->supervisor_fd < 0 || run->plan->report.json_status.fd < 0)
		return;
	if (readlinkat(run->host->proc_fd, "self", number, sizeof(number) - 1) < 0 ||
	    !parse_decimal(number, INT_MAX, &pid) ||
	    fstatat(run->host->proc_fd, "self/ns/user", &userns, 0) < 0 ||
	    pipe2(ends, O_CLOEXEC) < 0)
		die_errno(errno, "%s: Can't tell of COMMAND's process",
			  position_text(run->plan->report.json_status.position));
	struct fd_letter letter;
	channel_write_letter(&letter, MESSAGE_GOING);
	letter.message.numbers[GOING_PID] = pid;
	letter.message.numbers[GOING_USERNS] = userns.st_ino;
	channel_send_letter(run->supervisor_fd, &letter, ends[0]);
	close(ends[0]);
	run->going_fd = ends[1];
}

void tell_ended(const struct run *run, int status, bool all)
{
	/* A supervisor that is gone needs neither. */
	if (all) {
		channel_try_send(run->supervisor_fd, MESSAGE_ALL_ENDED, status);
		return;
	}
	channel_try_send(run->supervisor_fd, MESSAGE_ENDED, status);
}
