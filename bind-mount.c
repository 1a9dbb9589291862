/* bind-mount.c - one host path or descriptor, shown at one place with the right flags.
 *
 * A bind is a detached clone of the source (open_tree(2)), whose flags are set on every mount in it
 * at once (mount_setattr(2), recursive: atomic, no path is walked, dead network or FUSE mounts
 * below are not asked), and which is attached (move_mount(2)) when it is finished.
 * /proc/self/mountinfo is never read, so the cost does not depend on the other mounts.
 *
 * Must not: make anything on the host but what --bind-create asks for; set a flag after the mount can be seen; look up a source once the host is gone.
 */
#include "bind-mount.h"

#include "mount/fs.h"
#include "mount/made-source.h"
#include "mount/proc.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

/* ---- sources ---- */

const char *bind_shown_path(const struct run *run, struct position position, int fd)
{
	char *path = arena_alloc(PATH_MAX + 1);
	ssize_t length =
		readlinkat(run->host->proc_fd, arena_printf("self/fd/%d", fd), path, PATH_MAX);
	if (length < 0)
		die_errno(errno, "%s: Can't look up descriptor %d", position_text(position), fd);
	if (path[0] != '/')
		die("%s: Can't bind descriptor %d: it is no file or directory (%s)",
		    position_text(position), fd, path);
	return path;
}

/* A descriptor from outside refers to a mount of the old namespace, which the kernel does not clone
 * (EINVAL). The same object is found again by the path that /proc shows for it, and used only if it
 * is the same object. */
static int clone_by_shown_path(const struct run *run, const struct op *op, int fd)
{
	struct stat wanted, found;
	const char *path = bind_shown_path(run, op->position, fd);
	if (fstat(fd, &wanted) < 0)
		die_errno(errno, "%s: Can't look up descriptor %d", position_text(op->position),
			  fd);
	int clone = sys_open_tree(AT_FDCWD, path,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
					  AT_SYMLINK_NOFOLLOW);
	if (clone < 0)
		die_because(errno, "%s: Can't bind descriptor %d: %s: %s%s",
			    position_text(op->position), fd, path, errno_text(errno),
			    errno == EACCES ? "" : diagnose_mount_api(errno));
	if (fstat(clone, &found) < 0 || found.st_dev != wanted.st_dev ||
	    found.st_ino != wanted.st_ino)
		die("%s: Can't bind descriptor %d: %s is another file now",
		    position_text(op->position), fd, path);
	return clone;
}

/* -1 with errno. */
static int clone_path(const struct run *run, const struct op *op)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
	int clone = sys_open_tree(AT_FDCWD, op->outer_path, flags);
	if (clone >= 0 || errno != EINVAL)
		return clone;
	/* A path through /proc/self/fd/N leads to the old mount namespace, as a descriptor does. */
	AUTO_CLOSE int fd = open(op->outer_path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -1 : clone_by_shown_path(run, op, fd);
}

/* Who may not clone anything has found the path, for all that is known. */
static _Noreturn void die_without_source(const struct run *run, const struct op *op, int error)
{
	const char *cause = error == EACCES ? "" : diagnose_mount_api(error);
	if (*cause)
		die_because(error, "%s: Can't bind %s: %s%s", position_text(op->position),
			    failing_path(op->outer_path), errno_text(error), cause);
	die_because(error, "Can't find source path %s: %s, at %s%s", failing_path(op->outer_path),
		    errno_text(error), position_text(op->position),
		    diagnose_source(run, op, op->outer_path, error));
}

int bind_pin(const struct run *run, const struct op *op)
{
	int mount_fd;
	if (op->outer_path) {
		mount_fd = clone_path(run, op);
		if (mount_fd < 0 && errno == ENOENT && op->makes_source)
			mount_fd = made_source_clone(run, op);
		if (mount_fd < 0 && errno == ENOENT && op->skip_missing)
			return -1;
		if (mount_fd < 0)
			die_without_source(run, op, errno);
	} else {
		mount_fd = clone_by_shown_path(run, op, op->outer_fd);
	}
	bind_set_flags(run, op, mount_fd);
	return mount_fd;
}

int bind_pin_one(const char *path, bool read_only)
{
	struct mount_attr attr = { .attr_set =
					   MOUNT_ATTR_NOSUID | (read_only ? MOUNT_ATTR_RDONLY : 0),
				   .propagation = MS_PRIVATE };
	int mount_fd = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount_fd >= 0 && sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr) < 0)
		die_because(errno, "Can't set the mount flags of %s: %s%s", failing_path(path),
			    errno_text(errno), diagnose_mount_api(errno));
	return mount_fd;
}

/* ---- flags ---- */

/* What comes from inside has the flags that belong to it: it is only made more restricted. */

void bind_set_flags(const struct run *run, const struct op *op, int mount_fd)
{
	/* A read-only bind is private: a mount that the host adds later would appear in it
	 * writable. */
	bool private = op->propagation == PROPAGATION_PRIVATE ||
		       (op->propagation == PROPAGATION_DEFAULT && op->read_only);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID |
			    (op->devices || op->inner_source ? 0 : MOUNT_ATTR_NODEV) |
			    (op->read_only ? MOUNT_ATTR_RDONLY : 0) | op->mount_flags,
		.attr_clr = op->mount_flags & MOUNT_ATTR_NOATIME ? MOUNT_ATTR__ATIME : 0,
		.propagation = private ? MS_PRIVATE : MS_SLAVE,
	};
	if (sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) == 0)
		return;
	int error = errno;
	const char *source = op->inner_source ? op->inner_source
			     : op->outer_path ? op->outer_path
					      : arena_printf("descriptor %d", op->outer_fd);
	if (run->plan->root.tolerate_submounts && error != ENOSYS &&
	    sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr) == 0) {
		say_warning(
			"%s: Can't set the flags of a mount below %s: %s; going on (--not-a-security-boundary)",
			position_text(op->position), source, errno_text(error));
		return;
	}
	die_because(error, "%s: Can't set the mount flags of %s: %s%s", position_text(op->position),
		    source, errno_text(error), diagnose_mount_flags(attr.attr_set, error));
}

/* ---- showing ---- */

/* What is mounted there, or on what, has no name any more. */
static const char *deleted_mount(const struct op *op, int mount_fd, int at_fd, const char *name)
{
	struct kernel_statx status;
	int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
	if (op->outer_path && sys_statx(mount_fd, "", flags, STATX_NLINK, &status) == 0 &&
	    !status.stx_nlink)
		return cause_text(CAUSE_MOUNT_DELETED, op->outer_path);
	if (sys_statx(at_fd, name, flags, STATX_NLINK, &status) == 0 && !status.stx_nlink)
		return cause_text(CAUSE_MOUNT_DELETED, op->inner_path);
	return "";
}

void bind_attach(const struct op *op, int mount_fd, int at_fd, const char *name)
{
	if (sys_move_mount(mount_fd, "", at_fd, name,
			   MOVE_MOUNT_F_EMPTY_PATH | (*name ? 0 : MOVE_MOUNT_T_EMPTY_PATH)) == 0)
		return;
	int error = errno;
	if (proc_is_kind(op->kind))
		die_because(error, "%s: %s: %s%s", position_text(op->position), fs_no_proc_text(op),
			    errno_text(error), diagnose_mount_api(error));
	die_because(error, "%s: Can't mount on %s: %s%s", position_text(op->position),
		    failing_path(op->inner_path), errno_text(error),
		    error == ENOTDIR
			    ? "; a directory can only be mounted on a directory, a file on a file"
		    : error == ENOENT ? deleted_mount(op, mount_fd, at_fd, name)
				      : diagnose_mount_api(error));
}
