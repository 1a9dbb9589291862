/* lifeline.h - what the life of the sandbox hangs on beside the supervisor's. */
#ifndef PROCESS_LIFELINE_H
#define PROCESS_LIFELINE_H

#include "run/run.h"

/* In the supervisor, before it has a child: arranges for --die-with-parent and --die-with-fd. Ends the run where
 * one of them is over already. */
void lifeline_watch(const struct run *run);

#endif
