/* cgroup.h - the control groups that hold exactly the sandbox. */
#ifndef LIMIT_CGROUP_H
#define LIMIT_CGROUP_H

#include "limit/scope.h"
#include "run/run.h"

/* Makes the groups and sets the limits, for --limit, --limit-try and --cgroup; await() is how it waits. */
void cgroups_make(struct run *run, scope_await await);
/* Where they could be made, or why nowhere. Changes nothing. */
problem cgroups_look(const struct run *run, const char **ret_where);
/* For clone3(2) with CLONE_INTO_CGROUP; -1 where there is no group to be born in. */
int cgroups_birth_fd(const struct run *run);
/* Dies of what clone3(2) said where the group is the reason. */
void cgroups_check_birth(const struct run *run, int error);
/* Moves a process that waits for it into the groups it was not born in. */
void cgroups_enter(const struct run *run, pid_t pid, bool was_born_in);
/* Whether a process that was or was not born in the group has to be moved. */
bool cgroups_must_enter(const struct run *run, bool was_born_in);
/* In the sandbox: forgets what is the supervisor's. */
void cgroups_leave_to_supervisor(struct run *run);
/* Whether a directory in which they are is not the caller's to write to, so that removing them takes
 * root's privilege. */
bool cgroups_are_in_closed(const struct run *run);
/* Appends the descriptors that the supervisor needs; there is room for CGROUPS_MOST_FDS. */
enum { CGROUPS_MOST_FDS = 28 };
size_t cgroups_fds(const struct run *run, int *fds);
/* Removes, with what is in them, the groups beside ours that supervisors left who were killed. */
void cgroups_sweep(const struct run *run);
/* Puts this process, which works for COMMAND, where the same limits count it and only
 * cgroups_remove() ends it. */
void cgroups_enter_as_helper(const struct run *run);
/* Kills all that is in the groups but helpers, and returns when nothing is; calls meanwhile() as long
 * as it waits. */
void cgroups_kill_command(const struct run *run, void (*meanwhile)(const struct run *run));
/* Kills what is left in the groups, helpers too, and removes them. */
void cgroups_remove(struct run *run);

#endif
