/* rlimits.h - resource limits of COMMAND, and what was used. */
#ifndef LIMIT_RLIMITS_H
#define LIMIT_RLIMITS_H

#include "run/run.h"

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
#endif
