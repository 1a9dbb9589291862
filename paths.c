/* paths.c - one path inside the new root, found or made, never leaving it.
 *
 * Invariant: a path of the sandbox is resolved against the root's descriptor and nothing else.
 * Links, absolute ones included, are followed inside the root; ".." ends there; magic links
 * (/proc/PID/fd/N and their like, the only way out) are refused. Nothing is created through a link
 * that leads nowhere.
 *
 * openat2(2) does it (RESOLVE_IN_ROOT, Linux 5.6). Where it is refused (a filter that answers
 * ENOSYS or EPERM, as systemd's RestrictSUIDSGID= does) a walk, component by component with
 * O_PATH|O_NOFOLLOW, gives the same answers. O_PATH throughout: search permission on a directory is
 * enough, as for anybody.
 */
#include "bwrapish.h"

#include "kernel.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

enum path_engine path_engine;

/* ---- the walk ---- */

/* Of one mount, two directories may have the same inode number: a FUSE server's, or btrfs's subvolumes. */
static bool same_place(int a, int b)
{
	struct statx x, y;
	return statx(a, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &x) == 0 &&
	       statx(b, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &y) == 0 &&
	       x.stx_ino == y.stx_ino && x.stx_mnt_id == y.stx_mnt_id &&
	       (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) ==
		       (y.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* procfs has ordinary links in its root (self, mounts, net) and magic ones below it. 1 is the
 * root's inode (PROC_ROOT_INO). */
static bool is_magic_link(int link_fd, int parent_fd)
{
	struct statfs fs;
	struct stat parent;
	return fstatfs(link_fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC &&
	       !(fstat(parent_fd, &parent) == 0 && parent.st_ino == 1);
}

enum { MOST_LINKS = 40 }; /* path_resolution(7) */

struct walk {
	int root_fd, at_fd; /* at_fd is ours unless it is root_fd */
	char *rest;         /* of the way; room for every link to be as long as it can */
	unsigned n_links;
};

static void step_to(struct walk *walk, int fd)
{
	if (walk->at_fd != walk->root_fd)
		close(walk->at_fd);
	walk->at_fd = fd;
}

/* Puts what the link says before the rest of the way. */
static int follow_link(struct walk *walk, int link_fd)
{
	char target[PATH_MAX];
	if (++walk->n_links > MOST_LINKS || is_magic_link(link_fd, walk->at_fd))
		return ELOOP;
	ssize_t length = readlinkat(link_fd, "", target, sizeof(target));
	if (length < 0)
		return errno;
	if (length == 0)
		return ENOENT;
	if (length == sizeof(target)) /* cut short: no symlink(2) makes it, a file server may */
		return ENAMETOOLONG;
	memmove(walk->rest + length, walk->rest,
		strlen(walk->rest) + 1); /* what is left begins with a slash */
	memcpy(walk->rest, target, (size_t) length);
	if (target[0] == '/')
		step_to(walk, walk->root_fd);
	return 0;
}

/* The descriptor, or -errno. */
static int walk_path(int root_fd, const char *path, int flags)
{
	static char rest[(MOST_LINKS + 2) * PATH_MAX];
	struct walk walk = { .root_fd = root_fd, .at_fd = root_fd, .rest = rest };
	size_t length = strlen(path);
	if (length == 0)
		return -ENOENT;
	if (length >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(walk.rest, path, length + 1);

	int error = 0, result = -1;
	while (!error && result < 0) {
		char *name = walk.rest + strspn(walk.rest, "/");
		size_t name_length = strcspn(name, "/");
		const char *behind = name + name_length;
		bool is_last = *skip_slashes(behind) == '\0', wants_directory = *behind == '/';
		char component[PATH_MAX]; /* no part of a path or link is longer; openat(2) judges
					     names */
		memcpy(component, name, name_length);
		component[name_length] = '\0';
		memmove(walk.rest, behind, strlen(behind) + 1);

		if (name_length == 0 && flags & O_PATH) { /* "." would ask for search permission */
			result = fcntl(walk.at_fd, F_DUPFD_CLOEXEC, 3);
			error = result < 0 ? errno : 0;
			break;
		}
		if (name_length == 0 || (streq(component, "..") && same_place(walk.at_fd, root_fd)))
			memcpy(component, ".", 2);
		bool keeps_links = is_last && flags & O_NOFOLLOW && !wants_directory;
		int fd = openat(walk.at_fd, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat status;
		if (fd < 0 || fstat(fd, &status) < 0) {
			error = errno;
			close_fd(&fd);
		} else if (S_ISLNK(status.st_mode) && !keeps_links) {
			error = follow_link(&walk, fd);
			close(fd);
		} else if (!is_last || (wants_directory && !S_ISDIR(status.st_mode))) {
			step_to(&walk, fd);
			if (!S_ISDIR(status.st_mode))
				error = ENOTDIR;
		} else if (flags & O_PATH) {
			result = fd;
			if (flags & O_DIRECTORY && !S_ISDIR(status.st_mode))
				error = ENOTDIR;
		} else {
			close(fd);
			result = openat(walk.at_fd, component, flags | O_NOFOLLOW | O_CLOEXEC);
			error = result < 0 ? errno : 0;
		}
	}
	step_to(&walk, root_fd);
	if (error) {
		close_fd(&result);
		return -error;
	}
	return result;
}

/* ---- the doors ---- */

int path_open(int root_fd, const char *path, int flags)
{
	if (path_engine != PATH_ENGINE_WALK) {
		struct open_how how = { .flags = (unsigned) flags | O_CLOEXEC,
					.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
		int fd;
		do /* EAGAIN: somebody renames while ".." is being resolved; openat2(2) */
			fd = sys_openat2(root_fd, path, &how);
		while (fd < 0 && (errno == EAGAIN || errno == EINTR));
		if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
			if (fd >= 0)
				path_engine = PATH_ENGINE_OPENAT2;
			return fd;
		}
		if (errno == ENOSYS || path_engine == PATH_ENGINE_UNKNOWN)
			path_engine = PATH_ENGINE_WALK;
	}
	int fd = walk_path(root_fd, path, flags);
	if (fd >= 0)
		return fd;
	errno = -fd;
	return -1;
}

/* Makes `name` in parent_fd, where it is missing, and opens it. */
static int make_directory(int parent_fd, const char *name, mode_t mode)
{
	if (mkdirat(parent_fd, name, mode) < 0 && errno != EEXIST)
		return -1;
	int fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		errno = EEXIST; /* a dangling link; or somebody has just put something else there */
	return fd;
}

size_t path_split(const char *path, const char **ret_name)
{
	size_t end = strlen(path);
	while (end && path[end - 1] == '/')
		end--;
	size_t start = end;
	while (start && path[start - 1] != '/')
		start--;
	*ret_name = start == end ? "." : arena_copy(path + start, end - start);
	return start;
}

/* Opens as much of the way as there is, looked for from its end: most often that is all of it, or
 * all but the last directory. `way` is cut down to it. */
static int open_what_there_is(int root_fd, char *way)
{
	size_t length = strlen(way);
	for (;;) {
		int fd = path_open(root_fd, length ? way : ".", O_PATH | O_DIRECTORY);
		if (fd >= 0 || errno != ENOENT || length == 0)
			return fd;
		while (length && way[length - 1] == '/')
			length--;
		while (length && way[length - 1] != '/')
			length--;
		way[length] = '\0';
	}
}

int path_open_parent(int root_fd, const char *path, mode_t mode, const char **ret_name)
{
	size_t end = path_split(path, ret_name);
	char *way = arena_copy(path, end);
	int fd = open_what_there_is(root_fd, way);
	/* What comes next was looked for, and then its directory is new: it is not there. Not so
	 * behind "..", which leads out of what is new. */
	bool missing = true;
	for (size_t i = strlen(way); fd >= 0 && i < end;) {
		size_t length = strcspn(path + i, "/");
		const char *name = arena_copy(path + i, length);
		missing = missing && !streq(name, ".") && !streq(name, "..");
		int next = missing ? -1
				   : path_open(root_fd, arena_copy(path, i + length),
					       O_PATH | O_DIRECTORY);
		if (missing || (next < 0 && errno == ENOENT)) {
			next = make_directory(fd, name, mode);
			missing = true;
		}
		int error = errno;
		close(fd);
		errno = error;
		fd = next;
		i += length + strspn(path + i + length, "/");
	}
	return fd;
}
