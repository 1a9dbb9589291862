/* path.c - one path inside the new root, found or made, never leaving it.
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
#include "sys/path.h"

#include "sys/kernel.h"
#include "utils.h"

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
	struct kernel_statx x, y;
	return sys_statx(a, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &x) == 0 &&
	       sys_statx(b, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &y) == 0 &&
	       x.stx_ino == y.stx_ino && x.stx_mnt_id == y.stx_mnt_id &&
	       (x.stx_attributes & STATX_ATTR_MOUNT_ROOT) ==
		       (y.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Whether the kernel would not follow it: nosymfollow, or a magic link. procfs has ordinary links in its root (self,
 * mounts, net) and magic ones below it. 1 is the root's inode (PROC_ROOT_INO). */
static bool is_refused(int link_fd, int parent_fd)
{
	enum { NOSYMFOLLOW = 0x2000 }; /* ST_NOSYMFOLLOW: statfs(2) */
	struct statfs fs;
	struct stat parent;
	if (fstatfs(link_fd, &fs) < 0)
		return false;
	return fs.f_flags & NOSYMFOLLOW ||
	       (fs.f_type == PROC_SUPER_MAGIC &&
		!(fstat(parent_fd, &parent) == 0 && parent.st_ino == 1));
}

enum { MOST_LINKS = 40 }; /* path_resolution(7) */

struct walk {
	int root_fd, at_fd; /* at_fd is ours unless it is root_fd */
	char *rest;         /* of the way; room for every link to be as long as it can */
	unsigned n_links;
	bool refuses_links;
	struct path_guard *guard;   /* NULL: nobody asks whose the links are; the rest is for it */
	struct text way;            /* from the root to at_fd, without links */
	struct path_mount *entered; /* the mounts that the way leads into, the root's first */
	size_t n_entered, capacity_entered;
	struct path_link links[MOST_LINKS]; /* those followed in somebody's tree */
	size_t n_noted;
};

static void step_to(struct walk *walk, int fd)
{
	if (walk->at_fd != walk->root_fd)
		close(walk->at_fd);
	walk->at_fd = fd;
}

/* ---- the walk, where it matters whose the trees are ---- */

/* The mount that fd is on. One that no operation has attached by itself belongs to what it is
 * below; false with errno. */
static bool find_mount(const struct walk *walk, int fd, struct path_mount *ret)
{
	struct kernel_statx status;
	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) < 0)
		return false;
	*ret = (struct path_mount){ .id = status.stx_mnt_id, .tree = PATH_NO_TREE };
	uint64_t id = ret->id;
	if (walk->n_entered)
		*ret = walk->entered[walk->n_entered - 1];
	ret->id = id;
	bool was_in_reach = ret->in_reach;
	ret->in_reach = ret->is_level && ret->in_reach; /* its entries were in one mount with it */
	ret->is_level = false;
	for (size_t i = walk->n_entered; i-- > 0;)
		if (walk->entered[i].id == ret->id) {
			*ret = walk->entered[i];
			return true;
		}
	for (size_t i = 0; i < walk->guard->n_mounts; i++) {
		const struct path_mount *mount = &walk->guard->mounts[i];
		if (mount->id != ret->id)
			continue;
		struct path_mount below = *ret;
		*ret = *mount;
		if (mount->is_level && mount->tree == PATH_NO_TREE) {
			ret->tree = below.tree;
			ret->has_links = below.has_links;
			ret->has_worth = below.has_worth;
		}
		ret->in_reach = mount->is_level && was_in_reach && ret->tree == below.tree;
	}
	return true;
}

/* By access alone a read-only mount says EACCES, too, before EROFS; an owner can change the mode. */
bool path_is_in_reach(int dir_fd)
{
	struct stat status;
	return fstat(dir_fd, &status) < 0 || status.st_uid != OVERFLOW_UID ||
	       sys_faccessat2(dir_fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) == 0 || errno != EACCES;
}

/* Takes note of whether COMMAND can have put, or moved, what is in the directory that the walk stands
 * in. */
static void note_reach(const struct walk *walk)
{
	struct path_mount *mount = &walk->entered[walk->n_entered - 1];
	if (!walk->guard->owners_tell || !mount->has_links || mount->in_reach)
		return;
	mount->in_reach = mount->is_level ? mount->level_in_reach : path_is_in_reach(walk->at_fd);
}

/* Takes note of where the walk stands now, which `name` led to. An errno. */
static int note_step(struct walk *walk, const char *name)
{
	if (!walk->guard)
		return 0;
	if (streq(name, "..")) {
		while (walk->way.length && walk->way.bytes[--walk->way.length] != '/')
			;
	} else if (!streq(name, ".")) {
		text_add_bytes(&walk->way, "/", 1);
		text_add_bytes(&walk->way, name, strlen(name));
	}
	struct path_mount mount;
	if (!find_mount(walk, walk->at_fd, &mount))
		return errno;
	for (size_t i = walk->n_entered; i-- > 0;)
		if (walk->entered[i].id == mount.id) { /* ".." may have left some */
			walk->n_entered = i + 1;
			note_reach(walk);
			return 0;
		}
	if (streq(name, ".."))
		return EAGAIN; /* somebody moves mounts about */
	walk->entered = arena_grow(walk->entered, walk->n_entered, &walk->capacity_entered,
				   sizeof(*walk->entered));
	walk->entered[walk->n_entered++] = mount;
	note_reach(walk);
	return 0;
}

static void note_root(struct walk *walk)
{
	walk->way.length = 0;
	if (!walk->n_entered)
		return;
	walk->n_entered = 1;
	walk->entered[0].in_reach = false;
	note_reach(walk);
}

/* Whether the link is nobody's that COMMAND can be, and lies where COMMAND can move nothing: root's own,
 * as /bin and /home often are. */
static bool is_out_of_reach(const struct walk *walk, int link_fd)
{
	const struct path_mount *mount = &walk->entered[walk->n_entered - 1];
	struct stat status;
	return walk->guard->owners_tell && !mount->in_reach &&
	       (mount->is_level || /* its links were looked at when they were made again */
		(fstat(link_fd, &status) == 0 && status.st_uid == OVERFLOW_UID));
}

/* A link that an earlier COMMAND can have made. An errno. */
static int note_link(struct walk *walk, int link_fd, const char *name)
{
	struct path_mount mount;
	if (!walk->guard)
		return 0;
	if (!find_mount(walk, link_fd, &mount))
		return errno;
	if (!mount.has_links || walk->n_noted == ARRAY_SIZE(walk->links) ||
	    is_out_of_reach(walk, link_fd))
		return 0;
	walk->links[walk->n_noted++] = (struct path_link){
		.name = arena_join(
			arena_copy(walk->way.length ? walk->way.bytes : "", walk->way.length),
			arena_join("/", name)),
		.tree = mount.tree,
	};
	if (walk->n_noted == 1)
		walk->guard->link = walk->links[0];
	return 0;
}

bool path_is_within(const char *path, const char *top)
{
	size_t length = strlen(top);
	while (length && top[length - 1] == '/')
		length--;
	return strncmp(path, top, length) == 0 && (path[length] == '/' || !path[length]);
}

/* Who can write to the first tree can write to the second one, too: that is a part of it. */
static bool is_part_of(const struct path_guard *guard, int whole, int part)
{
	const char **sources = guard->sources;
	return part == whole ||
	       (sources[whole] && sources[part] && path_is_within(sources[part], sources[whole]));
}

/* Whether all links were of the tree that they led into; an errno. What fd refers to may be a mount of
 * its own, and somebody may take that away. */
static int judge_place(struct walk *walk, int fd)
{
	struct path_mount mounts[2];
	if (!walk->guard || !walk->n_noted)
		return 0;
	if (!find_mount(walk, walk->at_fd, &mounts[0]) || !find_mount(walk, fd, &mounts[1]))
		return errno;
	for (size_t i = 0; i < 2 * walk->n_noted; i++) {
		const struct path_link *link = &walk->links[i / 2];
		int tree = mounts[i % 2].tree;
		if (!mounts[i % 2].has_worth || is_part_of(walk->guard, link->tree, tree))
			continue;
		walk->guard->link = *link;
		walk->guard->led_into = tree;
		return EXDEV;
	}
	return 0;
}

/* ---- the walk itself ---- */

/* Puts what the link says before the rest of the way. */
static int follow_link(struct walk *walk, int link_fd, const char *name)
{
	char target[PATH_MAX];
	if (walk->refuses_links || ++walk->n_links > MOST_LINKS || is_refused(link_fd, walk->at_fd))
		return ELOOP;
	int error = note_link(walk, link_fd, name);
	if (error)
		return error;
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
	if (target[0] == '/') {
		step_to(walk, walk->root_fd);
		note_root(walk);
	}
	return 0;
}

/* Takes the next name off the rest of the way. */
static void take_name(struct walk *walk, char component[PATH_MAX], bool *ret_is_last,
		      bool *ret_wants_directory)
{
	char *name = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(name, "/");
	const char *behind = name + length;
	*ret_is_last = *skip_slashes(behind) == '\0';
	*ret_wants_directory = *behind == '/';
	memcpy(component, name, length); /* no part of a path or link is longer; openat(2) judges */
	component[length] = '\0';
	memmove(walk->rest, behind, strlen(behind) + 1);
}

/* The end of the way: fd is the last component, which is taken over. The descriptor, or -errno. */
static int open_last(struct walk *walk, int fd, const char *component, bool is_directory, int flags)
{
	int error = judge_place(walk, fd);
	if (!error && flags & O_PATH && flags & O_DIRECTORY && !is_directory)
		error = ENOTDIR;
	if (!error && flags & O_PATH)
		return fd;
	close(fd);
	if (error)
		return -error;
	fd = openat(walk->at_fd, component, flags | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The descriptor, or -errno. */
static int walk_on(struct walk *walk, int flags)
{
	int error = note_step(walk, ".");
	while (!error) {
		char component[PATH_MAX];
		bool is_last, wants_directory;
		take_name(walk, component, &is_last, &wants_directory);
		if (!*component && flags & O_PATH) { /* "." would ask for search permission */
			int fd = fcntl(walk->at_fd, F_DUPFD_CLOEXEC, 3);
			return fd < 0 ? -errno : open_last(walk, fd, ".", true, flags);
		}
		if (!*component ||
		    (streq(component, "..") && same_place(walk->at_fd, walk->root_fd)))
			memcpy(component, ".", 2);
		bool keeps_links = is_last && flags & O_NOFOLLOW && !wants_directory;
		int fd = openat(walk->at_fd, component, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat status;
		if (fd < 0 || fstat(fd, &status) < 0) {
			error = errno;
			close_fd(&fd);
		} else if (S_ISLNK(status.st_mode) && !keeps_links) {
			error = follow_link(walk, fd, component);
			close(fd);
		} else if (is_last && (!wants_directory || S_ISDIR(status.st_mode))) {
			return open_last(walk, fd, component, S_ISDIR(status.st_mode), flags);
		} else {
			step_to(walk, fd);
			error = S_ISDIR(status.st_mode) ? note_step(walk, component) : ENOTDIR;
		}
	}
	return -error;
}

/* -1 and errno. */
static int walk_path(int root_fd, const char *path, int flags, bool refuses_links,
		     struct path_guard *guard)
{
	static char rest[(MOST_LINKS + 2) * PATH_MAX];
	struct walk walk = { .root_fd = root_fd,
			     .at_fd = root_fd,
			     .rest = rest,
			     .refuses_links = refuses_links,
			     .guard = guard };
	size_t length = strlen(path);
	if (length == 0 || length >= PATH_MAX) {
		errno = length ? ENAMETOOLONG : ENOENT;
		return -1;
	}
	memcpy(walk.rest, path, length + 1);
	int fd = walk_on(&walk, flags);
	step_to(&walk, root_fd);
	if (fd >= 0)
		return fd;
	errno = -fd;
	return -1;
}

/* ---- the doors ---- */

static int open_inside(int root_fd, const char *path, int flags, bool refuses_links)
{
	if (path_engine != PATH_ENGINE_WALK) {
		struct open_how how = { .flags = (unsigned) flags | O_CLOEXEC,
					.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
						   (refuses_links ? RESOLVE_NO_SYMLINKS : 0) };
		int fd;
		do /* EAGAIN: somebody renames while ".." is being resolved; openat2(2) */
			fd = sys_openat2(root_fd, path, &how);
		while (fd < 0 && (errno == EAGAIN || errno == EINTR));
		/* The kernel may count the same links twice when it has to begin anew, and refuse a
		 * chain of 21 for one of more than 40. */
		if (fd < 0 && errno == ELOOP && !refuses_links)
			return walk_path(root_fd, path, flags, false, NULL);
		if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
			if (fd >= 0)
				path_engine = PATH_ENGINE_OPENAT2;
			return fd;
		}
		if (errno == ENOSYS || path_engine == PATH_ENGINE_UNKNOWN)
			path_engine = PATH_ENGINE_WALK;
	}
	return walk_path(root_fd, path, flags, refuses_links, NULL);
}

int path_open(int root_fd, const char *path, int flags)
{
	return open_inside(root_fd, path, flags, false);
}

int path_open_to_change(int root_fd, const char *path, int flags, struct path_guard *guard)
{
	if (!guard)
		return path_open(root_fd, path, flags);
	/* The kernel does not tell which links it followed. Most often there is none. */
	guard->link.name = NULL;
	guard->led_into = PATH_NO_TREE;
	int fd = open_inside(root_fd, path, flags, true);
	return fd >= 0 || errno != ELOOP ? fd : walk_path(root_fd, path, flags, false, guard);
}

/* The file system mounted there may not answer. */
int path_open_plain(int dir_fd, const char *path, bool *ret_is_directory)
{
	AUTO_CLOSE int at = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	*ret_is_directory = true;
	while (at >= 0 && *(path = skip_slashes(path))) {
		size_t length = strcspn(path, "/");
		char name[NAME_MAX + 1];
		if (length > NAME_MAX) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(name, path, length);
		name[length] = '\0';
		int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		path += length;
		if (next < 0 && errno == ENOTDIR && !*skip_slashes(path)) {
			*ret_is_directory = false;
			next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0)
			return -1;
		close(at);
		at = next;
	}
	int found = at;
	at = -1;
	return found;
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

/* It is looked for from its end: most often that is all of it, or all but the last directory. */
int path_open_existing(int root_fd, char *way, struct path_guard *guard)
{
	size_t length = strlen(way);
	for (;;) {
		int fd = path_open_to_change(root_fd, length ? way : ".", O_PATH | O_DIRECTORY,
					     guard);
		if (fd >= 0 || errno != ENOENT || length == 0)
			return fd;
		while (length && way[length - 1] == '/')
			length--;
		while (length && way[length - 1] != '/')
			length--;
		way[length] = '\0';
	}
}

int path_open_parent(int root_fd, const char *path, mode_t mode, struct path_guard *guard,
		     const char **ret_name)
{
	size_t end = path_split(path, ret_name);
	char *way = arena_copy(path, end);
	int fd = path_open_existing(root_fd, way, guard);
	/* What comes next was looked for, and then its directory is new: it is not there. Not so
	 * behind "..", which leads out of what is new. */
	bool missing = true;
	for (size_t i = strlen(way); fd >= 0 && i < end;) {
		size_t length = strcspn(path + i, "/");
		const char *name = arena_copy(path + i, length);
		missing = missing && !streq(name, ".") && !streq(name, "..");
		int next = missing ? -1
				   : path_open_to_change(root_fd, arena_copy(path, i + length),
							 O_PATH | O_DIRECTORY, guard);
		if (missing || (next < 0 && errno == ENOENT)) {
			next = make_directory(fd, name, mode);
			missing = true;
		}
		close_fd(&fd);
		fd = next;
		i += length + strspn(path + i + length, "/");
	}
	return fd;
}
