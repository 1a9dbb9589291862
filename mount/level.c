/* level.c - a directory on a read-only mount, shown by a tmpfs of ours in which more can be made.
 *
 * Each entry of the directory is brought into the tmpfs as a mount of its own: a clone that has its flags and all that is
 * mounted below. A link is made anew. What operations have mounted below is moved and not cloned, since much is known
 * of it by the number of its mount (links judged, overlays covered). An overlay of the kernel's would take one mount, but
 * a user namespace gives none over what has locked mounts below, as / has, and it would show no submounts.
 *
 * Must not: write to what it covers; follow a link; make anything less restrictive than it was.
 */
#include "mount/level.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/pivot.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/mountinfo.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000 /* statfs(2), 5.10 */
#endif

enum { MOST_ENTRIES = 4096 };

/* A mount below the directory. */
struct found {
	uint64_t id, parent_id;
	const char *path; /* from the directory */
	enum {
		NOT_MET,
		OF_HOST,
		HIDDEN,
		OF_SETUP
	} whose; /* the host's came with a source and are locked; hidden: below one of these */
};

struct level {
	struct run *run;
	const struct op *op;
	const char *path; /* by the words of the operation */
	int there;        /* what is covered */
	int fd;           /* the tmpfs */
	struct kernel_statx status;
	bool has_foreign_links_only;
	const char **names;
	size_t n_names, capacity_names;
	struct found *found;
	size_t n_found;
	const char *park_name; /* a directory in the tmpfs for what is moved */
	int park_fd;
	const char **parked; /* from where */
	size_t n_parked, capacity_parked;
};

/* False. errno is told where it is not 0. */
static bool fail(const struct level *level, int error, const char *what, const char *name)
{
	level->run->mounts->level.why_not = arena_printf(
		"%s%s%s %s%s%s%s", level->path, *name && !streq(level->path, "/") ? "/" : "", name,
		what, error ? ": " : "", error ? errno_text(error) : "",
		error == ENOSPC ? " (the limit of mounts in a namespace, fs.mount-max)" : "");
	return false;
}

static bool fail_to_show(const struct level *level, const char *name)
{
	return fail(level, errno, "cannot be shown by a mount of its own", name);
}

/* ---- what there is ---- */

static bool read_names(struct level *level)
{
	int list_fd = openat(level->there, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!directory) {
		int error = errno;
		close_fd(&list_fd);
		return fail(level, error, "cannot be read, to show what is in it", "");
	}
	const struct dirent *entry;
	while ((errno = 0, entry = readdir(directory)) && level->n_names <= MOST_ENTRIES) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		level->names = arena_grow(level->names, level->n_names, &level->capacity_names,
					  sizeof(*level->names));
		level->names[level->n_names++] = arena_string(entry->d_name);
	}
	int error = errno;
	closedir(directory);
	if (error)
		return fail(level, error, "cannot be read, to show what is in it", "");
	if (level->n_names > MOST_ENTRIES)
		return fail(level, 0,
			    arena_printf("has more than %d entries to be shown by mounts",
					 MOST_ENTRIES),
			    "");
	return true;
}

static int compare_lengths(const void *a, const void *b)
{
	size_t x = strlen(((const struct found *) a)->path);
	size_t y = strlen(((const struct found *) b)->path);
	return (x > y) - (x < y);
}

static const struct mountinfo *find_mount(const struct mountinfo *mounts, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (mounts[i].id == id)
			return &mounts[i];
	return NULL;
}

/* Who asks for the operation's mount means the one that is seen. */
static void stand_for_operation(const struct level *level, uint64_t id)
{
	for (size_t i = 0; i < level->run->plan->root.n_ops; i++)
		if (level->run->mounts->pins[i].mount_id == level->status.stx_mnt_id)
			level->run->mounts->pins[i].mount_id = id;
}

/* What is mounted below, that which covers another before it; and whether such a directory can be shown at all. Where it is
 * the tmpfs says, which lies on it: a neighbour may rename what is above. */
static bool find_mounts(struct level *level)
{
	size_t n;
	struct kernel_statx ours;
	const struct mountinfo *mounts = mountinfo_read(level->run->host->proc_fd, &n);
	if (!mounts || sys_statx(level->fd, "", AT_EMPTY_PATH, 0, &ours) < 0)
		return fail(level, errno, "cannot be shown without /proc/self/mountinfo", "");
	const struct mountinfo *top = find_mount(mounts, n, ours.stx_mnt_id);
	const struct mountinfo *covered = find_mount(mounts, n, level->status.stx_mnt_id);
	if (!top || !covered)
		return fail(level, 0, "is not in /proc/self/mountinfo", "");
	if (!mountinfo_type_is_stored(covered->type))
		return fail(
			level, 0,
			arena_printf(
				"is on a file system (%s) whose entries cannot be shown by mounts",
				covered->type),
			"");
	bool is_whole = level->status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	size_t length = streq(top->point, "/") ? 0 : strlen(top->point);
	level->found = arena_alloc((n + 1) * sizeof(*level->found));
	for (const struct mountinfo *mount = mounts; mount < mounts + n; mount++) {
		if (path_is_within(mount->point, top->point) && mount->point[length] &&
		    mount->point[length + 1])
			level->found[level->n_found++] =
				(struct found){ .id = mount->id,
						.parent_id = mount->parent_id,
						.path = mount->point + length + 1 };
		else if (is_whole && mount->parent_id == covered->id && mount != top)
			return fail(level, 0, "was being changed meanwhile", "");
	}
	const char *shown = bind_shown_path(level->run, level->op->position, level->there);
	if (!streq(shown, top->point))
		return fail(level, 0, "was being moved meanwhile", "");
	qsort(level->found, level->n_found, sizeof(*level->found), compare_lengths);
	if (is_whole)
		stand_for_operation(level, ours.stx_mnt_id);
	return true;
}

/* ---- what setup has mounted ---- */

static struct found *find(const struct level *level, uint64_t id)
{
	for (size_t i = 0; i < level->n_found; i++)
		if (level->found[i].id == id)
			return &level->found[i];
	return NULL;
}

static bool make_stub(int dir_fd, const char *name, bool is_directory, mode_t type)
{
	return (is_directory ? mkdirat(dir_fd, name, 0755)
			     : mknodat(dir_fd, name, type | 0444, 0)) == 0;
}

static bool is_operations(const struct level *level, uint64_t id)
{
	for (size_t i = 0; i < level->run->plan->root.n_ops; i++)
		if (level->run->mounts->pins[i].mount_id == id)
			return true;
	return false;
}

/* A directory on the way, another user's, lets nobody of ours in: no operation has been there. */
static bool mark_unreachable(struct level *level, const char *path)
{
	for (size_t i = 0; i < level->n_found; i++)
		if (streq(level->found[i].path, path) && level->found[i].whose == NOT_MET &&
		    !is_operations(level, level->found[i].id))
			level->found[i].whose = OF_HOST;
	return true;
}

/* Moves what is mounted at `path` out of the way, one after the other, down to what is the host's: the kernel lets
 * nobody move that (EINVAL), but for root's in its own namespace, where it makes no difference. */
static bool park(struct level *level, const char *path)
{
	for (;;) {
		struct kernel_statx status;
		bool is_directory;
		AUTO_CLOSE int fd = path_open_plain(level->there, path, &is_directory);
		if (fd < 0 && errno == EACCES)
			return mark_unreachable(level, path);
		if (fd < 0 || fs_look_at(level->run, fd, &status, &is_directory) < 0 ||
		    !(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
			return true;
		struct found *found = find(level, status.stx_mnt_id);
		if (!found || found->whose)
			return true;
		const char *name = arena_number(level->n_parked, 10);
		if (!make_stub(level->park_fd, name, is_directory, S_IFREG))
			return fail_to_show(level, path);
		found->whose = OF_SETUP;
		if (sys_move_mount(fd, "", level->park_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
			if (errno != EINVAL)
				return fail_to_show(level, path);
			found->whose = OF_HOST;
			return unlinkat(level->park_fd, name, is_directory ? AT_REMOVEDIR : 0) ==
				       0 ||
			       fail_to_show(level, path);
		}
		level->parked = arena_grow(level->parked, level->n_parked, &level->capacity_parked,
					   sizeof(*level->parked));
		level->parked[level->n_parked++] = path;
	}
}

static bool has_name(const struct level *level, const char *name)
{
	for (size_t i = 0; i < level->n_names; i++)
		if (streq(level->names[i], name))
			return true;
	return false;
}

/* Whether a mount of the host's lies on it, or on a directory on the way to it. */
static bool is_hidden_by_host(const struct level *level, const struct found *found)
{
	for (size_t i = 0; i < level->n_found; i++) {
		const struct found *other = &level->found[i];
		if (other->whose == OF_HOST &&
		    (other->parent_id == found->id ||
		     (other != found && other->parent_id == found->parent_id &&
		      path_is_within(found->path, other->path))))
			return true;
	}
	return false;
}

/* What was not met on its path, and so would be cloned, is the host's. */
static bool verify_parked(const struct level *level)
{
	for (size_t i = 0; i < level->n_found; i++) {
		struct found *found = &level->found[i];
		const struct found *parent = find(level, found->parent_id);
		if (found->whose || (parent ? parent->whose != OF_HOST
					    : found->parent_id != level->status.stx_mnt_id))
			continue;
		if (is_operations(level, found->id) || !is_hidden_by_host(level, found))
			return fail(level, 0, "was being changed meanwhile", found->path);
		found->whose = HIDDEN;
	}
	return true;
}

static bool park_all(struct level *level)
{
	if (!level->n_found)
		return true;
	for (size_t i = 0; has_name(level, level->park_name = arena_number(i, 10)); i++)
		;
	if (mkdirat(level->fd, level->park_name, 0700) < 0 ||
	    (level->park_fd =
		     openat(level->fd, level->park_name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return fail_to_show(level, "");
	for (size_t i = 0; i < level->n_found; i++)
		if (!park(level, level->found[i].path))
			return false;
	return verify_parked(level);
}

/* The last one first: it may be on another. */
static bool put_back(struct level *level)
{
	while (level->n_parked) {
		const char *path = level->parked[--level->n_parked];
		const char *name = arena_number(level->n_parked, 10);
		bool is_directory;
		AUTO_CLOSE int fd = path_open_plain(level->fd, path, &is_directory);
		if (fd < 0 ||
		    sys_move_mount(level->park_fd, name, fd, "", MOVE_MOUNT_T_EMPTY_PATH) < 0 ||
		    (unlinkat(level->park_fd, name, AT_REMOVEDIR) < 0 &&
		     unlinkat(level->park_fd, name, 0) < 0))
			return fail_to_show(level, path);
	}
	close_fd(&level->park_fd);
	return !level->park_name || unlinkat(level->fd, level->park_name, AT_REMOVEDIR) == 0 ||
	       fail_to_show(level, "");
}

/* ---- bringing the entries ---- */

/* A link in a directory that all can write to is followed for its owner and the directory's only (proc_sys_fs(5),
 * protected_symlinks), which it would not be any more once it is the caller's: others are left out. */
static bool is_followed(const struct level *level, const struct kernel_statx *link)
{
	const struct kernel_statx *top = &level->status;
	return (top->stx_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) ||
	       link->stx_uid == geteuid() ||
	       (link->stx_uid == top->stx_uid && link->stx_uid != OVERFLOW_UID);
}

static bool bring_link(struct level *level, int link_fd, const struct kernel_statx *status,
		       const char *name)
{
	char target[PATH_MAX];
	level->has_foreign_links_only &= status->stx_uid == OVERFLOW_UID;
	if (!is_followed(level, status))
		return true;
	ssize_t length = readlinkat(link_fd, "", target, sizeof(target) - 1);
	if (length < 0)
		return fail_to_show(level, name);
	target[length] = '\0';
	return symlinkat(target, level->fd, name) == 0 || errno == EEXIST ||
	       fail_to_show(level, name);
}

/* One that is gone meanwhile is left out. A name may be listed twice while others are made. */
static bool bring(struct level *level, const char *name)
{
	struct kernel_statx status;
	bool is_directory;
	AUTO_CLOSE int clone = sys_open_tree(level->there, name,
					     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
						     AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
	if (clone < 0)
		return errno == ENOENT || fail_to_show(level, name);
	if (fs_look_at(level->run, clone, &status, &is_directory) < 0)
		return fail_to_show(level, name);
	mode_t type = status.stx_mask & STATX_TYPE ? status.stx_mode & S_IFMT : S_IFREG;
	if (S_ISLNK(type))
		return bring_link(level, clone, &status, name);
	/* A device is not ours to make; what readdir(3) says of it is the one thing that differs. */
	if (!S_ISSOCK(type) && !S_ISFIFO(type))
		type = S_IFREG;
	if (!make_stub(level->fd, name, is_directory, type))
		return errno == EEXIST || fail_to_show(level, name);
	return sys_move_mount(clone, "", level->fd, name, MOVE_MOUNT_F_EMPTY_PATH) == 0 ||
	       (errno == ENOENT &&
		unlinkat(level->fd, name, is_directory ? AT_REMOVEDIR : 0) == 0) ||
	       fail_to_show(level, name);
}

static bool bring_all(struct level *level)
{
	for (size_t i = 0; i < level->n_names; i++)
		if (!bring(level, level->names[i]))
			return false;
	return true;
}

/* ---- the tmpfs ---- */

/* Programs are run from it, and links in it followed, where they were before. The owner is the directory's where
 * that has a number in the sandbox. */
static bool make_tmpfs(struct level *level)
{
	const struct kernel_statx *top = &level->status;
	struct statvfs fs;
	if (fstatvfs(level->there, &fs) < 0)
		return fail(level, errno, "cannot be looked at", "");
	struct mount_attr attr = {
		.attr_set = (fs.f_flag & ST_NOEXEC ? MOUNT_ATTR_NOEXEC : 0) |
			    (fs.f_flag & ST_NOSYMFOLLOW ? MOUNT_ATTR_NOSYMFOLLOW : 0),
	};
	level->fd = fs_make_tmpfs(level->op->position, top->stx_mode & 07777);
	bool kept = fchownat(level->fd, "", top->stx_uid, (gid_t) -1, AT_EMPTY_PATH) == 0 ||
		    errno == EPERM || errno == EINVAL;
	kept = kept && (fchownat(level->fd, "", (uid_t) -1, top->stx_gid, AT_EMPTY_PATH) == 0 ||
			errno == EPERM || errno == EINVAL);
	if (kept && (!attr.attr_set || sys_mount_setattr(level->fd, "", AT_EMPTY_PATH, &attr) == 0))
		return true;
	return fail(level, errno, "cannot be shown by a tmpfs with its owner and flags", "");
}

static bool attach(const struct level *level, bool is_root)
{
	if (is_root && !level->run->mounts->scratch.exists)
		pivot_attach(level->fd);
	else if (sys_move_mount(level->fd, "", level->there, "",
				MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return fail(level, errno, "cannot be covered", "");
	return true;
}

static void enter(const struct level *level)
{
	struct run *run = level->run;
	close_fd(&run->root.fd);
	run->root.fd = fcntl(level->fd, F_DUPFD_CLOEXEC, 3);
	if (run->root.fd < 0)
		die_errno(errno, "%s: Can't enter the new root",
			  position_text(level->op->position));
	if (run->mounts->scratch.exists)
		pivot_learn_root(&run->root);
	else
		pivot_into(run);
	run->mounts->known_id = 0; /* its mount may be gone, and others may get its number */
}

bool level_make(struct run *run, const struct op *op, int dir_fd, const char *path,
		bool *ret_in_reach)
{
	struct level level = { .run = run,
			       .op = op,
			       .path = path,
			       .there = dir_fd,
			       .fd = -1,
			       .park_fd = -1,
			       .has_foreign_links_only = true };
	if (sys_statx(dir_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &level.status) < 0)
		return fail(&level, errno, "cannot be looked at", "");
	bool is_root = level.status.stx_mnt_id == run->root.mount_id &&
		       level.status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	level_close(run);
	if (!read_names(&level) || !make_tmpfs(&level))
		return false;
	run->mounts->level.fd = level.fd;
	if (!attach(&level, is_root) || !find_mounts(&level) || !park_all(&level) ||
	    !bring_all(&level) || !put_back(&level))
		return false;
	run_tell(run, "%s: %s is shown anew, by a tmpfs with a mount for each of its %zu entries",
		 position_text(op->position), path, level.n_names);
	*ret_in_reach = !level.has_foreign_links_only || path_is_in_reach(dir_fd);
	if (is_root)
		enter(&level);
	return true;
}

/* ---- writable, and not ---- */

bool level_open_again(struct run *run, int dir_fd)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY };
	struct kernel_statx status;
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	while (fd >= 0 && sys_statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 &&
	       !(status.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
		int above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = above;
	}
	level_close(run);
	run->mounts->level.fd = fd;
	return fd >= 0 && sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) == 0;
}

void level_close(const struct run *run)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	int *fd = &run->mounts->level.fd;
	if (*fd >= 0 && sys_mount_setattr(*fd, "", AT_EMPTY_PATH, &attr) < 0)
		die_because(errno, "Can't make a directory read-only again: %s%s",
			    errno_text(errno), diagnose_mount_api(errno));
	close_fd(fd);
}
