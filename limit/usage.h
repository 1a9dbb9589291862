/* usage.h - what the sandbox has used. */
#ifndef LIMIT_USAGE_H
#define LIMIT_USAGE_H

#include "run/run.h"

/* What was used; -1 is "not known". */
struct usage {
	int64_t memory_peak_bytes, oom_kills, throttled; /* of a group */
	int64_t max_rss_bytes;                           /* of the largest process */
	int64_t cpu_us;
};
/* Of the group; where that does not count something, of the processes that were waited for. */
void usage_read(const struct run *run, struct usage *usage);

#endif
