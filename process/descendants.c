/* descendants.c - what COMMAND leaves behind, where no pid namespace ends it: found in /proc and killed.
 *
 * The supervisor is a subreaper, so that whoever loses its parent becomes its child. What descends
 * from it and was not the caller's before the sandbox is the sandbox's, helpers aside.
 */
#include "process/descendants.h"

#include "sys/kernel.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct relative {
	pid_t pid, parent;
	/* in clock ticks: with the pid it names one process for good; 0: /proc hides it */
	unsigned long long born;
	enum { KIN_UNKNOWN, KIN_NONE, KIN_OURS } kin;
};
struct relatives {
	struct relative *all; /* ascending by pid */
	size_t n, capacity;
};

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
	return behind_name &&
	       sscanf(behind_name,
		      ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		      &relative->parent, &relative->born) == 2;
}

static void add_relative(struct relatives *found, const struct relative *relative)
{
	found->all = arena_grow(found->all, found->n, &found->capacity, sizeof(*relative));
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

static bool is_earlier(const struct descendants_search *search, const struct relative *process)
{
	const struct relative *known = find_relative(search->earlier, process->pid);
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
static bool is_outside(const struct descendants_search *search, pid_t pid)
{
	int own = search->earlier->n ? first_mount(search->proc_fd, getpid()) : -1;
	return own >= 0 && first_mount(search->proc_fd, pid) == own;
}

/* Whether it descends from this process, other than through those who are spared and who was there
 * earlier; search NULL: whoever they are. */
static bool is_ours(const struct relatives *found, struct relative *process,
		    const struct descendants_search *search)
{
	pid_t self = getpid();
	struct relative *top = process;
	for (; top && top->kin == KIN_UNKNOWN; top = find_relative(found, top->parent)) {
		top->kin = KIN_NONE; /* unless it turns out otherwise; ends a circle, too */
		if (search && is_earlier(search, top))
			break;
		if (top->parent != self)
			continue;
		if (!search || !(search->is_spared(search->argument, top->pid) ||
				 is_outside(search, top->pid)))
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

struct relatives *descendants_find(int proc_fd)
{
	siginfo_t info;
	struct relatives found = { 0 }, *kept = arena_alloc(sizeof(*kept));
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return kept; /* ECHILD, as a rule: nothing to look for */
	read_processes(proc_fd, &found);
	size_t n = 0;
	for (size_t i = 0; i < found.n; i++)
		is_ours(&found, &found.all[i], NULL);
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
	*kept = found;
	return kept;
}

/* Kills the children as they are read: processes that replace each other become our children at
 * once, but are gone before all of /proc can be read. Who can be waited for keeps its number until
 * that is done, which is not here. Returns one of them, or 0. */
static pid_t kill_children(const struct descendants_search *search, struct children *children,
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
		if (find_relative(search->earlier, child.pid))
			read_parent(search->proc_fd, &child);
		if (search->is_spared(search->argument, child.pid) || is_earlier(search, &child) ||
		    is_outside(search, child.pid))
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
static pid_t kill_relatives(const struct descendants_search *search, struct relatives *found)
{
	pid_t any = 0;
	read_processes(search->proc_fd, found);
	for (size_t i = 0; i < found->n; i++)
		if (is_ours(found, &found->all[i], search) &&
		    kill_the_same(search->proc_fd, &found->all[i]))
			any = found->all[i].pid;
	return any;
}

/* Waits for children that have ended, not for more than there were before: they may come faster
 * than they can be reaped, and killing is what makes them fewer. False when no child is left. */
static bool reap_some(const struct descendants_search *search, size_t most)
{
	pid_t pid = 1;
	for (size_t n = 0; n <= most && pid > 0; n++)
		pid = search->reap(search->argument, false);
	return pid >= 0;
}

pid_t descendants_kill(const struct descendants_search *search)
{
	enum { ROUNDS_OF_CHILDREN = 100 }; /* before it is worth while to read all of /proc */
	struct relatives found = { 0 };
	struct children children;
	if (search->reap(search->argument, false) <
	    0) /* no child, so no descendant: they become children of ours */
		return 0;
	open_children(search->proc_fd, &children);
	int64_t end_ms = now_ms() + DESCENDANTS_PATIENCE_MS;
	pid_t left = 0;
	/* Whoever lost its parent in the meantime is our child now, and so in the next round. A round
	 * that finds nobody may have missed one that was between two parents; a second one would not. */
	for (int n_empty_rounds = 0; n_empty_rounds < 2 && (!left || now_ms() < end_ms);) {
		bool has_children = true;
		left = 0;
		for (int i = 0; i < ROUNDS_OF_CHILDREN && has_children; i++) {
			size_t n_seen;
			pid_t killed = kill_children(search, &children, &n_seen);
			has_children = reap_some(search, n_seen);
			if (!killed)
				break;
			left = killed;
		}
		if (!has_children) {
			left = 0;
			break;
		}
		pid_t killed = kill_relatives(search, &found);
		left = killed ? killed : left;
		n_empty_rounds = left ? 0 : n_empty_rounds + 1;
		if (left)
			search->reap(search->argument, true);
	}
	close_fd(&children.fd);
	return left;
}
