/* check.h - whether a sandbox can be had here, or that of one line, and why not. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "check/trial.h"

/* Whether the line asks for that, or for --features. */
bool check_is_asked_for(const struct plan *plan);
/* One at a time: what would be done, whether it can be, what there is. */
problem check_question(const struct plan *plan);
/* Tells it, and ends the process. `host` and `plan` are what `run` is made of. */
_Noreturn void check_carry_out(struct host *host, struct plan *plan, struct run *run,
			       check_story story);

/* The line itself is unsound, which was found at this stage: tells that, and ends the process. */
_Noreturn void check_refuse(const struct plan *plan, enum stage stage, problem bad);

#endif
