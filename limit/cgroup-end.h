/* cgroup-end.h - emptying and removing groups; for the files of limit/ alone. */
#ifndef LIMIT_CGROUP_END_H
#define LIMIT_CGROUP_END_H

#include "limit/cgroup-files.h"

/* Removes an outer directory and what is below it, as soon as nobody is in there; warns if it cannot. */
void cgroup_remove(struct group *group);
/* Takes the supervisor back to where it came from, once that may hold processes again. */
void cgroup_leave_leaf(struct cgroups *groups);

#endif
