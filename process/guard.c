/* guard.c - the helper that ends the sandbox where COMMAND stops or kills the supervisor and no pid 1 of ours can.
 *
 * It is in a process group of its own: neither the terminal nor what is sent to COMMAND's gets here.
 */
#include "process/guard.h"

#include "process/state.h"
#include "sys/kernel.h"
#include "sys/self.h"
#include "utils.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

void guard_be(const struct run *run, int child, pid_t supervisor_pid)
{
	enum { PATIENCE_MS = 1000, STEP_MS = 50 };
	const struct supervisor *self = run->supervisor;
	int keep[] = { child, self->lifeline_fd };
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
				   { .fd = self->lifeline_fd, .events = POLLIN } };
	int64_t end_ms = run->last_resort_ms ? run->last_resort_ms : INT64_MAX;
	for (int64_t left;
	     !events[0].revents && !events[1].revents && (left = end_ms - now_ms()) > 0;) {
		poll(events, ARRAY_SIZE(events), left > INT_MAX ? INT_MAX : (int) left);
		if (events[0].revents && !self->lacks_timers)
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
