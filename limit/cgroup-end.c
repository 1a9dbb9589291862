/* cgroup-end.c - the end of the groups: killing what is in them, removing them, and what a dead supervisor has left.
 *
 * Nothing here waits without a bound: what does not die in time stays, and the caller is told.
 */
#include "limit/cgroup-end.h"

#include "limit/cgroup.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* The groups that a walk is in, and beside and below each those that it has still to see. */
struct step {
	bool entered;
	char name[NAME_MAX + 1];
};
struct walk {
	struct step *items; /* not in the arena, which would only grow */
	size_t n, capacity;
};

static void push_groups_in(struct walk *walk, int dir_fd)
{
	int list_fd = cgroup_open_dir(dir_fd, ".");
	DIR *directory = list_fd < 0 ? NULL : fdopendir(list_fd);
	for (const struct dirent *entry; directory && (entry = readdir(directory));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (walk->n == walk->capacity) {
			size_t capacity = 2 * walk->capacity + 16;
			struct step *items = realloc(walk->items, capacity * sizeof(*items));
			if (!items)
				break;
			walk->items = items;
			walk->capacity = capacity;
		}
		struct step *step = &walk->items[walk->n++];
		step->entered = false;
		memcpy(step->name, entry->d_name, strlen(entry->d_name) + 1);
	}
	if (directory)
		closedir(directory);
	else
		close_fd(&list_fd);
}

/* Calls `act` on a group and those below it, the deepest first, and returns the sum of what it says; NULL:
 * removes those below. COMMAND may have nested thousands: few descriptors are open at a time, and when the
 * time is over the rest is left alone. The way back is "..", since no group can be moved below another one. */
static size_t for_each_group(int top_fd, int64_t end_ms, size_t (*act)(int dir_fd))
{
	int fd = cgroup_open_dir(top_fd, ".");
	struct walk walk = { 0 };
	size_t sum = 0;
	push_groups_in(&walk, top_fd);
	while (walk.n && fd >= 0 && now_ms() < end_ms) {
		struct step *step = &walk.items[walk.n - 1];
		int next_fd = cgroup_open_dir(fd, step->entered ? ".." : step->name);
		if (!step->entered && next_fd < 0) { /* it is gone */
			walk.n--;
			continue;
		}
		if (!step->entered) {
			step->entered = true;
			push_groups_in(&walk, next_fd);
		} else {
			if (act)
				sum += act(fd);
			else
				unlinkat(next_fd, step->name, AT_REMOVEDIR);
			walk.n--;
		}
		close(fd);
		fd = next_fd;
	}
	close_fd(&fd);
	free(walk.items);
	return act ? sum + act(top_fd) : sum;
}

static bool is_listed(const char *pids, int number)
{
	for (int pid, used; pids && sscanf(pids, "%d%n", &pid, &used) == 1; pids += used)
		if (pid == number)
			return true;
	return false;
}

/* A number may be a stranger's by now: the list is read once more when the descriptors hold on to
 * those who have the numbers. */
static size_t kill_members(int dir_fd)
{
	enum { AT_ONCE = 16 };
	size_t n_found = 0;
	const char *pids = procfile_read(dir_fd, "cgroup.procs");
	for (int n = AT_ONCE; n == AT_ONCE;) {
		int numbers[AT_ONCE], pidfds[AT_ONCE], used;
		for (n = 0; n < AT_ONCE && pids && sscanf(pids, "%d%n", &numbers[n], &used) == 1;
		     n++) {
			pids += used;
			/* 0: in a pid namespace that we do not see */
			pidfds[n] = numbers[n] > 0 ? sys_pidfd_open(numbers[n], 0) : -1;
		}
		n_found += (size_t) n;
		const char *still = n ? procfile_read(dir_fd, "cgroup.procs") : NULL;
		for (int i = 0; i < n; close_fd(&pidfds[i++]))
			if (pidfds[i] >= 0 && is_listed(still, numbers[i]))
				sys_pidfd_send_signal(pidfds[i], SIGKILL);
	}
	return n_found;
}

static size_t thaw(int dir_fd)
{
	return procfile_write(dir_fd, "freezer.state", "THAWED");
}

/* What is done as long as somebody is waited for. */
struct meanwhile {
	const struct run *run;
	void (*call)(const struct run *run);
};

/* Before 5.14 and in version 1 one by one. Frozen processes do not fork and still die in version 2;
 * in version 1 they die when thawed, also where COMMAND has frozen them. */
static void kill_one_by_one(int dir_fd, int freezer_fd, int64_t end_ms,
			    const struct meanwhile *meanwhile)
{
	if (freezer_fd >= 0)
		procfile_write(freezer_fd, "freezer.state", "FROZEN");
	procfile_write(dir_fd, "cgroup.freeze", "1");
	for (int rounds = 0; rounds == 0 || now_ms() < end_ms; rounds++) {
		size_t n_found = for_each_group(dir_fd, end_ms, kill_members);
		if (freezer_fd >= 0)
			for_each_group(freezer_fd, end_ms, thaw);
		if (!n_found)
			return;
		if (meanwhile)
			meanwhile->call(meanwhile->run);
		if (rounds > 10)
			sleep_ms(1);
	}
}

static void kill_v2(int dir_fd, int64_t end_ms, const struct meanwhile *meanwhile)
{
	enum { ROUND_MS = 1000 };
	if (cgroup_count(dir_fd, "cgroup.events", "populated") == 0)
		return;
	if (!procfile_write(dir_fd, "cgroup.kill", "1"))
		kill_one_by_one(dir_fd, -1, end_ms, meanwhile);
	AUTO_CLOSE int events_fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	for (int64_t left_ms; events_fd >= 0 && (left_ms = end_ms - now_ms()) > 0 &&
			      cgroup_count(dir_fd, "cgroup.events", "populated") == 1;) {
		struct pollfd changed = { .fd = events_fd, .events = POLLPRI };
		if (meanwhile)
			meanwhile->call(meanwhile->run);
		/* A change between reading and polling is told, too: the descriptor counts from its
		 * opening. */
		poll(&changed, 1, left_ms < ROUND_MS ? (int) left_ms : ROUND_MS);
		lseek(events_fd, 0, SEEK_SET);
		char seen[64];
		if (read(events_fd, seen, sizeof(seen)) <= 0)
			return;
	}
}

/* Zombies may keep a group busy for a moment. */
static bool try_remove(int parent_fd, const char *name, int fd, int64_t end_ms)
{
	for (bool again = false;; again = true) {
		if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return true;
		if (errno != EBUSY || (again && now_ms() >= end_ms))
			return false;
		for_each_group(fd, end_ms, NULL);
		if (again)
			sleep_ms(1);
	}
}

void cgroup_remove(struct group *group)
{
	enum { PATIENCE_MS = 5000 };
	if (group->fd >= 0 &&
	    !try_remove(group->parent_fd, group->name, group->fd, now_ms() + PATIENCE_MS))
		say_warning("Can't remove the control group %s/%s: %s", group->parent, group->name,
			    errno_text(errno));
	close_fd(&group->inner_fd);
	close_fd(&group->lock_fd);
	close_fd(&group->fd);
}

static bool has_our_name(const char *name)
{
	int pid, used = 0;
	unsigned long long ns;
	return sscanf(name, "bwrapish-%d-%llu%n", &pid, &ns, &used) == 2 && !name[used];
}

static size_t has_members(int dir_fd)
{
	return cgroup_count(dir_fd, "cgroup.procs", "") >= 0;
}

/* Whether a supervisor is responsible, when its directory is locked. One that is about to lock both
 * has put nobody into the group yet. */
static bool is_taken_care_of(int dir_fd, int64_t end_ms)
{
	AUTO_CLOSE int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	struct flock lock = { .l_type = F_RDLCK }; /* which only a write lock is in the way of */
	return !for_each_group(dir_fd, end_ms, has_members) || fd < 0 ||
	       fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_WRLCK;
}

/* What supervisors left that were killed themselves. Somebody else's groups refuse, and stay; so does
 * for a later run what does not die at once. */
static void sweep(const struct group *beside, int64_t end_ms)
{
	int parent_fd = beside->parent_fd;
	int list_fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = list_fd < 0 ? NULL : fdopendir(list_fd);
	for (const struct dirent *entry;
	     directory && now_ms() < end_ms && (entry = readdir(directory));) {
		struct stat status;
		AUTO_CLOSE int fd =
			has_our_name(entry->d_name) && !streq(entry->d_name, beside->name)
				? cgroup_open_dir(parent_fd, entry->d_name)
				: -1;
		if (fd < 0 || fstat(fd, &status) < 0 || status.st_uid != geteuid() ||
		    (flock(fd, LOCK_EX | LOCK_NB) < 0 && is_taken_care_of(fd, end_ms)))
			continue;
		int64_t half_ms = (now_ms() + end_ms) / 2; /* the rest is for removing */
		if (faccessat(fd, "cgroup.events", F_OK, 0) == 0)
			kill_v2(fd, half_ms, NULL);
		else
			kill_one_by_one(fd, fd, half_ms, NULL);
		try_remove(parent_fd, entry->d_name, fd, end_ms);
	}
	if (directory)
		closedir(directory);
}

void cgroups_sweep(const struct run *run)
{
	enum { PATIENCE_MS = 1000 }; /* nobody hears signals meanwhile */
	const struct cgroups *groups = run->cgroups;
	int64_t end_ms = now_ms() + PATIENCE_MS;
	for (size_t i = 0; groups && i < groups->n; i++)
		sweep(&groups->all[i], end_ms);
}

void cgroup_leave_leaf(struct cgroups *groups)
{
	cgroup_switch_controllers(groups->leaf.parent_fd, '-', groups->enabled);
	procfile_write(groups->leaf.parent_fd, "cgroup.procs", "0");
	cgroup_remove(&groups->leaf);
	groups->leaf.parent_fd = -1;
}

/* Removing what nobody is in takes less than asking whether anybody is, and is what comes next. */
static bool remove_inner(struct group *group)
{
	if (group->inner_fd < 0 || unlinkat(group->fd, "in", AT_REMOVEDIR) < 0)
		return group->inner_fd < 0;
	close_fd(&group->inner_fd);
	return true;
}

/* Until when the kernel has to be rid of what was killed in all groups together. */
static int64_t end_of_killing(struct cgroups *groups)
{
	enum { PATIENCE_MS = 10000 };
	if (!groups->end_ms)
		groups->end_ms = now_ms() + PATIENCE_MS;
	return groups->end_ms;
}

void cgroups_kill_command(const struct run *run, void (*call)(const struct run *run))
{
	const struct meanwhile *meanwhile = call ? &(struct meanwhile){ run, call } : NULL;
	struct cgroups *groups = run->cgroups;
	const struct group *last = groups && groups->n ? &groups->all[groups->n - 1] : NULL;
	bool can_freeze = last && last->controller && streq(last->controller, "freezer");
	for (size_t i = 0; groups && i < groups->n; i++) {
		struct group *group = &groups->all[i];
		if (group->controller)
			kill_one_by_one(group->inner_fd, can_freeze ? last->inner_fd : -1,
					end_of_killing(groups), meanwhile);
		else if (!remove_inner(group))
			kill_v2(group->inner_fd, end_of_killing(groups), meanwhile);
	}
}

void cgroups_remove(struct run *run)
{
	struct cgroups *groups = run->cgroups;
	if (!groups)
		return;
	cgroups_kill_command(run, NULL);
	for (size_t i = 0; i < groups->n; i++) {
		struct group *group = &groups->all[i];
		if (group->controller)
			kill_one_by_one(group->fd, -1, end_of_killing(groups), NULL);
		else if (unlinkat(group->parent_fd, group->name, AT_REMOVEDIR) < 0)
			kill_v2(group->fd, end_of_killing(groups), NULL);
		cgroup_remove(group);
	}
	if (groups->leaf.fd >= 0)
		cgroup_leave_leaf(groups);
	run->cgroups = NULL;
}
