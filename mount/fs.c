/* fs.c - file systems made and cloned, and asked what they are.
 *
 * Must not: attach anything.
 */
#include "mount/fs.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "utils.h"

#include <errno.h>
#include <sys/stat.h>

int fs_try_make(const char *type, unsigned attributes, const char *const options[])
{
	AUTO_CLOSE int fs_fd = sys_fsopen(type, FSOPEN_CLOEXEC);
	if (fs_fd < 0)
		return -1;
	for (size_t i = 0; options[i]; i += 2)
		if (sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, options[i], options[i + 1], 0) < 0)
			return -1;
	if (sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	int mount_fd = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes);
	/* Where only a read-only procfs can be seen, only a read-only one may be made. */
	if (mount_fd < 0 && errno == EPERM && streq(type, "proc"))
		mount_fd = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC, attributes | MOUNT_ATTR_RDONLY);
	return mount_fd;
}

static int make_tmpfs(struct position position, unsigned flags, const char *const options[])
{
	int fd = fs_try_make("tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | flags, options);
	if (fd < 0)
		die_because(errno, "%s: Can't make a tmpfs: %s%s", position_text(position),
			    errno_text(errno), diagnose_mount_api(errno));
	return fd;
}

int fs_make_tmpfs(struct position position, mode_t mode)
{
	return make_tmpfs(position, 0, (const char *[]){ "mode", arena_number(mode, 8), NULL });
}

int fs_make_op_tmpfs(const struct run *run, const struct op *op, unsigned flags)
{
	const char *label = run->plan->root.file_label;
	const char *options[9] = { "mode", arena_number(op->mode, 8) };
	size_t n = 2;
	if (op->size_bytes) {
		options[n++] = "size";
		options[n++] = arena_number(op->size_bytes, 10);
	}
	if (op->n_inodes) {
		options[n++] = "nr_inodes";
		options[n++] = arena_number(op->n_inodes, 10);
	}
	if (label) {
		options[n++] = "context";
		options[n++] = label;
	}
	return make_tmpfs(op->position, flags, options);
}

void fs_set_op_flags(const struct op *op, int mount_fd, bool is_ours)
{
	struct mount_attr all = { .attr_set = op->mount_flags & ~(uint64_t) MOUNT_ATTR_NOATIME };
	struct mount_attr top = { .attr_set = MOUNT_ATTR_NOATIME, .attr_clr = MOUNT_ATTR__ATIME };
	if ((all.attr_set &&
	     sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &all) < 0) ||
	    (is_ours && op->mount_flags & MOUNT_ATTR_NOATIME &&
	     sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH, &top) < 0))
		die_because(errno, "%s: Can't set the mount flags of %s: %s%s",
			    position_text(op->position), failing_path(op->inner_path),
			    errno_text(errno), diagnose_mount_flags(op->mount_flags, errno));
}

int fs_clone_read_only(int fd)
{
	struct mount_attr attr = { .attr_set =
					   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	int clone = sys_open_tree(
		fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (clone >= 0 && sys_mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0)
		close_fd(&clone);
	return clone;
}

int fs_look_at(const struct run *run, int fd, struct kernel_statx *ret_status,
	       bool *ret_is_directory)
{
	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, ret_status) < 0)
		return -1;
	if (ret_status->stx_mask & STATX_TYPE) {
		*ret_is_directory = S_ISDIR(ret_status->stx_mode);
		return 0;
	}
	AUTO_CLOSE int again = openat(run->host->proc_fd, arena_printf("self/fd/%d", fd),
				      O_PATH | O_DIRECTORY | O_CLOEXEC);
	*ret_is_directory = again >= 0;
	return again >= 0 || errno == ENOTDIR ? 0 : -1;
}

bool fs_is_same_object(int a, int b)
{
	struct kernel_statx x, y;
	return sys_statx(a, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &x) == 0 &&
	       sys_statx(b, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &y) == 0 &&
	       x.stx_ino == y.stx_ino && x.stx_dev_major == y.stx_dev_major &&
	       x.stx_dev_minor == y.stx_dev_minor;
}

const char *fs_no_proc_text(const struct op *op)
{
	return arena_printf("Can't mount proc on /newroot%s%s: Can't mount proc on %s",
			    op->inner_path[0] == '/' ? "" : "/", op->inner_path, op->inner_path);
}
