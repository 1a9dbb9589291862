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

#include "limit/scope.h"
#include "plan/given.h"
#include "plan/limit-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define CGROUP2_MAGIC 0x63677270 /* CGROUP2_SUPER_MAGIC of linux/magic.h */
#define TOP           "/sys/fs/cgroup"
#define CURE                                                                                \
	"; run it as the only process of a delegated group (systemd-run --user --scope -p " \
	"Delegate=yes "                                                                     \
	"bwrapish ...), or name one with --cgroup"

struct group {
	int parent_fd, fd; /* fd: the outer directory, locked */
	int lock_fd;       /* its cgroup.procs, locked for writing */
	int inner_fd;      /* "in"; -1: not yet, no more, or the supervisor's own leaf */
	const char *name;
	const char *parent;     /* its path, for messages */
	const char *controller; /* of version 1; NULL: version 2 */
};

static const struct group no_group = { .parent_fd = -1, .fd = -1, .lock_fd = -1, .inner_fd = -1 };

struct cgroups {
	struct group all[1 + 5]; /* that of version 2 is the first if there is one */
	size_t n;
	struct group leaf; /* where the supervisor had to go, out of the way of its children; fd -1:
			      nowhere */
	const char *v2_root; /* where version 2 is mounted; NULL: nowhere */
	const char *v2_list; /* the controllers that it has; NULL: not asked yet */
	struct {
		const char *groups; /* /proc/self/cgroup */
		const char *path;   /* of our group in version 2; NULL: there is none */
		int fd;
		const char *controllers;
	} own;
	int64_t end_ms;      /* of killing; 0: not begun */
	const char *enabled; /* controllers that the leaf was made for, " memory pids" */
};

static struct cgroups *made; /* for the hook, which knows nothing else */

static const struct group *group_of_v2(const struct cgroups *groups)
{
	return groups && groups->n && !groups->all[0].controller ? &groups->all[0] : NULL;
}

/* ---- files of a group ---- */

static int open_dir_at(int dir_fd, const char *path)
{
	return openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = list; at && (at = strstr(at, word)); at += length)
		if ((at == list || strchr(" ,", at[-1])) && strchr(" ,", at[length]))
			return true;
	return false;
}

/* The number behind `key` in a file of "key number" lines, the file's only one for ""; -1 where
 * there is none. */
static int64_t read_count(int dir_fd, const char *name, const char *key)
{
	const char *text = procfile_read(dir_fd, name);
	size_t length = strlen(key);
	long long count;
	for (; text && *text; text = strchrnul(text, '\n'), text += *text == '\n')
		if (strncmp(text, key, length) == 0 && (!length || text[length] == ' ') &&
		    sscanf(text + length, "%lld", &count) == 1)
			return count;
	return -1;
}

/* ---- where we are ---- */

/* Our group in the hierarchy of a version 1 controller, of version 2 for "". Arena memory; NULL: in
 * none. */
static const char *own_path(const char *groups, const char *controller)
{
	for (const char *line = groups; line && *line;) {
		const char *end = strchrnul(line, '\n'), *list = strchr(line, ':');
		const char *path = list ? strchr(list + 1, ':') : NULL;
		if (path && path < end) {
			const char *names = arena_copy(list + 1, (size_t) (path - list - 1));
			if (*controller ? has_word(names, controller) : !*names)
				return arena_copy(path + 1, (size_t) (end - path - 1));
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}

static bool is_v2(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_MAGIC;
}

static bool leads_to_v2(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_MAGIC;
}

static bool is_alone(int dir_fd)
{
	const char *pids = procfile_read(dir_fd, "cgroup.procs");
	return pids && streq(pids, arena_number((uint64_t) getpid(), 10));
}

/* ---- emptying and removing, also what a dead supervisor left ---- */

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* The groups that a walk is in, and beside and below each those that it has still to see. */
struct step {
	bool entered;
	char name[NAME_MAX + 1];
};
static struct {
	struct step *items; /* for all walks, and not in the arena, which would only grow */
	size_t n, capacity;
} steps;

static void push_groups_in(int dir_fd)
{
	int list_fd = open_dir_at(dir_fd, ".");
	DIR *directory = list_fd < 0 ? NULL : fdopendir(list_fd);
	for (const struct dirent *entry; directory && (entry = readdir(directory));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (steps.n == steps.capacity) {
			size_t capacity = 2 * steps.capacity + 16;
			struct step *items = realloc(steps.items, capacity * sizeof(*items));
			if (!items)
				break;
			steps.items = items;
			steps.capacity = capacity;
		}
		struct step *step = &steps.items[steps.n++];
		step->entered = false;
		memcpy(step->name, entry->d_name, strlen(entry->d_name) + 1);
	}
	if (directory)
		closedir(directory);
	else
		close_fd(&list_fd);
}

/* Calls `act` on a group and those below it, the deepest first; NULL: removes those below. COMMAND may
 * have nested thousands: few descriptors are open at a time, and when the time is over the rest is left
 * alone. The way back is "..", since no group can be moved below another one. */
static void for_each_group(int top_fd, int64_t end_ms, void (*act)(int dir_fd))
{
	int fd = open_dir_at(top_fd, ".");
	steps.n = 0;
	push_groups_in(top_fd);
	while (steps.n && fd >= 0 && now_ms() < end_ms) {
		struct step *step = &steps.items[steps.n - 1];
		int next_fd = open_dir_at(fd, step->entered ? ".." : step->name);
		if (!step->entered && next_fd < 0) { /* it is gone */
			steps.n--;
			continue;
		}
		if (!step->entered) {
			step->entered = true;
			push_groups_in(next_fd);
		} else {
			if (act)
				act(fd);
			else
				unlinkat(next_fd, step->name, AT_REMOVEDIR);
			steps.n--;
		}
		close(fd);
		fd = next_fd;
	}
	close_fd(&fd);
	if (act)
		act(top_fd);
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
static size_t n_found;
static void kill_members(int dir_fd)
{
	enum { AT_ONCE = 16 };
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
}

static void thaw(int dir_fd)
{
	procfile_write(dir_fd, "freezer.state", "THAWED");
}

/* Before 5.14 and in version 1 one by one. Frozen processes do not fork and still die in version 2;
 * in version 1 they die when thawed, also where COMMAND has frozen them. */
static void kill_one_by_one(int dir_fd, int freezer_fd, int64_t end_ms, void (*meanwhile)(void))
{
	if (freezer_fd >= 0)
		procfile_write(freezer_fd, "freezer.state", "FROZEN");
	procfile_write(dir_fd, "cgroup.freeze", "1");
	for (int rounds = 0; rounds == 0 || now_ms() < end_ms; rounds++) {
		n_found = 0;
		for_each_group(dir_fd, end_ms, kill_members);
		if (freezer_fd >= 0)
			for_each_group(freezer_fd, end_ms, thaw);
		if (!n_found)
			return;
		if (meanwhile)
			meanwhile();
		if (rounds > 10)
			sleep_ms(1);
	}
}

static void kill_v2(int dir_fd, int64_t end_ms, void (*meanwhile)(void))
{
	enum { ROUND_MS = 1000 };
	if (read_count(dir_fd, "cgroup.events", "populated") == 0)
		return;
	if (!procfile_write(dir_fd, "cgroup.kill", "1"))
		kill_one_by_one(dir_fd, -1, end_ms, meanwhile);
	AUTO_CLOSE int events_fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	for (int64_t left_ms; events_fd >= 0 && (left_ms = end_ms - now_ms()) > 0 &&
			      read_count(dir_fd, "cgroup.events", "populated") == 1;) {
		struct pollfd changed = { .fd = events_fd, .events = POLLPRI };
		if (meanwhile)
			meanwhile();
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

static void remove_group(struct group *group)
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

static void count_members(int dir_fd)
{
	n_found += read_count(dir_fd, "cgroup.procs", "") >= 0;
}

/* Whether a supervisor is responsible, when its directory is locked. One that is about to lock both
 * has put nobody into the group yet. */
static bool is_taken_care_of(int dir_fd, int64_t end_ms)
{
	AUTO_CLOSE int fd = openat(dir_fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	struct flock lock = { .l_type = F_RDLCK }; /* which only a write lock is in the way of */
	n_found = 0;
	for_each_group(dir_fd, end_ms, count_members);
	return !n_found || fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_WRLCK;
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
				? open_dir_at(parent_fd, entry->d_name)
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

/* ---- making ---- */

/* False with errno. The name is ours alone, but a sweeper may take the directory before it is
 * locked. */
static bool make_group(struct group *group, int parent_fd, const char *parent)
{
	for (unsigned tries = 0; tries < 100; tries++) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		group->name =
			arena_join(arena_join("bwrapish-", arena_number((uint64_t) getpid(), 10)),
				   arena_join("-", arena_number((uint64_t) now.tv_sec * 1000000000 +
									(uint64_t) now.tv_nsec,
								10)));
		if (mkdirat(parent_fd, group->name, 0700) < 0)
			return false;
		group->fd = open_dir_at(parent_fd, group->name);
		group->lock_fd = -1;
		/* A directory that was removed has no files. */
		if (group->fd >= 0 && flock(group->fd, LOCK_EX | LOCK_NB) == 0)
			group->lock_fd = openat(group->fd, "cgroup.procs", O_RDWR | O_CLOEXEC);
		struct flock lock = { .l_type = F_WRLCK };
		if (group->lock_fd >= 0 && fcntl(group->lock_fd, F_OFD_SETLK, &lock) == 0) {
			group->parent_fd = parent_fd;
			group->parent = parent;
			return true;
		}
		close_fd(&group->lock_fd);
		close_fd(&group->fd);
	}
	errno = EBUSY;
	return false;
}

/* A directory in the group, that processes can be put into; -1 and errno. */
static int make_below(const struct group *group, const char *name)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	if (mkdirat(group->fd, name, 0755) < 0 && errno != EEXIST)
		return -1;
	int fd = open_dir_at(group->fd, name);
	/* Of version 1 it takes no process before it has both. */
	bool is_cpuset = group->controller && streq(group->controller, "cpuset");
	for (size_t i = 0; i < ARRAY_SIZE(files) && fd >= 0 && is_cpuset; i++)
		if (!procfile_write(fd, files[i], procfile_read(group->fd, files[i]))) {
			int error = errno;
			close_fd(&fd);
			errno = error;
		}
	return fd;
}

static const char *wanted_controllers(const struct run *run, const char *available)
{
	const char *list = "";
	for (size_t i = 0; i < run->plan->limit.n_limits; i++) {
		const char *controller = run->plan->limit.limits[i].controller;
		if (*controller && has_word(available, controller) && !has_word(list, controller))
			list = arena_join(*list ? arena_join(list, " ") : "", controller);
	}
	return list;
}

/* For each of the words: "+word" or "-word" to the group's subtree_control. False with errno. */
static bool switch_controllers(int dir_fd, char sign, const char *list)
{
	const char *now = procfile_read(dir_fd, "cgroup.subtree_control");
	struct text change = { 0 };
	for (const char *word = list; *word;) {
		const char *end = strchrnul(word, ' '),
			   *name = arena_copy(word, (size_t) (end - word));
		if (has_word(now, name) != (sign == '+'))
			text_add(&change, "%s%c%s", change.length ? " " : "", sign, name);
		word = *end ? end + 1 : end;
	}
	return !change.length || procfile_write(dir_fd, "cgroup.subtree_control", change.bytes);
}

/* Back to where we came from, once it may hold processes again. */
static void leave_leaf(struct cgroups *groups)
{
	switch_controllers(groups->leaf.parent_fd, '-', groups->enabled);
	procfile_write(groups->leaf.parent_fd, "cgroup.procs", "0");
	remove_group(&groups->leaf);
	groups->leaf.parent_fd = -1;
}

/* A group with processes has no children with controllers ("no internal processes"): where we are
 * the only one, we go into a leaf. False with errno. */
static bool make_leaf(struct cgroups *groups, int parent_fd, const char *parent, const char *wanted)
{
	bool alone = is_alone(parent_fd);
	errno = EBUSY;
	if (!alone || !make_group(&groups->leaf, parent_fd, parent))
		return false;
	groups->enabled = wanted;
	if (procfile_write(groups->leaf.fd, "cgroup.procs", "0") &&
	    switch_controllers(parent_fd, '+', wanted))
		return true;
	int error = errno;
	leave_leaf(groups);
	errno = error;
	return false;
}

struct place_found {
	int fd;
	const char *path;
	problem bad;
};

static const char *not_usable_text(int error)
{
	return error == EACCES || error == EPERM || error == EROFS ? "is not writable"
	       : error == EBUSY ? "has other processes in the same group"
				: "can't be used";
}

static struct place_found not_usable(const char *path, const char *file, int error)
{
	return (struct place_found){ -1, path,
				     arena_printf("%s%s%s %s (%s)", path, *file ? "/" : "", file,
						  not_usable_text(error), errno_text(error)) };
}

static struct place_found find_given(const struct run *run, const char *path,
				     const char **ret_wanted)
{
	struct place_found found = { .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
				     .path = path };
	if (found.fd < 0)
		return (struct place_found){
			-1, path, arena_printf("Can't open %s: %s", path, errno_text(errno))
		};
	if (!is_v2(found.fd))
		return (struct place_found){
			-1, path, arena_printf("%s is no control group of version 2", path)
		};
	*ret_wanted = wanted_controllers(run, procfile_read(found.fd, "cgroup.controllers"));
	if (!switch_controllers(found.fd, '+', *ret_wanted))
		return not_usable(path, "cgroup.subtree_control", errno);
	return found;
}

/* Slices belong to systemd whoever may write to them (systemd.resource-control(5): they cannot be
 * delegated), and it switches off the controllers that none of its own units needs; a limit of ours
 * would be gone without a word. */
static bool is_slice(const char *path)
{
	size_t length = strlen(path);
	return length > 6 && streq(path + length - 6, ".slice");
}

static void learn_own(struct cgroups *groups, const struct run *run)
{
	groups->own.groups = procfile_read(run->host->proc_fd, "self/cgroup");
	const char *at = groups->v2_root ? own_path(groups->own.groups, "") : NULL;
	close_fd(&groups->own.fd);
	groups->own.path = at ? arena_join(groups->v2_root, streq(at, "/") ? "" : at) : NULL;
	groups->own.fd = at ? open(groups->own.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	groups->own.controllers =
		groups->own.fd < 0 ? NULL : procfile_read(groups->own.fd, "cgroup.controllers");
}

/* The group above ours, where that is the caller's too and has the controllers enabled. */
static struct place_found find_above(const struct cgroups *groups, const struct run *run,
				     const char **ret_wanted)
{
	const char *own = groups->own.path, *slash = strrchr(own, '/');
	struct place_found above = { .fd = -1,
				     .path = arena_copy(own, (size_t) (slash - own)),
				     .bad = "not the caller's" };
	if (streq(own, groups->v2_root) || (is_slice(above.path) && run->host->caller.uid != 0))
		return above;
	int fd = open(above.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *enabled = fd < 0 ? NULL : procfile_read(fd, "cgroup.subtree_control");
	if (!enabled || faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) < 0 ||
	    faccessat(fd, ".", W_OK, AT_EACCESS) < 0) {
		close_fd(&fd);
		return above;
	}
	*ret_wanted = wanted_controllers(run, enabled);
	return (struct place_found){ fd, above.path, NULL };
}

/* The delegated subtree that we run in: our own group where it may have children with the
 * controllers, or will once we have left it for a leaf; otherwise the one above it. */
static struct place_found find_own(struct cgroups *groups, const struct run *run,
				   const char **ret_wanted)
{
	struct place_found own = { groups->own.fd, groups->own.path, NULL };
	if (!own.path || own.fd < 0)
		return (struct place_found){
			-1, own.path,
			own.path ? arena_printf("Can't open %s", own.path)
				 : "this process is in no control group of version 2"
		};
	*ret_wanted = wanted_controllers(run, groups->own.controllers);
	int error = faccessat(own.fd, ".", W_OK, AT_EACCESS) < 0 ? errno : 0;
	/* Only the root has no type, and only it may have processes beside children with
	 * controllers. (The threaded controllers, cpu and pids, can be enabled all the same, but
	 * then no process gets into a child.) */
	bool is_root =
		streq(own.path, groups->v2_root) && faccessat(own.fd, "cgroup.type", F_OK, 0) < 0;
	if (!error && (is_root || !**ret_wanted)) {
		if (switch_controllers(own.fd, '+', *ret_wanted))
			return own;
		error = errno;
	} else if (!error) {
		if (make_leaf(groups, own.fd, own.path, *ret_wanted))
			return own;
		error = errno;
	}
	const char *file = **ret_wanted ? "cgroup.subtree_control" : "cgroup.procs";
	struct place_found above = find_above(groups, run, ret_wanted);
	return above.bad ? not_usable(own.path, file, error) : above;
}

/* ---- version 1 ---- */

/* Its name in version 1. */
static const char *v1_name(const char *controller)
{
	return streq(controller, "io") ? "blkio" : controller;
}

static bool v1_has(const char *controller)
{
	controller = v1_name(controller);
	const char *path = arena_printf(TOP "/%s/cgroup.procs", controller);
	return access(path, F_OK) == 0 && !leads_to_v2(arena_printf(TOP "/%s", controller));
}

/* Returns the group of a controller, made when it is first asked for; NULL with the problem. */
static struct group *v1_group(struct cgroups *groups, const char *own, const char *controller,
			      problem *ret_bad)
{
	for (size_t i = 0; i < groups->n; i++)
		if (groups->all[i].controller && streq(groups->all[i].controller, controller))
			return &groups->all[i];
	const char *at = own_path(own, controller);
	const char *path = arena_printf(TOP "/%s%s", controller, !at || streq(at, "/") ? "" : at);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct group *group = &groups->all[groups->n];
	*group = no_group;
	if (fd < 0 || !make_group(group, fd, path)) {
		int error = errno;
		*ret_bad = not_usable(path, "", error).bad;
		if (error == EACCES || error == EPERM)
			*ret_bad = arena_join(*ret_bad,
					      "; cgroup version 1 has to be made the caller's by "
					      "root: see Control groups in bwrapish(1)");
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
		remove_group(group);
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

static problem set_v1(struct cgroups *groups, const struct plan *plan, const struct limit_op *op,
		      const char *own)
{
	const char *value, *file = v1_file(plan, op, &value);
	problem bad = NULL;
	if (!file)
		return arena_printf("it has no equal in cgroup version 1%s",
				    streq(op->key, "memory.swap.max") ? " without memory.max" : "");
	struct group *group = v1_group(groups, own, op->controller, &bad);
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

/* ---- version 2 ---- */

static problem set_v2(const struct cgroups *groups, const struct limit_op *op)
{
	const struct group *group = group_of_v2(groups);
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
	const struct group *group = group_of_v2(groups);
	bool is_partition = streq(op->key, "cpuset.cpus.partition");
	bool is_set = streq(op->key, "cpuset.cpus") || streq(op->key, "cpuset.mems");
	if (!group || (!is_partition && !is_set) ||
	    !has_word(procfile_read(group->fd, "cgroup.controllers"), "cpuset"))
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

static void find_v2_root(struct cgroups *groups)
{
	static const char *const usual[] = { TOP, TOP "/unified" };
	for (size_t i = 0; !groups->v2_root && i < ARRAY_SIZE(usual); i++)
		if (leads_to_v2(usual[i]))
			groups->v2_root = usual[i];
}

static bool v2_knows(struct cgroups *groups, const char *controller)
{
	if (!*controller || !groups->v2_root || has_word(groups->own.controllers, controller))
		return groups->v2_root != NULL;
	if (!groups->v2_list) {
		AUTO_CLOSE int fd = open(groups->v2_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		const char *list = fd < 0 ? NULL : procfile_read(fd, "cgroup.controllers");
		groups->v2_list = list ? list : "";
	}
	return has_word(groups->v2_list, controller);
}

static problem make_v2(struct cgroups *groups, const struct run *run, const char **ret_wanted)
{
	const char *given = run->plan->limit.cgroup;
	*ret_wanted = "";
	struct place_found found =
		given ? find_given(run, given, ret_wanted) : find_own(groups, run, ret_wanted);
	if (found.bad && !given) {
		problem no_scope = scope_enter(run);
		if (no_scope)
			return arena_printf("%s; systemd's user manager gives no other: %s" CURE,
					    found.bad, no_scope);
		learn_own(groups, run);
		found = find_own(groups, run, ret_wanted);
	}
	if (found.bad)
		return found.bad;
	if (!make_group(&groups->all[0], found.fd, found.path)) {
		int error = errno;
		if (groups->leaf.fd >= 0)
			leave_leaf(groups);
		return not_usable(found.path, "", error).bad;
	}
	groups->n = 1;
	return NULL;
}

static problem not_delegated(const struct cgroups *groups, const struct limit_op *op)
{
	return arena_printf("the %s controller is not delegated to %s: its cgroup.controllers or, "
			    "for the group above, "
			    "cgroup.subtree_control does not have it" CURE,
			    op->controller, group_of_v2(groups)->parent);
}

/* ---- the whole ---- */

static void abandon(void)
{
	struct run run = { .cgroups = made };
	cgroups_remove(&run);
}

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
	if (!v2_knows(groups, op->controller)) {
		if (*op->controller && v1_has(op->controller))
			return set_v1(groups, run->plan, op, own);
		return arena_printf("the %s controller is not available: neither " TOP
				    "/cgroup.controllers nor " TOP "/%s has it",
				    op->controller, op->controller);
	}
	if (v2_bad)
		return v2_bad;
	if (*op->controller && !has_word(v2_wanted, op->controller))
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
		v1_group(groups, own, "freezer",
			 &ignored); /* only for killing, which can do without */
	for (struct group *group = groups->all; group < groups->all + groups->n; group++) {
		group->inner_fd = make_below(group, "in");
		if (group->inner_fd < 0)
			die("Can't make %s/%s/in: %s%s", group->parent, group->name,
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

void cgroups_make(struct run *run)
{
	const struct plan *plan = run->plan;
	if (!plan->limit.n_limits && !plan->limit.cgroup)
		return;
	struct cgroups *groups = made = arena_alloc(sizeof(*groups));
	groups->all[0] = groups->leaf = no_group;
	die_first_call(abandon);
	const char *wanted = "";
	groups->own.fd = -1;
	find_v2_root(groups);
	learn_own(groups, run);
	const char *own = groups->own.groups; /* version 1 stays what it is */

	bool needs_v2 = plan->limit.cgroup;
	for (size_t i = 0; i < plan->limit.n_limits; i++)
		needs_v2 |= v2_knows(groups, plan->limit.limits[i].controller);
	problem v2_bad = needs_v2 ? make_v2(groups, run, &wanted) : NULL;
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
	const struct group *v2 = group_of_v2(groups);
	if (!v2 || groups->own.fd != v2->parent_fd)
		close_fd(&groups->own.fd);
	if (groups->n)
		run->cgroups = groups;
}

int cgroups_birth_fd(const struct run *run)
{
	const struct group *v2 = group_of_v2(run->cgroups);
	return v2 ? v2->inner_fd : -1;
}

void cgroups_check_birth(const struct run *run, int error)
{
	const struct group *group = group_of_v2(run->cgroups);
	const char *given = run->plan->limit.cgroup
				    ? position_text(options_position(run->plan, "--cgroup"))
				    : "";
	const char *why =
		error == EAGAIN
			? "; pids.max or the user's limit of processes leaves no room for it"
		: error == EACCES
			? (*given ? "; the caller has to be in a group below the same delegated "
				    "one already: cgroup.procs of the group above both, this one "
				    "and ours, is not writable"
				  : "; cgroup.procs of the group above both, this one and ours, is "
				    "not writable" CURE)
		: error == EBUSY || error == EOPNOTSUPP || error == ENODEV ? ""
									   : NULL;
	if (why)
		die("%s%sCan't start a process in %s/%s: %s%s", given, *given ? ": " : "",
		    group->parent, group->name, errno_text(error), why);
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
	AUTO_CLOSE int fd = make_below(group, "helper");
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
	die_first_call(NULL);
	if (!groups)
		return;
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

void cgroups_kill_command(const struct run *run, void (*meanwhile)(void))
{
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

static void keep_greater(int64_t *known, int64_t value)
{
	if (value > *known)
		*known = value;
}

static void read_usage_of_v2(const struct group *group, struct usage *usage)
{
	usage->memory_peak_bytes = read_count(group->fd, "memory.peak", "");
	usage->oom_kills = read_count(group->fd, "memory.events", "oom_kill");
	usage->throttled = read_count(group->fd, "cpu.stat", "nr_throttled");
	usage->cpu_us = read_count(group->fd, "cpu.stat", "usage_usec");
}

static void add_usage_of_v1(const struct group *group, struct usage *usage)
{
	keep_greater(&usage->memory_peak_bytes,
		     read_count(group->fd, "memory.max_usage_in_bytes", ""));
	/* There an event counts only where it happened. */
	AUTO_CLOSE int helper_fd = open_dir_at(group->fd, "helper");
	int64_t kills = read_count(group->inner_fd, "memory.oom_control", "oom_kill"),
		helper_kills = read_count(helper_fd, "memory.oom_control", "oom_kill");
	keep_greater(&usage->oom_kills, kills + (helper_kills > 0 ? helper_kills : 0));
	keep_greater(&usage->throttled, read_count(group->fd, "cpu.stat", "nr_throttled"));
}

void cgroups_read_usage(const struct run *run, struct usage *usage)
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
		remove_group(group);
	}
	if (groups->leaf.fd >= 0)
		leave_leaf(groups);
	run->cgroups = NULL;
}
