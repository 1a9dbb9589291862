/* init.h - pid 1 inside. */
#ifndef PROCESS_INIT_H
#define PROCESS_INIT_H

#include "run/run.h"

/* Splits COMMAND off: returns in COMMAND's process, once pid 1 is ready. */
void init_split(struct run *run);

#endif
