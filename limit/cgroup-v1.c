/* cgroup-v1.c - groups of version 1: one hierarchy for each controller, with its own names for the limits. */
#include "limit/cgroup-v1.h"

#include "limit/cgroup-end.h"
#include "limit/cgroup-find.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Its name in version 1. */
static const char *v1_name(const char *controller)
{
	return streq(controller, "io") ? "blkio" : controller;
}

bool cgroup_v1_has(const char *controller)
{
	controller = v1_name(controller);
	const char *path = arena_printf(CGROUP_TOP "/%s/cgroup.procs", controller);
	return access(path, F_OK) == 0 &&
	       !cgroup_leads_to_v2(arena_printf(CGROUP_TOP "/%s", controller));
}

struct group *cgroup_v1_group(struct cgroups *groups, const char *own, const char *controller,
			      problem *ret_bad)
{
	for (size_t i = 0; i < groups->n; i++)
		if (groups->all[i].controller && streq(groups->all[i].controller, controller))
			return &groups->all[i];
	const char *at = cgroup_own_path(own, controller);
	const char *path =
		arena_printf(CGROUP_TOP "/%s%s", controller, !at || streq(at, "/") ? "" : at);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct group *group = &groups->all[groups->n];
	*group = NO_GROUP;
	if (fd < 0 || !cgroup_make(group, fd, path)) {
		int error = errno;
		*ret_bad = cgroup_not_usable(path, "", error);
		if (error == EACCES || error == EPERM)
			*ret_bad = arena_join(
				*ret_bad,
				"; cgroup version 1 has to be made the caller's by root: see Control groups in bwrapish(1)");
		close_fd(&fd);
		return NULL;
	}
	group->controller = controller;
	bool is_cpuset = streq(controller, "cpuset"); /* empty ones take no process */
	const char *files[] = { "cpuset.cpus", "cpuset.mems" };
	for (size_t i = 0; is_cpuset && i < ARRAY_SIZE(files); i++)
		if (!procfile_write(group->fd, files[i], procfile_read(fd, files[i])))
			*ret_bad = arena_printf("%s/%s/%s can't be set: %s", path, group->name,
						files[i], errno_text(errno));
	if (*ret_bad) {
		cgroup_remove(group);
		close_fd(&group->parent_fd);
		return NULL;
	}
	groups->n++;
	return group;
}

/* The file and the value that mean the same in version 1; NULL where nothing does. */
static const char *v1_file(const struct plan *plan, const struct limit_op *op,
			   const char **ret_value)
{
	const char *number = op->number == UINT64_MAX ? "-1" : op->value;
	*ret_value = number;
	if (streq(op->key, "memory.max"))
		return "memory.limit_in_bytes";
	if (streq(op->key, "cpu.max")) {
		*ret_value = op->number == UINT64_MAX
				     ? "-1"
				     : arena_printf("%llu", (unsigned long long) op->number);
		return "cpu.cfs_quota_us";
	}
	if (streq(op->key, "cpu.weight")) { /* 100 is 1024 */
		*ret_value =
			arena_printf("%llu", (unsigned long long) (op->number * 1024 + 50) / 100);
		return "cpu.shares";
	}
	*ret_value = op->value;
	if (streq(op->key, "pids.max") || streq(op->key, "cpuset.cpus") ||
	    streq(op->key, "cpuset.mems"))
		return op->key;
	if (!streq(op->key, "memory.swap.max"))
		return NULL;
	for (size_t i = plan->limit.n_limits; i-- > 0;) /* there it is memory and swap together */
		if (streq(plan->limit.limits[i].key, "memory.max") &&
		    plan->limit.limits[i].number != UINT64_MAX) {
			bool none = op->number == UINT64_MAX;
			*ret_value =
				none ? "-1"
				     : arena_printf(
					       "%llu",
					       (unsigned long long) (op->number +
								     plan->limit.limits[i].number));
			return "memory.memsw.limit_in_bytes";
		}
	return NULL;
}

problem cgroup_v1_set(struct cgroups *groups, const struct plan *plan, const struct limit_op *op,
		      const char *own)
{
	const char *value, *file = v1_file(plan, op, &value);
	problem bad = NULL;
	if (!file)
		return arena_printf("it has no equal in cgroup version 1%s",
				    streq(op->key, "memory.swap.max") ? " without memory.max" : "");
	struct group *group = cgroup_v1_group(groups, own, op->controller, &bad);
	if (!group)
		return bad;
	bool is_quota = streq(file, "cpu.cfs_quota_us");
	if (is_quota && !procfile_write(group->fd, "cpu.cfs_period_us",
					arena_printf("%llu", (unsigned long long) op->period_us)))
		return arena_printf("Can't set cpu.cfs_period_us: %s", errno_text(errno));
	if (!procfile_write(group->fd, file, value))
		return arena_printf("Can't write %s to %s/%s/%s: %s", value, group->parent,
				    group->name, file, errno_text(errno));
	return NULL;
}
