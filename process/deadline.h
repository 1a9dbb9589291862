/* deadline.h - --timeout in the supervisor. */
#ifndef PROCESS_DEADLINE_H
#define PROCESS_DEADLINE_H

#include "run/run.h"

/* From now on it runs. */
void deadline_set(struct run *run);
/* A timer could not be made: the guard does without. Dies where errno says that it is not for want of one; nothing
 * without a deadline. */
void deadline_note_no_timer(struct run *run);
/* When a step is due. The first time COMMAND is asked to end; the second time nobody is asked. False: there is
 * nobody, or no time is left. */
bool deadline_take_step(struct run *run);

#endif
