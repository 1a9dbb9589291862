/* notify.h - the one listener of system calls that a sandbox can have: --seccomp-trace's and --trace-denied's. */
#ifndef FILTER_NOTIFY_H
#define FILTER_NOTIFY_H

#include "plan/plan.h"
#include "run/run.h"

#include <linux/seccomp.h>

struct sock_filter;

/* To the supervisor, with a descriptor: where the calls wait. Beside those of process/protocol.h, which has the
 * drawing of all. */
enum { MESSAGE_LISTENER = 32 };
/* In COMMAND's process, when there is nothing left to do but load filters and exec: loads a program that notifies, and
 * hands its listener to the supervisor. */
void notify_load(const struct run *run, const struct sock_filter *code, size_t n);

/* ---- in the supervisor ---- */

/* A call that waits: COMMAND, or what it has started, sleeps in it. The kernel may know more of the structure than its
 * header here did. */
union notified {
	char capacity[512];
	struct seccomp_notif call;
};
/* False: there is none any more. */
bool notify_receive(const struct run *run, int listener, union notified *ret_notified);
/* The call goes on as if nobody had asked. */
void notify_let_through(const struct run *run, int listener, uint64_t id);
/* What COMMAND does is worth more than what is told of it: where that cannot be written, or nobody reads it, no more is
 * told, and the run goes on. Half a line stays the last one. */
void notify_write_line(const struct fd_at *to, bool *is_unheard, const char *line);

#endif
