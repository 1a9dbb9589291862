/* overlay.c - layers merged into one tree: by the kernel's overlay, or by fuse-overlayfs where that
 * refuses.
 *
 * Everything happens while the host can be seen (newroot_pin()), in the sandbox's own mount namespace. The
 * result is a detached mount like any other source.
 *
 * A normal user's copy of the host's mounts is locked, which the kernel refuses to layer over (EINVAL); there,
 * and where the layers' owners do not exist in the user namespace (copying up: EOVERFLOW), fuse-overlayfs
 * merges what open_tree(2) has cloned, submounts included.
 *
 * Must not: fall back when the cause may be a mistake of the caller's (EPERM, EBUSY, ELOOP); leave
 * anything attached.
 */
#include "mount/overlay.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/overlay-changes.h"
#include "mount/overlay-dirs.h"
#include "mount/overlay-fuse.h"
#include "mount/overlay-kernel.h"
#include "mount/overlay-submounts.h"
#include "mount/scratch.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static bool in_initial_user_namespace(const struct run *run)
{
	struct stat status;
	return fstatat(run->host->proc_fd, "self/ns/user", &status, 0) == 0 &&
	       status.st_ino == 0xEFFFFFFD; /* PROC_USER_INIT_INO */
}

/* Overlay keeps its marks in extended attributes of the upper file system, which only FUSE can do
 * without. */
static bool upper_has_xattrs(const struct merge *merge)
{
	const char *name = merge->user_xattrs ? "user.bwrapish" : "trusted.bwrapish";
	const char *upper =
		merge->has_tmpfs ? TMPFS_UPPER : arena_printf("/proc/self/fd/%d", merge->upper_fd);
	return !merge->overlay->writable || getxattr(upper, name, NULL, 0) >= 0 ||
	       errno != EOPNOTSUPP;
}

/* Who has no number in the user namespace is "nobody" there, and what belongs to them cannot be copied
 * up. */
static bool has_unmapped_owner(const struct merge *merge)
{
	const struct shape *shape = &merge->run->shape;
	if (!merge->overlay->writable || !shape->user_namespace ||
	    merge->run->plan->report.userns_block.fd >= 0)
		return false;
	for (size_t i = 0; i < merge->n_layers; i++) {
		struct stat status;
		if (fstat(merge->layers[i], &status) < 0)
			continue;
		if (merge->run->mapper
			    ? status.st_uid == OVERFLOW_UID || status.st_gid == OVERFLOW_UID
			    : status.st_uid != shape->inner_uid ||
				      status.st_gid != shape->inner_gid)
			return true;
	}
	return false;
}

/* Why the kernel refused, in words. */
static const char *reason_of(const struct merge *merge, int error)
{
	switch (error) {
	case E2BIG:
		return arena_printf("%zu layers in one overlay need Linux 6.7 or newer",
				    merge->n_layers);
	case ENODEV:
		return "this kernel has no overlay";
	case EOPNOTSUPP:
		return arena_printf("no %s extended attributes where writes go",
				    merge->user_xattrs ? "user" : "trusted");
	case EACCES:
		return "it may not write where RWSRC and WORKDIR are";
	case EINVAL:
		return merge->upper_refused ? "it does not write to the file system of RWSRC"
		       : merge->run->shape.user_namespace
			       ? "a mount below a layer that is not this user's to uncover, or a file system that it cannot merge or write to"
			       : "a file system that it cannot merge or write to";
	default: /* of the calls themselves, too */
		return arena_join(errno_text(error), diagnose_mount_api(error));
	}
}

static _Noreturn void die_of_kernel(const struct merge *merge, int error, const char *and_fuse)
{
	die_because(error, "%s: Can't make overlay mount on %s: %s%s%s",
		    position_text(merge->op->position), failing_path(merge->op->inner_path),
		    reason_of(merge, error), and_fuse ? "; and fuse-overlayfs: " : "",
		    and_fuse ? and_fuse : "");
}

/* Whoever may write to RWSRC and WORKDIR, which was looked at, is refused by NFS when the kernel's own
 * directory in WORKDIR has the mode 0. */
static bool kernel_cannot(int error)
{
	return error == EINVAL || error == EACCES || error == ENODEV || error == EOPNOTSUPP ||
	       error == ENOSYS || error == E2BIG;
}

/* The directory that holds both RWSRC and WORKDIR; ret_ paths below it. */
static int open_common_directory(const struct merge *merge, const char **ret_upper,
				 const char **ret_work)
{
	const char *upper = bind_shown_path(merge->run, merge->op->position, merge->upper_fd);
	const char *work = bind_shown_path(merge->run, merge->op->position, merge->work_fd);
	size_t length = 1;
	for (size_t i = 0; upper[i] && upper[i] == work[i]; i++)
		if (upper[i] == '/')
			length = i + 1;
	*ret_upper = upper + length;
	*ret_work = work + length;
	return open(arena_copy(upper, length), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* fuse-overlayfs looks its directories up by name, in a mount namespace of its own, and renames
 * between upper and work directory: both have to be on one mount that can be attached there. False
 * and ret_why: it would read the name as two. */
static bool clone_writable(const struct merge *merge, struct overlay_writable *ret,
			   const char **ret_why)
{
	*ret = (struct overlay_writable){ -1, -1, -1 };
	if (!merge->overlay->writable)
		return true;
	const char *upper = "upper", *work = "work";
	AUTO_CLOSE int common_fd = merge->has_tmpfs
					   ? open(TMPFS_PATH, O_PATH | O_DIRECTORY | O_CLOEXEC)
					   : open_common_directory(merge, &upper, &work);
	if (strchr(upper, ':')) {
		*ret_why = "it takes no RWSRC whose name has a colon";
		return false;
	}
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	if (common_fd < 0 ||
	    (ret->mount_fd = sys_open_tree(common_fd, "",
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
						   AT_EMPTY_PATH)) < 0 ||
	    sys_mount_setattr(ret->mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
	    (ret->upper_fd = path_open(ret->mount_fd, upper, O_PATH | O_DIRECTORY)) < 0 ||
	    (ret->work_fd = path_open(ret->mount_fd, work, O_PATH | O_DIRECTORY)) < 0)
		die_errno(errno, "%s: Can't clone the place for what is written",
			  position_text(merge->op->position));
	close_fd(&common_fd);
	AUTO_CLOSE int upper_fd = overlay_open_upper(merge);
	AUTO_CLOSE int work_fd = overlay_open_work(merge);
	if (!fs_is_same_object(ret->upper_fd, upper_fd) ||
	    !fs_is_same_object(ret->work_fd, work_fd))
		die("%s: RWSRC or WORKDIR is another directory now",
		    position_text(merge->op->position));
	return true;
}

/* fuse-overlayfs shows a directory that it cannot read as an empty one. */
static bool can_read_layers(const struct merge *merge, const char **ret_why)
{
	for (size_t i = 0; i < merge->n_layers; i++)
		if (faccessat(merge->layers[i], ".", R_OK | X_OK, AT_EACCESS) < 0) {
			*ret_why = arena_printf(
				"Can't read the layer %s: %s",
				overlay_layer_text(
					&merge->overlay->layers[merge->n_layers - 1 - i]),
				errno_text(errno));
			return false;
		}
	return true;
}

/* is_needed: nothing else can merge these. Otherwise it is not begun where it could fail for want of
 * descriptors, of which the kernel's overlay takes fewer. */
static int make_fuse(struct merge *merge, bool is_needed, struct overlay_part **ret_parts,
		     const char **ret_why)
{
	const struct shape *shape = &merge->run->shape;
	bool squash = shape->user_namespace && merge->run->plan->report.userns_block.fd < 0 &&
		      !merge->run->mapper;
	struct overlay_writable writable;
	overlay_refuse_overlap(merge);
	if (!can_read_layers(merge, ret_why))
		return -1;
	AUTO_CLOSE int device_fd = -1;
	int fd = overlay_make_fuse_mount(
		merge->run,
		overlay_kept_attributes(merge, merge->layers, merge->n_layers) |
			overlay_kept_attributes(merge, &merge->upper_fd, 1) |
			(merge->overlay->writable ? 0u : MOUNT_ATTR_RDONLY),
		&device_fd, ret_why);
	if (fd < 0)
		return -1;
	if (!is_needed && scratch_runs_short(merge->run, fd, merge->n_layers)) {
		*ret_why = "too few descriptors are left (ulimit -n)";
		close_fd(&fd);
	} else if (!clone_writable(merge, &writable, ret_why) ||
		   !overlay_serve_fuse(merge->run, merge->op, merge->layers, merge->n_layers, fd,
				       &device_fd, &writable, squash, ret_why))
		close_fd(&fd);
	else
		*ret_parts = overlay_make_parts(merge, fd, false);
	return fd;
}

static int try_kernel_whole(struct merge *merge, struct overlay_part **ret_parts)
{
	if (!upper_has_xattrs(merge)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	int fd = overlay_try_kernel(merge, merge->layers, merge->n_layers, merge->upper_fd,
				    merge->work_fd);
	int error = errno;
	/* The kernel leaves a directory of mode 0, into which NFS lets not even its owner. */
	if (fd < 0 && merge->overlay->upper.path)
		unlinkat(merge->work_fd, "work", AT_REMOVEDIR);
	/* In a user namespace that was made for the sandbox all mounts are locked, so here there
	 * are none. */
	if (fd >= 0 && !merge->run->shape.user_namespace)
		*ret_parts = overlay_make_parts(merge, fd, true);
	errno = error;
	return fd;
}

/* The mount, and which backend it was; says so when auto takes the second. */
static int make_mount(struct merge *merge, struct overlay_part **ret_parts, bool *ret_fuse)
{
	const struct overlay *overlay = merge->overlay;
	const char *why = NULL, *position = position_text(merge->op->position);
	bool may_kernel = overlay->backend != OVERLAY_FUSE && overlay_fits_backend(overlay, false);
	bool may_fuse = overlay->backend != OVERLAY_KERNEL && overlay_fits_backend(overlay, true);
	bool others_own = may_kernel && may_fuse && has_unmapped_owner(merge);
	*ret_fuse = true;
	int fd = -1, error = 0;
	if (others_own && (fd = make_fuse(merge, false, ret_parts, &why)) >= 0) {
		say_warning(
			"%s: taking fuse-overlayfs: files of other users could not be changed in the kernel's overlay",
			position);
		return fd;
	}
	if (may_kernel) {
		fd = try_kernel_whole(merge, ret_parts);
		error = errno;
		*ret_fuse = false;
		if (fd >= 0 && others_own)
			say_warning("%s: files of other users cannot be changed in %s: %s",
				    position, merge->op->inner_path, why);
		if (fd >= 0)
			return fd;
		overlay_refuse_overlap(merge);
		if (!may_fuse || !kernel_cannot(error))
			die_of_kernel(merge, error, why);
	}
	fd = make_fuse(merge, true, ret_parts, &why);
	if (fd < 0 && may_kernel)
		die_of_kernel(merge, error, why);
	if (fd < 0)
		die("%s: Can't make overlay mount on %s: fuse-overlayfs: %s", position,
		    failing_path(merge->op->inner_path), why);
	*ret_fuse = true;
	if (may_kernel)
		say_warning("%s: taking fuse-overlayfs: the kernel's overlay refuses (%s)",
			    position, reason_of(merge, error));
	return fd;
}

int overlay_pin(struct run *run, const struct op *op, struct overlay_part **ret_parts)
{
	struct merge merge = { .run = run,
			       .op = op,
			       .overlay = op->overlay,
			       .upper_fd = -1,
			       .work_fd = -1,
			       .user_xattrs = !in_initial_user_namespace(run) };
	bool fuse;
	overlay_open_layers(&merge);
	overlay_prepare_upper(&merge);
	int fd = make_mount(&merge, ret_parts, &fuse);
	if (op->overlay->changes.fd >= 0) {
		AUTO_CLOSE int upper_fd = overlay_open_upper(&merge);
		overlay_watch_changes(run, op,
				      fuse                ? MARKS_FUSE
				      : merge.user_xattrs ? MARKS_USER
							  : MARKS_TRUSTED,
				      merge.layers, merge.n_layers, upper_fd);
	}
	/* Not before: what the parts need is copied up through the overlay. */
	fs_set_op_flags(op, fd, true);
	overlay_detach_tmpfs(&merge);
	for (size_t i = 0; i < merge.n_layers; i++)
		close(merge.layers[i]);
	close_fd(&merge.upper_fd);
	close_fd(&merge.work_fd);
	return fd;
}
