/* supervisor.h - the process outside. */
#ifndef PROCESS_SUPERVISOR_H
#define PROCESS_SUPERVISOR_H

#include "run/run.h"

/* Before the split: takes the parent's pidfd and blocks the signals to forward. */
void supervisor_prepare(struct run *run);
/* In the sandbox: closes what is the supervisor's, but the parent's pidfd where pid 1 needs it. */
void supervisor_leave_to_it(struct run *run);
/* The supervisor's life; ends the process with COMMAND's status. */
_Noreturn void supervisor_run(struct run *run, pid_t child, int socket);
/* In the supervisor, before its life begins: returns when the descriptor can be read, or after `ms` if
 * that is not negative. Ends the run when its time is up, the parent is gone or a signal says so. */
void supervisor_await(const struct run *run, int fd, int ms);
/* Inside: has --info-fd and the first line of --json-status-fd written, by the supervisor where
 * there is one, and returns when they are; with --userns-block-fd when the caller has written the
 * id maps. */
void supervisor_tell_namespaces(struct run *run);
/* Inside: all overlays are pinned: the supervisor, if it waits for that, drops what it kept to start
 * helpers. */
void supervisor_tell_pinned(const struct run *run);
/* Inside: returns when the supervisor, if there is one, has no more privilege and no more descriptors
 * than it needs; before that no COMMAND may run. */
void supervisor_await_ready(struct run *run);

#endif
