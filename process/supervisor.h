/* supervisor.h - the process outside. */
#ifndef PROCESS_SUPERVISOR_H
#define PROCESS_SUPERVISOR_H

#include "run/run.h"

/* Before the split: takes the parent's pidfd and blocks the signals to forward. */
void supervisor_prepare(struct run *run);
/* The supervisor's life; ends the process with COMMAND's status. */
_Noreturn void supervisor_run(struct run *run, pid_t child, int socket);

#endif
