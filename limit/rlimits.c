/* rlimits.c - --rlimit, applied in the process that becomes COMMAND, as late as can be: setup must never run into a
 * limit that was meant for COMMAND.
 */
#include "limit/rlimits.h"

#include "plan/limit-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

#include <errno.h>

void rlimits_apply(const struct plan *plan)
{
	for (size_t i = 0; i < plan->limit.n_rlimits; i++) {
		const struct rlimit_op *op = &plan->limit.rlimits[i];
		struct rlimit now = { 0 };
		if (setrlimit(op->resource, &op->limit) == 0)
			continue;
		int error = errno;
		bool too_high = error == EPERM && getrlimit(op->resource, &now) == 0 &&
				op->limit.rlim_max > now.rlim_max;
		die_because(error, "%s: Can't limit %s to %s: %s%s%s", position_text(op->position),
			    limits_resource_name(op->resource),
			    limits_rlim_text(op->limit.rlim_max), errno_text(error),
			    too_high ? "; the caller's own hard limit is " : "",
			    too_high ? limits_rlim_text(now.rlim_max) : "");
	}
}
