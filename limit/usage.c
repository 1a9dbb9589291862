/* usage.c - what the sandbox has used: asked of its groups, and of the processes that were waited for. */
#include "limit/usage.h"

#include "limit/cgroup-files.h"
#include "utils.h"

#include <sys/resource.h>

static void keep_greater(int64_t *known, int64_t value)
{
	if (value > *known)
		*known = value;
}

static void read_usage_of_v2(const struct group *group, struct usage *usage)
{
	usage->memory_peak_bytes = cgroup_count(group->fd, "memory.peak", "");
	usage->oom_kills = cgroup_count(group->fd, "memory.events", "oom_kill");
	usage->throttled = cgroup_count(group->fd, "cpu.stat", "nr_throttled");
	usage->cpu_us = cgroup_count(group->fd, "cpu.stat", "usage_usec");
}

static void add_usage_of_v1(const struct group *group, struct usage *usage)
{
	keep_greater(&usage->memory_peak_bytes,
		     cgroup_count(group->fd, "memory.max_usage_in_bytes", ""));
	/* There an event counts only where it happened. */
	AUTO_CLOSE int helper_fd = cgroup_open_dir(group->fd, "helper");
	int64_t kills = cgroup_count(group->inner_fd, "memory.oom_control", "oom_kill"),
		helper_kills = cgroup_count(helper_fd, "memory.oom_control", "oom_kill");
	keep_greater(&usage->oom_kills, kills + (helper_kills > 0 ? helper_kills : 0));
	keep_greater(&usage->throttled, cgroup_count(group->fd, "cpu.stat", "nr_throttled"));
}

static void read_usage_of_groups(const struct run *run, struct usage *usage)
{
	const struct cgroups *groups = run->cgroups;
	*usage = (struct usage){ -1, -1, -1, -1, -1 };
	for (size_t i = 0; groups && i < groups->n; i++) {
		const struct group *group = &groups->all[i];
		if (group->controller)
			add_usage_of_v1(group, usage);
		else
			read_usage_of_v2(group, usage);
	}
}

void usage_read(const struct run *run, struct usage *usage)
{
	struct rusage children;
	read_usage_of_groups(run, usage);
	if (getrusage(RUSAGE_CHILDREN, &children) < 0)
		return;
	usage->max_rss_bytes = children.ru_maxrss * 1024;
	if (usage->cpu_us < 0)
		usage->cpu_us = (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 +
				children.ru_utime.tv_usec + children.ru_stime.tv_usec;
}
