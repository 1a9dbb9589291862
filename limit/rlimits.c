/* rlimits.c - what COMMAND may use: resource limits of the process.
 *
 * They are applied in the process that becomes COMMAND, as late as can be, so that setup never runs
 * into a limit that was meant for COMMAND. Control groups are cgroup.c's; the supervisor keeps the time
 * (supervisor.c).
 */
#include "limit/rlimits.h"

#include "limit/cgroup.h"
#include "plan/limit-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/run.h"
#include "utils.h"

#include <errno.h>

void limits_apply_rlimits(const struct plan *plan)
{
	for (size_t i = 0; i < plan->limit.n_rlimits; i++) {
		const struct rlimit_op *op = &plan->limit.rlimits[i];
		struct rlimit now = { 0 };
		if (setrlimit(op->resource, &op->limit) == 0)
			continue;
		int error = errno;
		bool too_high = error == EPERM && getrlimit(op->resource, &now) == 0 &&
				op->limit.rlim_max > now.rlim_max;
		die("%s: Can't limit %s to %s: %s%s%s", position_text(op->position),
		    limits_resource_name(op->resource), limits_rlim_text(op->limit.rlim_max),
		    errno_text(error), too_high ? "; the caller's own hard limit is " : "",
		    too_high ? limits_rlim_text(now.rlim_max) : "");
	}
}

void limits_read_usage(const struct run *run, struct usage *usage)
{
	struct rusage children;
	cgroups_read_usage(run, usage);
	if (getrusage(RUSAGE_CHILDREN, &children) < 0)
		return;
	usage->max_rss_bytes = children.ru_maxrss * 1024;
	if (usage->cpu_us < 0)
		usage->cpu_us = (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 +
				children.ru_utime.tv_usec + children.ru_stime.tv_usec;
}
