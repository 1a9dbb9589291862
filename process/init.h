/* init.h - pid 1 inside. */
#ifndef PROCESS_INIT_H
#define PROCESS_INIT_H

#include "run/run.h"

/* What pid 1 holds as long as the sandbox lives. The root is not needed any more then. */
void init_take_locks(struct run *run);
/* Becomes pid 1, and lends its memory to a process in the second user namespace, which does what become_command()
 * does. Returns where that process has to have memory of its own. */
void init_lend(struct run *run, void (*become_command)(struct run *run));
/* Then: such a process. True in it, false in pid 1. */
bool init_split(struct run *run);

/* In pid 1: joins the namespaces that COMMAND's process has made, if it has: then true. */
bool init_follow(const struct run *run);
/* Protects itself, lets COMMAND go, and reaps. */
_Noreturn void init_live(struct run *run);

/* In COMMAND's process: tells where it is, and hands over the namespaces made with its own user namespace: by its
 * pid that would take the right to look at it. */
void init_lead(const struct run *run, bool second_userns);
/* Returns when nothing of pid 1 is in reach. */
void init_await_leave(const struct run *run);

#endif
