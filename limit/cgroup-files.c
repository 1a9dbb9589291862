/* cgroup-files.c - a control group as what it is: two directories, locked, and the files in them. */
#include "limit/cgroup-files.h"

#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270 /* CGROUP2_SUPER_MAGIC of linux/magic.h */

const struct group *cgroup_v2(const struct cgroups *groups)
{
	return groups && groups->n && !groups->all[0].controller ? &groups->all[0] : NULL;
}

int cgroup_open_dir(int dir_fd, const char *path)
{
	return openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

bool cgroup_list_has(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *at = list; at && (at = strstr(at, word)); at += length)
		if ((at == list || strchr(" ,", at[-1])) && strchr(" ,", at[length]))
			return true;
	return false;
}

int64_t cgroup_count(int dir_fd, const char *name, const char *key)
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

const char *cgroup_own_path(const char *groups, const char *controller)
{
	for (const char *line = groups; line && *line;) {
		const char *end = strchrnul(line, '\n'), *list = strchr(line, ':');
		const char *path = list ? strchr(list + 1, ':') : NULL;
		if (path && path < end) {
			const char *names = arena_copy(list + 1, (size_t) (path - list - 1));
			if (*controller ? cgroup_list_has(names, controller) : !*names)
				return arena_copy(path + 1, (size_t) (end - path - 1));
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}

bool cgroup_is_v2(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_MAGIC;
}

bool cgroup_leads_to_v2(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && fs.f_type == CGROUP2_MAGIC;
}

/* The name is ours alone, but a sweeper may take the directory before it is
 * locked. */
bool cgroup_make(struct group *group, int parent_fd, const char *parent)
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
		group->fd = cgroup_open_dir(parent_fd, group->name);
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

int cgroup_make_below(const struct group *group, const char *name)
{
	static const char *const files[] = { "cpuset.cpus", "cpuset.mems" };
	if (mkdirat(group->fd, name, 0755) < 0 && errno != EEXIST)
		return -1;
	int fd = cgroup_open_dir(group->fd, name);
	/* Of version 1 it takes no process before it has both. */
	bool is_cpuset = group->controller && streq(group->controller, "cpuset");
	for (size_t i = 0; i < ARRAY_SIZE(files) && fd >= 0 && is_cpuset; i++)
		if (!procfile_write(fd, files[i], procfile_read(group->fd, files[i])))
			close_fd(&fd);
	return fd;
}

bool cgroup_switch_controllers(int dir_fd, char sign, const char *list)
{
	const char *now = procfile_read(dir_fd, "cgroup.subtree_control");
	struct text change = { 0 };
	for (const char *word = list; *word;) {
		const char *end = strchrnul(word, ' '),
			   *name = arena_copy(word, (size_t) (end - word));
		if (cgroup_list_has(now, name) != (sign == '+'))
			text_add(&change, "%s%c%s", change.length ? " " : "", sign, name);
		word = *end ? end + 1 : end;
	}
	return !change.length || procfile_write(dir_fd, "cgroup.subtree_control", change.bytes);
}
