/* tell.h - what the processes of the sandbox tell their supervisor, and wait for: process/protocol.h. */
#ifndef PROCESS_TELL_H
#define PROCESS_TELL_H

#include "run/run.h"

/* The first thing in a process of the sandbox: it tells when it dies, and keeps nothing that is the supervisor's. */
void tell_from_now_on(struct run *run, int socket);
/* Returns once the supervisor has moved this process into its groups. */
void tell_nothing_before_in_groups(const struct run *run);
/* Its pid here is not its pid there. */
void tell_child(const struct run *run);
/* Has --info-fd and the first line of --json-status-fd written, by the supervisor where
 * there is one, and returns when they are; with --userns-block-fd when the caller has written the
 * id maps. */
void tell_namespaces(struct run *run);
/* All overlays are pinned: the supervisor, if it waits for that, drops what it kept to start helpers. */
void tell_pinned(const struct run *run);
/* What a --proc-try came to, where that is less than a whole one. To be told once the namespaces are. */
void tell_steps_down(const struct run *run);
/* The caller's end of --pty's terminal, which is closed here. */
void tell_terminal(struct run *run);
/* Returns when the supervisor, if there is one, has no more privilege and no more descriptors
 * than it needs; before that no COMMAND may run. */
void tell_and_await_ready(struct run *run);
/* The next step is exec, unless it hears otherwise; signals go by this descriptor, or to the child (-1). */
void tell_starting(const struct run *run, int pidfd);
/* In COMMAND's process: who it is, and that from now on the end of a pipe tells of its exec. */
void tell_going(struct run *run);
/* How COMMAND has ended; `all`: there is nobody else. */
void tell_ended(const struct run *run, int status, bool all);

#endif
