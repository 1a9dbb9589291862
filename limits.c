/* limits.c - what COMMAND may use: resource limits of the process, and how the words of --limit are
 * to be read.
 *
 * The first half is pure: words in, values out, or a problem. The second half applies --rlimit in
 * the process that becomes COMMAND, as late as can be, so that setup never runs into a limit that
 * was meant for COMMAND. Control groups are cgroups.c's; the time is kept by the supervisor
 * (monitor.c).
 */
#include "bwrapish.h"

#include "kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

/* ---- --rlimit ---- */

static const struct {
	const char *name;
	int resource;
} resources[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static const char *nth_resource_name(size_t i)
{
	return resources[i].name;
}

const char *limits_resource_name(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
		if (resources[i].resource == resource)
			return resources[i].name;
	return "";
}

static bool read_rlim(const char *word, rlim_t *ret_value)
{
	uint64_t value = RLIM_INFINITY;
	if (!streq(word, "unlimited") && !parse_size(word, RLIM_INFINITY - 1, &value))
		return false;
	*ret_value = value;
	return true;
}

problem limits_read_rlimit(const char *name, const char *values, struct rlimit_op *op)
{
	const char *bare = strncasecmp(name, "RLIMIT_", 7) == 0 ? name + 7 : name;
	size_t i = 0;
	while (i < ARRAY_SIZE(resources) && strcasecmp(resources[i].name, bare) != 0)
		i++;
	if (i == ARRAY_SIZE(resources)) {
		const char *near = nearest_word(bare, nth_resource_name, ARRAY_SIZE(resources));
		return arena_printf("Unknown resource %s (they are named as in getrlimit(2), "
				    "nofile for RLIMIT_NOFILE)%s%s%s",
				    name, near ? "; is " : "", near ? near : "",
				    near ? " meant?" : "");
	}
	op->resource = resources[i].resource;

	const char *colon = strchrnul(values, ':'), *hard = *colon ? colon + 1 : values;
	const char *soft = arena_copy(values, (size_t) (colon - values));
	if (!read_rlim(soft, &op->limit.rlim_cur))
		return arena_printf("Invalid limit: %s is neither a number, with K, M, G or T "
				    "behind it or not, nor unlimited",
				    soft);
	if (!read_rlim(hard, &op->limit.rlim_max))
		return arena_printf("Invalid limit: %s is neither a number, with K, M, G or T "
				    "behind it or not, nor unlimited",
				    hard);
	if (op->limit.rlim_cur > op->limit.rlim_max)
		return arena_printf("Invalid limit: the soft limit %s is above the hard limit %s",
				    soft, hard);
	return NULL;
}

const char *limits_rlim_words(rlim_t value)
{
	return value == RLIM_INFINITY ? "unlimited" : arena_number(value, 10);
}

void limits_apply_rlimits(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_rlimits; i++) {
		const struct rlimit_op *op = &plan->rlimits[i];
		struct rlimit now = { 0 };
		if (setrlimit((unsigned) op->resource, &op->limit) == 0)
			continue;
		int error = errno;
		bool too_high = error == EPERM && getrlimit((unsigned) op->resource, &now) == 0 &&
				op->limit.rlim_max > now.rlim_max;
		die("%s: Can't limit %s to %s: %s%s%s", place_name(op->place),
		    limits_resource_name(op->resource), limits_rlim_words(op->limit.rlim_max),
		    errno_text(error), too_high ? "; the caller's own hard limit is " : "",
		    too_high ? limits_rlim_words(now.rlim_max) : "");
	}
}

const char *limits_place(const struct plan *plan, const char *key)
{
	for (size_t i = plan->n_limits; i-- > 0;)
		if (streq(plan->limits[i].key, key))
			return place_name(plan->limits[i].place);
	return NULL;
}

const char *limits_cause(const struct plan *plan, int error)
{
	const char *key = error == EAGAIN ? "pids.max" : error == ENOMEM ? "memory.max" : NULL;
	const char *place = key ? limits_place(plan, key) : NULL;
	return place ? arena_printf("; the %s of %s leaves no room for it", key, place) : "";
}

/* ---- --limit, its words ---- */

enum value_kind {
	VALUE_SIZE,  /* bytes, or max */
	VALUE_COUNT, /* a number, or max */
	VALUE_RANGE, /* a number from `least` to `most` */
	VALUE_CPU,   /* "50%", "QUOTA", "QUOTA PERIOD" in microseconds, or max */
	VALUE_WORDS, /* the kernel's own syntax, passed on */
};

/* The files of a control group that limit something: Documentation/admin-guide/cgroup-v2.rst as of
 * Linux 6.18. */
static const struct limit_key {
	char name[24], controller[12]; /* not pointers: see struct option_row */
	enum value_kind kind;
	int least, most;
} limit_keys[] = {
	{ "cgroup.max.depth", "", VALUE_COUNT, 0, 0 },
	{ "cgroup.max.descendants", "", VALUE_COUNT, 0, 0 },
	{ "cpu.idle", "cpu", VALUE_RANGE, 0, 1 },
	{ "cpu.max", "cpu", VALUE_CPU, 0, 0 },
	{ "cpu.max.burst", "cpu", VALUE_COUNT, 0, 0 },
	{ "cpu.uclamp.max", "cpu", VALUE_WORDS, 0, 0 },
	{ "cpu.uclamp.min", "cpu", VALUE_WORDS, 0, 0 },
	{ "cpu.weight", "cpu", VALUE_RANGE, 1, 10000 },
	{ "cpu.weight.nice", "cpu", VALUE_RANGE, -20, 19 },
	{ "cpuset.cpus", "cpuset", VALUE_WORDS, 0, 0 },
	{ "cpuset.cpus.exclusive", "cpuset", VALUE_WORDS, 0, 0 },
	{ "cpuset.cpus.partition", "cpuset", VALUE_WORDS, 0, 0 },
	{ "cpuset.mems", "cpuset", VALUE_WORDS, 0, 0 },
	{ "dmem.low", "dmem", VALUE_WORDS, 0, 0 },
	{ "dmem.max", "dmem", VALUE_WORDS, 0, 0 },
	{ "dmem.min", "dmem", VALUE_WORDS, 0, 0 },
	{ "hugetlb.1GB.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "hugetlb.1GB.rsvd.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "hugetlb.2MB.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "hugetlb.2MB.rsvd.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "io.bfq.weight", "io", VALUE_WORDS, 0, 0 },
	{ "io.latency", "io", VALUE_WORDS, 0, 0 },
	{ "io.max", "io", VALUE_WORDS, 0, 0 },
	{ "io.prio.class", "io", VALUE_WORDS, 0, 0 },
	{ "io.weight", "io", VALUE_WORDS, 0, 0 },
	{ "memory.high", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.low", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.max", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.min", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.oom.group", "memory", VALUE_RANGE, 0, 1 },
	{ "memory.swap.high", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.swap.max", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.zswap.max", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.zswap.writeback", "memory", VALUE_RANGE, 0, 1 },
	{ "misc.max", "misc", VALUE_WORDS, 0, 0 },
	{ "pids.max", "pids", VALUE_COUNT, 0, 0 },
	{ "rdma.max", "rdma", VALUE_WORDS, 0, 0 },
};

static const char *nth_limit_key(size_t i)
{
	return limit_keys[i].name;
}

/* cgroup-v2.rst: a period from 1 ms to 1 s, a quota of 1 ms at least. */
static problem read_cpu_max(const char *value, struct limit_op *op)
{
	enum { LEAST_US = 1000 };
	size_t length = strlen(value);
	op->period_us = 100000;
	if (length > 1 && value[length - 1] == '%') {
		uint64_t percent;
		if (!parse_decimal(arena_copy(value, length - 1), 100000, &percent) || !percent)
			return arena_printf(
				"Invalid limit: %s is not a share of one CPU, like 50%% or 150%%",
				value);
		op->number = percent * 1000;
		return NULL;
	}
	const char *blank = strchrnul(value, ' '),
		   *quota = arena_copy(value, (size_t) (blank - value));
	op->number = UINT64_MAX;
	if ((!streq(quota, "max") && !parse_decimal(quota, UINT64_MAX / 2, &op->number)) ||
	    (*blank && !parse_decimal(blank + 1, 1000000, &op->period_us)))
		return arena_printf("Invalid limit: %s is neither a share of one CPU, like 50%%, "
				    "nor microseconds, QUOTA or "
				    "\"QUOTA PERIOD\", nor max",
				    value);
	if (op->number < LEAST_US || op->period_us < LEAST_US)
		return arena_printf(
			"Invalid limit: a quota and a period in %s are microseconds, %d "
			"at least; for half a CPU say 50%%",
			value, LEAST_US);
	return NULL;
}

static problem read_limit_value(const struct limit_key *key, const char *value, struct limit_op *op)
{
	bool is_max = streq(value, "max");
	op->number = UINT64_MAX;
	op->value = value;
	switch (key->kind) {
	case VALUE_SIZE:
		if (!is_max && !parse_size(value, INT64_MAX, &op->number))
			return arena_printf("Invalid size: %s is neither a number of bytes, with "
					    "K, M, G or T behind it or not, "
					    "nor max",
					    value);
		break;
	case VALUE_COUNT:
		if (!is_max && !parse_size(value, INT64_MAX, &op->number))
			return arena_printf("Invalid limit: %s is neither a number nor max", value);
		break;
	case VALUE_RANGE: {
		bool negative = value[0] == '-';
		uint64_t size;
		if (!parse_decimal(value + negative, 10000, &size) ||
		    (negative ? -(int) size : (int) size) < key->least ||
		    (negative ? -(int) size : (int) size) > key->most)
			return arena_printf("Invalid limit: %s is not a number from %d to %d",
					    value, key->least, key->most);
		op->number = size;
		return NULL;
	}
	case VALUE_CPU: {
		problem bad = read_cpu_max(value, op);
		if (bad)
			return bad;
		const char *quota = op->number == UINT64_MAX ? "max" : arena_number(op->number, 10);
		op->value = arena_join(arena_join(quota, " "), arena_number(op->period_us, 10));
		return NULL;
	}
	case VALUE_WORDS:
		if (!*value || strchr(value, '\n'))
			return "Invalid limit: it is empty or has a line break in it";
		return NULL;
	}
	if (!is_max)
		op->value = arena_number(op->number, 10);
	return NULL;
}

/* "memory" for memory.max, "mem.max" too, or what is spelled nearly so; NULL: none. */
static const char *nearest_key(const char *word)
{
	size_t n_first = strcspn(word, ".");
	const char *rest = word[n_first] ? word + n_first : ".max";
	for (size_t i = 0; i < ARRAY_SIZE(limit_keys) && n_first; i++) {
		const char *name = limit_keys[i].name;
		if (strncmp(name, word, n_first) == 0 && streq(strchr(name, '.'), rest))
			return name;
	}
	return nearest_word(word, nth_limit_key, ARRAY_SIZE(limit_keys));
}

problem limits_read_limit(const char *key, const char *value, struct limit_op *op)
{
	for (size_t i = 0; i < ARRAY_SIZE(limit_keys); i++) {
		if (!streq(limit_keys[i].name, key))
			continue;
		op->key = limit_keys[i].name;
		op->controller = limit_keys[i].controller;
		return read_limit_value(&limit_keys[i], value, op);
	}
	const char *near = nearest_key(key);
	return arena_printf("Unknown key %s (they are named like the files of a control group, as "
			    "memory.max)%s%s%s",
			    key, near ? "; is " : "", near ? near : "", near ? " meant?" : "");
}

/* ---- everything below this process ---- */

struct relative {
	pid_t pid, parent;
	unsigned long long born; /* in clock ticks: with the pid it names one process for good; 0:
				    /proc hides it */
	enum { KIN_UNKNOWN, KIN_NONE, KIN_OURS } kin;
};
struct relatives {
	struct relative *all; /* ascending by pid */
	size_t n, room;
};

/* The caller's own: what it had started before it became this program by exec(3). */
static struct relatives earlier;

/* False when it is gone already, or hidden. */
static bool read_parent(int directory_fd, struct relative *relative)
{
	char path[32], stat[1024];
	snprintf(path, sizeof(path), "%d/stat", relative->pid);
	AUTO_CLOSE int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	const char *behind_name = strrchr(stat, ')'); /* the name may hold anything */
	/* the 4th and the 22nd field: proc_pid_stat(5) */
	return behind_name && sscanf(behind_name,
				     ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
				     "%*d %*d %*d %*d %llu",
				     &relative->parent, &relative->born) == 2;
}

static void add_relative(struct relatives *found, const struct relative *relative)
{
	found->all = arena_grow(found->all, found->n, &found->room, sizeof(*relative));
	found->all[found->n++] = *relative;
}

static int compare_pids(const void *a, const void *b)
{
	const struct relative *one = a, *other = b;
	return (one->pid > other->pid) - (one->pid < other->pid);
}

static struct relative *find_relative(const struct relatives *found, pid_t pid)
{
	struct relative key = { .pid = pid };
	return found->n ? bsearch(&key, found->all, found->n, sizeof(key), compare_pids) : NULL;
}

static void read_processes(int proc_fd, struct relatives *found)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory)
		die_errno(errno, "Can't look for what COMMAND left behind in /proc");
	found->n = 0;
	for (const struct dirent *entry; (entry = readdir(directory));) {
		uint64_t pid;
		if (!parse_decimal(entry->d_name, INT32_MAX, &pid))
			continue;
		struct relative relative = { .pid = (pid_t) pid };
		if (read_parent(fd, &relative))
			add_relative(found, &relative);
	}
	closedir(directory);
	if (found->n)
		qsort(found->all, found->n, sizeof(*found->all), compare_pids);
}

/* Reads the children of this process, whoever they are; what hides processes does not hide them
 * here. */
struct children {
	int fd; /* -1 on a kernel without CONFIG_PROC_CHILDREN */
	size_t at, n;
	char bytes[4096];
};

static void read_children_again(struct children *children)
{
	children->at = children->n = 0;
	lseek(children->fd, 0, SEEK_SET);
}

/* 0 behind the last one. */
static pid_t next_child(struct children *children)
{
	for (pid_t pid = 0;;) {
		if (children->at == children->n) {
			ssize_t n = read(children->fd, children->bytes, sizeof(children->bytes));
			if (n <= 0)
				return 0;
			children->at = 0;
			children->n = (size_t) n;
		}
		char c = children->bytes[children->at++];
		if (c < '0' || c > '9') /* each number has a blank behind it */
			return pid;
		pid = pid * 10 + (c - '0');
	}
}

static void open_children(int proc_fd, struct children *children)
{
	children->fd = openat(proc_fd, "thread-self/children", O_RDONLY | O_CLOEXEC);
	read_children_again(children);
}

static bool is_earlier(const struct relative *process)
{
	const struct relative *known = find_relative(&earlier, process->pid);
	return known && known->born == process->born;
}

/* The number of the first mount that a process sees; a mount is in one mount namespace only. -1: not
 * to be learned. Unlike /proc/PID/ns it may be read of a process with more capabilities than we have
 * left. */
static int first_mount(int proc_fd, pid_t pid)
{
	char path[32], line[32] = "";
	int id;
	snprintf(path, sizeof(path), "%d/mountinfo", pid);
	AUTO_CLOSE int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, line, sizeof(line) - 1) > 0 && sscanf(line, "%d", &id) == 1 ? id
											       : -1;
}

/* Whom a job of the caller's has orphaned in the meantime became our child, too, but is in our mount
 * namespace. The sandbox has one of its own from its first moment, and COMMAND no way back: setns(2)
 * takes CAP_SYS_ADMIN in the caller's user namespace. What cannot be told counts as COMMAND's. */
static bool is_outside(int proc_fd, pid_t pid)
{
	int own = earlier.n ? first_mount(proc_fd, getpid()) : -1;
	return own >= 0 && first_mount(proc_fd, pid) == own;
}

/* Whether it descends from this process, other than through those who are spared and who was there
 * earlier; proc_fd -1: whoever they are. */
static bool is_ours(const struct relatives *found, struct relative *process, int proc_fd,
		    bool (*is_spared)(pid_t pid))
{
	pid_t self = getpid();
	struct relative *top = process;
	for (; top && top->kin == KIN_UNKNOWN; top = find_relative(found, top->parent)) {
		top->kin = KIN_NONE; /* unless it turns out otherwise; ends a circle, too */
		if (is_earlier(top))
			break;
		if (top->parent != self)
			continue;
		if (proc_fd < 0 || !(is_spared(top->pid) || is_outside(proc_fd, top->pid)))
			top->kin = KIN_OURS;
		break;
	}
	if (!top || top->kin != KIN_OURS)
		return false;
	/* the same way once more, and not beyond where it led: there are we, and those above us */
	for (; process != top; process = find_relative(found, process->parent))
		process->kin = KIN_OURS;
	return true;
}

void limits_spare_descendants(int proc_fd)
{
	siginfo_t info;
	struct relatives found = { 0 };
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return; /* ECHILD, as a rule: nothing to look for */
	read_processes(proc_fd, &found);
	size_t n = 0;
	for (size_t i = 0; i < found.n; i++)
		is_ours(&found, &found.all[i], -1, NULL);
	for (size_t i = 0; i < found.n; i++)
		if (found.all[i].kin == KIN_OURS)
			found.all[n++] = found.all[i];
	found.n = n;
	struct children children;
	open_children(proc_fd, &children);
	for (struct relative child = { 0 }; (child.pid = next_child(&children));)
		if (!find_relative(&(struct relatives){ found.all, n, n }, child.pid))
			add_relative(&found, &child); /* hidden */
	close_fd(&children.fd);
	if (found.n)
		qsort(found.all, found.n, sizeof(*found.all), compare_pids);
	earlier = found;
}

/* Kills the children as they are read: processes that replace each other become our children at
 * once, but are gone before all of /proc can be read. Who can be waited for keeps its number until
 * that is done, which is not here. Returns one of them, or 0. */
static pid_t kill_children(int proc_fd, struct children *children, bool (*is_spared)(pid_t pid),
			   size_t *ret_n)
{
	pid_t any = 0;
	*ret_n = 0;
	read_children_again(children);
	for (struct relative child = { 0 }; (child.pid = next_child(children)); ++*ret_n) {
		siginfo_t ended = { 0 };
		if (waitid(P_PID, (id_t) child.pid, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    ended.si_pid)
			continue;
		child.born = 0;
		if (find_relative(&earlier, child.pid))
			read_parent(proc_fd, &child);
		if (is_spared(child.pid) || is_earlier(&child) || is_outside(proc_fd, child.pid))
			continue;
		kill(child.pid, SIGKILL);
		any = child.pid;
	}
	return any;
}

/* The number may be a stranger's by now: it is asked for once more when the descriptor holds on to
 * whoever has it. False when it is gone. */
static bool kill_the_same(int proc_fd, const struct relative *process)
{
	struct relative now = { .pid = process->pid };
	AUTO_CLOSE int pidfd = sys_pidfd_open(process->pid, 0);
	if (pidfd < 0 || !read_parent(proc_fd, &now) || now.born != process->born)
		return false;
	return sys_pidfd_send_signal(pidfd, SIGKILL) == 0 || errno != ESRCH;
}

/* All generations at once: killing only children would lose the race against a fork bomb, whose
 * next generation is always bigger than the one that just became ours. Returns one of them, or 0.
 */
static pid_t kill_relatives(int proc_fd, struct relatives *found, bool (*is_spared)(pid_t pid))
{
	pid_t any = 0;
	read_processes(proc_fd, found);
	for (size_t i = 0; i < found->n; i++)
		if (is_ours(found, &found->all[i], proc_fd, is_spared) &&
		    kill_the_same(proc_fd, &found->all[i]))
			any = found->all[i].pid;
	return any;
}

/* Waits for children that have ended, not for more than there were before: they may come faster
 * than they can be reaped, and killing is what makes them fewer. False when no child is left. */
static bool reap_some(size_t most, pid_t (*reap)(bool wait))
{
	pid_t pid = 1;
	for (size_t n = 0; n <= most && pid > 0; n++)
		pid = reap(false);
	return pid >= 0;
}

pid_t limits_kill_descendants(int proc_fd, bool (*is_spared)(pid_t pid), pid_t (*reap)(bool wait))
{
	enum { ROUNDS_OF_CHILDREN = 100 }; /* before it is worth while to read all of /proc */
	struct relatives found = { 0 };
	struct children children;
	if (reap(false) < 0) /* no child, so no descendant: they become children of ours */
		return 0;
	open_children(proc_fd, &children);
	int64_t end_ms = now_ms() + LIMITS_PATIENCE_MS;
	pid_t left = 0;
	/* Whoever lost its parent in the meantime is our child now, and so in the next round. A round
	 * that finds nobody may have missed one that was between two parents; a second one would not. */
	for (int n_empty_rounds = 0; n_empty_rounds < 2 && (!left || now_ms() < end_ms);) {
		bool has_children = true;
		left = 0;
		for (int i = 0; i < ROUNDS_OF_CHILDREN && has_children; i++) {
			size_t n_seen;
			pid_t killed = kill_children(proc_fd, &children, is_spared, &n_seen);
			has_children = reap_some(n_seen, reap);
			if (!killed)
				break;
			left = killed;
		}
		if (!has_children) {
			left = 0;
			break;
		}
		pid_t killed = kill_relatives(proc_fd, &found, is_spared);
		left = killed ? killed : left;
		n_empty_rounds = left ? 0 : n_empty_rounds + 1;
		if (left)
			reap(true);
	}
	close_fd(&children.fd);
	return left;
}

void limits_read_usage(const struct run *run, struct usage *usage)
{
	struct rusage children;
	cgroups_read_usage(run, usage);
	if (getrusage(RUSAGE_CHILDREN, &children) < 0)
		return;
	usage->max_rss_bytes = children.ru_maxrss * 1024;
	if (usage->cpu_us < 0)
		usage->cpu_us = (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 +
				children.ru_utime.tv_usec + children.ru_stime.tv_usec;
}
