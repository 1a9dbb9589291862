/* cgroup-v1.h - groups of version 1; for the files of limit/ alone. */
#ifndef LIMIT_CGROUP_V1_H
#define LIMIT_CGROUP_V1_H

#include "limit/cgroup-files.h"
#include "plan/plan.h"

/* Whether a controller has a hierarchy of its own. */
bool cgroup_v1_has(const char *controller);
/* Returns the group of a controller, made when it is first asked for; NULL with the problem. `own` is
 * /proc/self/cgroup. */
struct group *cgroup_v1_group(struct cgroups *groups, const char *own, const char *controller,
			      problem *ret_bad);
/* Sets a limit in its own words. */
problem cgroup_v1_set(struct cgroups *groups, const struct plan *plan, const struct limit_op *op,
		      const char *own);

#endif
