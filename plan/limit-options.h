/* limit-options.h - limits as the line asks for them. */
#ifndef PLAN_LIMIT_OPTIONS_H
#define PLAN_LIMIT_OPTIONS_H

#include "plan/plan.h"

/* The words of --rlimit, "nofile" and "SOFT[:HARD]"; what is wrong, without the place. */
problem limits_read_rlimit(const char *name, const char *values, struct rlimit_op *op);
/* The words of --limit. */
problem limits_read_limit(const char *key, const char *value, struct limit_op *op);
const char *limits_resource_name(int resource);
const char *limits_rlim_text(rlim_t value); /* arena memory or static */
/* What to add to the error of a fork(2) or mkdir(2) in the sandbox's groups; "" when no limit of ours
 * explains it. */
const char *limits_cause(const struct plan *plan, int error);
/* Where on the line a key is limited, in words; NULL: nowhere. */
const char *limits_position(const struct plan *plan, const char *key);

#endif
