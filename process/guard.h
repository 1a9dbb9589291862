/* guard.h - the helper that ends the sandbox where the supervisor is kept from it. */
#ifndef PROCESS_GUARD_H
#define PROCESS_GUARD_H

#include "run/run.h"

/* `child`: a pidfd of the process whose end is the sandbox's. */
_Noreturn void guard_be(const struct run *run, int child, pid_t supervisor_pid);

#endif
