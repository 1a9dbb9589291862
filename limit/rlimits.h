/* rlimits.h - --rlimit. */
#ifndef LIMIT_RLIMITS_H
#define LIMIT_RLIMITS_H

#include "plan/plan.h"

/* In the process that becomes COMMAND. */
void rlimits_apply(const struct plan *plan);

#endif
