/* lifeline.c - what the life of the sandbox hangs on beside the supervisor's: the parent, a descriptor of the
 * caller's, or both, in one descriptor that is readable when it is cut.
 *
 * Reads from nothing: what comes through the caller's descriptor is not for us.
 */
#include "process/lifeline.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "process/end.h"
#include "process/state.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* `parent` is who it was at the start. Whether that is init because the one before it has died, or
 * because we were handed to it on purpose, as a daemon is, nothing tells. */
static void watch_parent(struct supervisor *self, pid_t parent)
{
	if (parent == 0) { /* in an outer pid namespace: no pidfd for it, only the signal */
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			die_errno(errno, "Can't arrange to die with the parent");
		return;
	}
	/* Of the process, not of the thread that started us: the parent-death signal would come
	 * with the latter. */
	self->lifeline_fd = sys_pidfd_open(parent, 0);
	if (self->lifeline_fd < 0 && errno != ESRCH)
		die_errno(errno, "--die-with-parent: Can't watch the parent");
	/* A stopped supervisor could not see it; what wakes it does no harm when only a thread has
	 * died. */
	if (prctl(PR_SET_PDEATHSIG, SIGCONT) < 0)
		die_errno(errno, "Can't arrange to be woken when the parent dies");
	/* In this order: once it is seen to be the parent still, the descriptor was opened on it and
	 * not on a stranger with its number. */
	if (self->lifeline_fd < 0 || getppid() != parent)
		die("--die-with-parent: The parent is gone already; nothing was run");
}

/* Which of the two a descriptor is only the kernel can tell: Linux 5.4. */
static bool is_pidfd(int fd)
{
	siginfo_t info;
	return waitid(P_PIDFD, (id_t) fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ||
	       errno == ECHILD; /* of somebody else's child */
}

/* Of a pidfd that is readable; of a pipe or socket whatever comes through it is left there. */
static uint32_t events_of_end(const struct run *run)
{
	const struct fd_at *at = &run->plan->command.die_with_fd;
	struct stat status;
	if (is_pidfd(at->fd))
		return EPOLLIN;
	if (fstat(at->fd, &status) < 0 || !(S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) ||
	    (fcntl(at->fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
		die("%s: Descriptor %d has no end to wait for: it is neither a pidfd, nor a socket, nor the read end of a pipe",
		    position_text(at->position), at->fd);
	int writer =
		S_ISFIFO(status.st_mode) ? host_passes_writer(run->host, run->plan, &status) : -1;
	if (writer >= 0)
		die("%s: Descriptor %d would never end: descriptor %d, which COMMAND would get, writes to the same pipe",
		    position_text(at->position), at->fd, writer);
	return EPOLLRDHUP; /* and EPOLLHUP */
}

/* One descriptor for all that the life of the sandbox hangs on, for the supervisor, pid 1 and the guard. */
static void watch_fd(const struct run *run)
{
	struct supervisor *self = run->supervisor;
	const struct fd_at *at = &run->plan->command.die_with_fd;
	struct epoll_event event = { .events = events_of_end(run) },
			   parent_event = { .events = EPOLLIN };
	int fd = epoll_create1(EPOLL_CLOEXEC);
	self->parent_pidfd = self->lifeline_fd;
	self->lifeline_fd = fd;
	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, at->fd, &event) < 0 ||
	    (self->parent_pidfd >= 0 &&
	     epoll_ctl(fd, EPOLL_CTL_ADD, self->parent_pidfd, &parent_event) < 0))
		die_errno(errno, "%s: Can't watch descriptor %d", position_text(at->position),
			  at->fd);
	if (end_lifeline_is_cut(self))
		die("%s: Descriptor %d has ended already; nothing was run",
		    position_text(at->position), at->fd);
}

void lifeline_watch(const struct run *run)
{
	if (run->plan->command.die_with_parent)
		watch_parent(run->supervisor, run->host->caller.parent);
	if (run->plan->command.die_with_fd.fd >= 0)
		watch_fd(run);
}
