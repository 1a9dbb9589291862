/* cgroup.c - the control groups that hold exactly the sandbox: made before it, entered with its
 * first process, emptied and removed behind it. All of it happens in the supervisor, outside.
 *
 * A group is two directories: the outer one carries the limits and the use, the inner one ("in")
 * the processes, and a third ("helper") what works for them and has to end after them. A cgroup
 * namespace that COMMAND makes has the inner one for its root (cgroup_namespaces(7)), so that a
 * cgroup file system mounted in there does not show the files with COMMAND's own limits, which
 * belong to the same user.
 *
 * The outer directory's name is bwrapish-PID-NANOSECONDS, and the supervisor holds two locks. They
 * tell the next run whether somebody is still responsible: they go with the process, however that
 * ends, and unlike a pid they mean the same in every pid namespace. The one on the directory
 * (flock(2)) keeps those who make and those who sweep apart, but whoever can read the directory may
 * take it, COMMAND too. The write lock on its cgroup.procs (F_OFD_SETLK of fcntl(2)) takes somebody
 * who may write there. What has the name and not both is emptied and removed.
 *
 * Which hierarchy has a controller is the system's choice, once for all: version 2, or one of
 * version 1 with its own names for the limits. So there may be up to one group of version 2 and
 * some of version 1.
 */
#include "limit/cgroup.h"

#include "limit/cgroup-end.h"
#include "limit/cgroup-files.h"
#include "limit/cgroup-find.h"
#include "limit/cgroup-v1.h"
#include "limit/rlimits.h"
#include "limit/scope.h"
#include "plan/given.h"
#include "plan/limit-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static problem set_v2(const struct cgroups *groups, const struct limit_op *op)
{
	const struct group *group = cgroup_v2(groups);
	if (procfile_write(group->fd, op->key, op->value))
		return NULL;
	int error = errno;
	return arena_printf("Can't write %s to %s/%s/%s: %s%s", op->value, group->parent,
			    group->name, op->key, errno_text(error),
			    error == ENOENT ? "; this kernel does not have it" : "");
}

static bool is_in_list(const char *list, unsigned number)
{
	unsigned first, last;
	for (; list && sscanf(list, "%u", &first) == 1; list = *list ? list + 1 : NULL) {
		last = sscanf(list, "%*u-%u", &last) == 1 ? last : first;
		if (number >= first && number <= last)
			return true;
		list = strchrnul(list, ',');
	}
	return false;
}

/* Whether every number of one list, "0-2,5", is in the other. */
static bool is_within(const char *list, const char *other)
{
	unsigned first, last;
	for (; list && sscanf(list, "%u", &first) == 1; list = *list ? list + 1 : NULL) {
		last = sscanf(list, "%*u-%u", &last) == 1 ? last : first;
		for (; first <= last; first++)
			if (!is_in_list(other, first))
				return false;
		list = strchrnul(list, ',');
	}
	return true;
}

/* The kernel takes processors and partitions that it does not grant, then or later: what is in force is
 * in another file, or behind the word (cgroup-v2.rst). */
static problem verify_cpuset(const struct cgroups *groups, const struct limit_op *op)
{
	const struct group *group = cgroup_v2(groups);
	bool is_partition = streq(op->key, "cpuset.cpus.partition");
	bool is_set = streq(op->key, "cpuset.cpus") || streq(op->key, "cpuset.mems");
	if (!group || (!is_partition && !is_set) ||
	    !cgroup_list_has(procfile_read(group->fd, "cgroup.controllers"), "cpuset"))
		return NULL;
	const char *asked = procfile_read(group->fd, op->key);
	const char *granted =
		is_partition ? asked : procfile_read(group->fd, arena_join(op->key, ".effective"));
	bool is_granted = granted && asked &&
			  (is_partition ? streq(asked, op->value)
					: *granted && (!*asked || is_within(granted, asked)));
	return is_granted
		       ? NULL
		       : arena_printf("The kernel does not grant %s in %s/%s: it is %s", op->value,
				      group->parent, group->name, granted ? granted : "not told");
}

static problem not_delegated(const struct cgroups *groups, const struct limit_op *op)
{
	return arena_printf(
		"the %s controller is not delegated to %s: its cgroup.controllers or, for the group above, cgroup.subtree_control does not have it" CGROUP_CURE,
		op->controller, cgroup_v2(groups)->parent);
}

/* ---- the whole ---- */

static void refuse(const struct limit_op *op, problem bad)
{
	if (!op->optional)
		die("%s: %s: %s", position_text(op->position), op->key, bad);
	say_warning("%s: Going on without %s: %s", position_text(op->position), op->key, bad);
}

/* One limit, in the hierarchy that has its controller. */
static problem set_limit(struct cgroups *groups, const struct run *run, const struct limit_op *op,
			 const char *own, problem v2_bad, const char *v2_wanted)
{
	if (!cgroup_v2_knows(groups, op->controller)) {
		if (*op->controller && cgroup_v1_has(op->controller))
			return cgroup_v1_set(groups, run->plan, op, own);
		return arena_printf("the %s controller is not available: neither " CGROUP_TOP
				    "/cgroup.controllers nor " CGROUP_TOP "/%s has it",
				    op->controller, op->controller);
	}
	if (v2_bad)
		return v2_bad;
	if (*op->controller && !cgroup_list_has(v2_wanted, op->controller))
		return not_delegated(groups, op);
	return set_v2(groups, op);
}

/* What COMMAND nests takes time to remove. Version 1 has no such limit. */
static void limit_depth(const struct group *group, const struct plan *plan)
{
	if (!group->controller && !limits_position(plan, "cgroup.max.depth") &&
	    !procfile_write(group->fd, "cgroup.max.depth", "64"))
		die_errno(errno, "Can't limit %s/%s/cgroup.max.depth", group->parent, group->name);
}

static void finish_groups(struct cgroups *groups, const struct plan *plan, const char *own)
{
	problem ignored = NULL;
	if (groups->n && groups->all[groups->n - 1].controller)
		cgroup_v1_group(groups, own, "freezer",
				&ignored); /* only for killing, which can do without */
	for (struct group *group = groups->all; group < groups->all + groups->n; group++) {
		group->inner_fd = cgroup_make_below(group, "in");
		if (group->inner_fd < 0)
			die_because(errno, "Can't make %s/%s/in: %s%s", group->parent, group->name,
				    errno_text(errno), limits_cause(plan, errno));
		limit_depth(group, plan);
	}
}

/* Of two values for the same file the last one counts. */
static void verify_limits(const struct cgroups *groups, const struct plan *plan, const bool *is_set)
{
	for (size_t i = 0; i < plan->limit.n_limits; i++) {
		bool is_last = true;
		for (size_t j = i + 1; j < plan->limit.n_limits; j++)
			is_last &= !is_set[j] ||
				   !streq(plan->limit.limits[i].key, plan->limit.limits[j].key);
		problem bad =
			is_set[i] && is_last ? verify_cpuset(groups, &plan->limit.limits[i]) : NULL;
		if (bad)
			refuse(&plan->limit.limits[i], bad);
	}
}

problem cgroups_look(const struct run *run, const char **ret_where)
{
	struct cgroups groups = { .leaf = NO_GROUP, .own.fd = -1 };
	problem bad = cgroup_look_v2(&groups, run, ret_where);
	close_fd(&groups.own.fd);
	return bad;
}

void cgroups_make(struct run *run, scope_await await)
{
	const struct plan *plan = run->plan;
	if (!plan->limit.n_limits && !plan->limit.cgroup)
		return;
	struct cgroups *groups = run->cgroups = arena_alloc(sizeof(*groups));
	groups->all[0] = groups->leaf = NO_GROUP;
	const char *wanted = "";
	groups->own.fd = -1;
	cgroup_find_v2(groups);
	cgroup_learn_own(groups, run);
	const char *own = groups->own.groups; /* version 1 stays what it is */

	bool needs_v2 = plan->limit.cgroup;
	for (size_t i = 0; i < plan->limit.n_limits; i++)
		needs_v2 |= cgroup_v2_knows(groups, plan->limit.limits[i].controller);
	problem v2_bad = needs_v2 ? cgroup_make_v2(groups, run, await, &wanted) : NULL;
	if (v2_bad && plan->limit.cgroup)
		die("%s: %s", position_text(options_position(plan, "--cgroup")), v2_bad);

	bool *is_set = arena_alloc((plan->limit.n_limits + 1) * sizeof(*is_set));
	/* Version 1 wants the memory's limit before that of memory and swap. */
	for (int swap = 0; swap <= 1; swap++)
		for (size_t i = 0; i < plan->limit.n_limits; i++) {
			const struct limit_op *op = &plan->limit.limits[i];
			if (streq(op->key, "memory.swap.max") != swap)
				continue;
			problem bad = set_limit(groups, run, op, own, v2_bad, wanted);
			if (bad)
				refuse(op, bad);
			is_set[i] = !bad;
		}
	finish_groups(groups, plan, own);
	verify_limits(groups, plan, is_set);
	const struct group *v2 = cgroup_v2(groups);
	if (!v2 || groups->own.fd != v2->parent_fd)
		close_fd(&groups->own.fd);
	if (!groups->n)
		run->cgroups = NULL;
}

int cgroups_birth_fd(const struct run *run)
{
	const struct group *v2 = cgroup_v2(run->cgroups);
	return v2 ? v2->inner_fd : -1;
}

void cgroups_check_birth(const struct run *run, int error)
{
	const struct group *group = cgroup_v2(run->cgroups);
	const char *given = run->plan->limit.cgroup
				    ? position_text(options_position(run->plan, "--cgroup"))
				    : "";
	const char *why =
		error == EAGAIN
			? "; pids.max or the user's limit of processes leaves no room for it"
		: error == EACCES
			? (*given ? "; the caller has to be in a group below the same delegated one already: cgroup.procs of the group above both, this one and ours, is not writable"
				  : "; cgroup.procs of the group above both, this one and ours, is not writable" CGROUP_CURE)
		: error == EBUSY || error == EOPNOTSUPP || error == ENODEV ? ""
									   : NULL;
	if (why)
		die_because(error, "%s%sCan't start a process in %s/%s: %s%s", given,
			    *given ? ": " : "", group->parent, group->name, errno_text(error), why);
}

/* A process is born in one group at most, that of version 2. */
static bool must_enter(const struct group *group, bool was_born_in)
{
	return group->controller || !was_born_in;
}

bool cgroups_must_enter(const struct run *run, bool was_born_in)
{
	const struct cgroups *groups = run->cgroups;
	return groups && must_enter(&groups->all[groups->n - 1], was_born_in);
}

void cgroups_enter(const struct run *run, pid_t pid, bool was_born_in)
{
	const struct cgroups *groups = run->cgroups;
	const char *number = arena_number((uint64_t) pid, 10);
	for (const struct group *group = groups->all; group < groups->all + groups->n; group++)
		if (must_enter(group, was_born_in) &&
		    !procfile_write(group->inner_fd, "cgroup.procs", number))
			die_errno(errno, "Can't move the sandbox into %s/%s", group->parent,
				  group->name);
}

static void enter_as_helper(const struct group *group)
{
	AUTO_CLOSE int fd = cgroup_make_below(group, "helper");
	if (fd < 0 || !procfile_write(fd, "cgroup.procs", "0"))
		die_errno(errno, "Can't go into %s/%s/helper", group->parent, group->name);
}

void cgroups_enter_as_helper(const struct run *run)
{
	const struct cgroups *groups = run->cgroups;
	for (size_t i = 0; groups && i < groups->n; i++)
		enter_as_helper(&groups->all[i]);
}

static void close_group(struct group *group)
{
	close_fd(&group->inner_fd);
	close_fd(&group->lock_fd); /* the supervisor's locks are its own */
	close_fd(&group->fd);
	close_fd(&group->parent_fd);
}

void cgroups_leave_to_supervisor(struct run *run)
{
	struct cgroups *groups = run->cgroups;
	if (!groups)
		return;
	run->owns_group = cgroup_v2(groups);
	groups->leaf.parent_fd = -1; /* it is that of the group */
	close_group(&groups->leaf);
	for (size_t i = 0; i < groups->n; i++)
		close_group(&groups->all[i]);
	run->cgroups = NULL;
}

/* Another user's, or one that its owner may not write to either: the root of a hierarchy is 0555. */
static bool is_in_closed(const struct group *group)
{
	struct stat status;
	return group->fd >= 0 && (fstat(group->parent_fd, &status) < 0 ||
				  status.st_uid != geteuid() || !(status.st_mode & S_IWUSR));
}

bool cgroups_are_in_closed(const struct run *run)
{
	const struct cgroups *groups = run->cgroups;
	bool any = groups && is_in_closed(&groups->leaf);
	for (size_t i = 0; groups && i < groups->n; i++)
		any |= is_in_closed(&groups->all[i]);
	return any;
}

static size_t add_fds(const struct group *group, int *fds)
{
	const int theirs[] = { group->parent_fd, group->fd, group->inner_fd, group->lock_fd };
	memcpy(fds, theirs, sizeof(theirs));
	return ARRAY_SIZE(theirs);
}

size_t cgroups_fds(const struct run *run, int *fds)
{
	const struct cgroups *groups = run->cgroups;
	size_t n = groups ? add_fds(&groups->leaf, fds) : 0;
	for (size_t i = 0; groups && i < groups->n; i++)
		n += add_fds(&groups->all[i], fds + n);
	return n;
}
