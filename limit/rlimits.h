/* rlimits.h - resource limits, the words of --limit, what was used. */
#ifndef LIMIT_RLIMITS_H
#define LIMIT_RLIMITS_H

#include "run/run.h"

/* The words of --rlimit, "nofile" and "SOFT[:HARD]"; what is wrong, without the place. */
problem limits_read_rlimit(const char *name, const char *values, struct rlimit_op *op);
/* The words of --limit. */
problem limits_read_limit(const char *key, const char *value, struct limit_op *op);
const char *limits_resource_name(int resource);
const char *limits_rlim_text(rlim_t value); /* arena memory or static */

/* What was used; -1 is "not known". */
struct usage {
	int64_t memory_peak_bytes, oom_kills, throttled; /* of a group */
	int64_t max_rss_bytes;                           /* of the largest process */
	int64_t cpu_us;
};
/* --rlimit, in the process that becomes COMMAND. */
void limits_apply_rlimits(const struct plan *plan);
/* Of the group; where that does not count something, of the processes that were waited for. */
void limits_read_usage(const struct run *run, struct usage *usage);
/* What to add to the error of a fork(2) or mkdir(2) in the sandbox's groups; "" when no limit of ours
 * explains it. */
const char *limits_cause(const struct plan *plan, int error);
/* Where on the line a key is limited, in words; NULL: nowhere. */
const char *limits_position(const struct plan *plan, const char *key);

#endif
