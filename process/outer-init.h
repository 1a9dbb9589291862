/* outer-init.h - the pid 1 outside, which gets what the supervisor leaves behind. */
#ifndef PROCESS_OUTER_INIT_H
#define PROCESS_OUTER_INIT_H

#include "run/run.h"

/* Whether it may never take the status of a process that becomes its child. */
bool outer_init_may_reap_nobody(const struct run *run);

#endif
