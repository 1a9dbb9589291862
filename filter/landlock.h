/* landlock.h - whom COMMAND may reach: Landlock, and memory that is never executed. */
#ifndef FILTER_LANDLOCK_H
#define FILTER_LANDLOCK_H

#include "run/run.h"

/* Makes the rules that were asked for, if any were; `open_path` opens what one names inside, or dies. Setup goes on
 * as before. */
void landlock_make(struct run *run,
		   int (*open_path)(const struct run *run, const struct landlock_rule *rule));
/* In COMMAND's process: they hold from now on, for it and all it starts. */
void landlock_enforce(const struct run *run);
/* The same for --mdwe, if it was given; exec(2) keeps it. */
void mdwe_enforce(const struct plan *plan);

#endif
