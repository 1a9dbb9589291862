/* split.c - from one process to two: the supervisor stays outside, the other one becomes the sandbox.
 *
 * It is in the sandbox's first namespaces, made or joined, and in its control groups, from its first moment or
 * before it does anything. Which namespaces these are ns/ knows, which groups limit/.
 */
#include "process/split.h"

#include "limit/cgroup.h"
#include "ns/join.h"
#include "ns/mapper.h"
#include "ns/namespaces.h"
#include "plan/ns-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/end.h"
#include "process/protocol.h"
#include "process/report.h"
#include "process/tell.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where a process cannot be born in its control group (clone3(2) is ENOSYS under some filters), it
 * is moved. */
static pid_t clone_into_groups(const struct run *run, unsigned long flags, bool *ret_born_in)
{
	int group_fd = cgroups_birth_fd(run);
	pid_t pid = group_fd < 0 ? -1 : sys_clone_into_cgroup(flags, group_fd);
	*ret_born_in = group_fd >= 0 && (pid >= 0 || errno != ENOSYS);
	return *ret_born_in ? pid : sys_clone_process(flags);
}

static pid_t clone_first_level(struct run *run, unsigned long more_flags, bool *ret_born_in)
{
	for (;;) {
		/* A cgroup namespace's root is the group of who makes it, not that of the new
		 * process. */
		unsigned long later = run->cgroups ? CLONE_NEWCGROUP : 0;
		pid_t pid =
			clone_into_groups(run, (ns_first(run) & ~later) | more_flags, ret_born_in);
		if (pid >= 0)
			return pid;
		int error = errno;
		if (*ret_born_in)
			cgroups_check_birth(run, error);
		ns_go_on_without(run, error);
	}
}

/* The first thing in a process of the sandbox. It and the supervisor see to it that it gets into the groups it
 * was not born in. */
static void begin_inside(struct run *run, int ends[2], bool born_in)
{
	bool waits = cgroups_must_enter(run, born_in);
	close_fd(&ends[0]);
	tell_from_now_on(run, ends[1]);
	cgroups_leave_to_supervisor(run);
	if (waits)
		tell_nothing_before_in_groups(run);
}

static void put_into_groups(const struct run *run, pid_t pid, bool born_in, int socket)
{
	if (!cgroups_must_enter(run, born_in))
		return;
	cgroups_enter(run, pid, born_in);
	channel_send_unless_gone(socket, MESSAGE_IN_GROUPS);
}

/* The intermediate process's part: ends, unless it is itself what the sandbox goes on in.
 * CLONE_PARENT makes the last one the supervisor's child. */
static void join_and_go_on(struct run *run)
{
	const struct plan *plan = run->plan;
	ns_join_given(run);
	if (plan->ns.pidns.fd < 0 && !run->shape.pid_namespace) {
		ns_unshare_first(run);
		return;
	}
	if (plan->ns.pidns.fd >= 0) {
		ns_join(run, &plan->ns.pidns, NS_PID);
		/* One is joined by children only, and a new one is made only by who is in the old:
		 * copy_pid_ns() */
		pid_t member = run->shape.pid_namespace ? sys_clone_process(CLONE_PARENT) : 0;
		if (member < 0)
			die_errno(errno, "%s: Can't start a process in it",
				  position_text(plan->ns.pidns.position));
		if (member > 0)
			_exit(0);
		if (run->shape.pid_namespace)
			ns_verify_joined(run, &plan->ns.pidns, NS_PID);
	}
	bool born_in;
	if (clone_first_level(run, CLONE_PARENT, &born_in) > 0)
		_exit(0);
	/* Its number here is not the supervisor's, so that is told with a pidfd; by itself, before
	 * it can send anything else. */
	tell_child(run);
}

/* The socket's end of file was seen: the intermediate process is ending, or one that it has started
 * before it ended well. Those are our children too, whose numbers only it knew. */
static int end_of_intermediate(const struct run *run)
{
	enum { STEP_MS = 1 };
	int status = 0;
	pid_t pid;
	while (status == 0 && ((pid = waitpid(-1, &status, WNOHANG)) >= 0 || errno == EINTR))
		if (pid == 0)
			end_await(run, -1, STEP_MS);
	return status;
}

static pid_t hear_child(struct run *run, int socket)
{
	struct message message = { 0 };
	AUTO_CLOSE int pidfd = -1;
	end_await(run, socket, -1); /* in there somebody may stop it */
	char *words = arena_alloc(WORDS_CAPACITY + 2);
	if (channel_receive_words(socket, true, &message, &pidfd, words) == 1)
		protocol_check(&message, pidfd, PHASE_SPLIT);
	switch (message.kind) {
	case MESSAGE_CHILD:
		return procfile_pid_of(run->host->proc_fd, pidfd);
	default: { /* it has said why, or was ended */
		int status = end_of_intermediate(run);
		cgroups_remove(run);
		if (message.kind) /* that it does not start */
			report_hear_failure(run, &message, words);
		report_not_started(run, status);
		run_end_with_setup(run, status);
	}
	}
}

/* A joined namespace is entered by an intermediate process, never by the supervisor, which would
 * then be within reach of those who live there. A joined pid namespace is that of children, and so
 * takes one process more. */
static pid_t split_through_intermediate(struct run *run, int ends[2])
{
	bool born_in;
	pid_t pid = clone_into_groups(run, 0, &born_in);
	if (pid < 0 && born_in)
		cgroups_check_birth(run, errno);
	if (pid < 0)
		die_errno(errno, "Can't start a process");
	if (pid == 0) {
		begin_inside(run, ends, born_in);
		join_and_go_on(run);
		return 0;
	}
	put_into_groups(run, pid, born_in, ends[0]);
	close_fd(&ends[1]); /* or its end of file would never be seen here */
	mapper_leave(run);
	if (run->plan->ns.pidns.fd < 0 && !run->shape.pid_namespace)
		return pid;

	pid = hear_child(run, ends[0]);
	if (pid <= 0)
		/* it notices our end */
		die("Can't learn the pid of the sandbox's process; nothing was run");
	return pid;
}

pid_t split_off(struct run *run, int *ret_socket)
{
	int ends[2];
	channel_make_pair(ends);
	bool joins = ns_options_first_joined(&run->plan->ns);
	bool born_in = true, has_groups = run->cgroups;
	/* With groups that namespace is made later, in a user namespace in which the limit is another.
	 */
	if (has_groups && run->shape.namespaces & CLONE_NEWCGROUP)
		ns_drop_missing(run);
	pid_t pid =
		joins ? split_through_intermediate(run, ends) : clone_first_level(run, 0, &born_in);
	if (pid == 0) {
		if (!joins)
			begin_inside(run, ends, born_in);
		if (!joins && has_groups && run->shape.namespaces & CLONE_NEWCGROUP &&
		    unshare(CLONE_NEWCGROUP) < 0)
			ns_die_of_new(run, errno);
		return 0;
	}
	close_fd(&ends[1]);
	mapper_leave(run);
	if (!joins)
		put_into_groups(run, pid, born_in, ends[0]);
	*ret_socket = ends[0];
	return pid;
}
