/* cgroup-find.h - where the group of version 2 can be; for the files of limit/ alone. */
#ifndef LIMIT_CGROUP_FIND_H
#define LIMIT_CGROUP_FIND_H

#include "limit/cgroup-files.h"
#include "limit/scope.h"
#include "run/run.h"

/* Where version 2 is mounted. */
void cgroup_find_v2(struct cgroups *groups);
/* Our own group there. */
void cgroup_learn_own(struct cgroups *groups, const struct run *run);
/* Whether it, and no version 1, has this controller. */
bool cgroup_v2_knows(struct cgroups *groups, const char *controller);
/* Makes the group: in the one that --cgroup names, in our own or beside it, or in a scope that systemd
 * gives. The controllers that it has got are *ret_wanted. */
problem cgroup_make_v2(struct cgroups *groups, const struct run *run, scope_await await,
		       const char **ret_wanted);
/* Where that would be, and with which controllers; or why nowhere. Changes nothing. */
problem cgroup_look_v2(struct cgroups *groups, const struct run *run, const char **ret_where);
problem cgroup_not_usable(const char *path, const char *file, int error);

#endif
