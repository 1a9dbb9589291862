/* build.c - the operations on the new root, in command-line order, all of them inside.
 *
 * Must not: look up a path in any other way than through path.c.
 */
#include "mount/build.h"

#include "bind-mount.h"
#include "mount/data.h"
#include "mount/destination.h"
#include "mount/dev.h"
#include "mount/devpts.h"
#include "mount/etc.h"
#include "mount/fs.h"
#include "mount/glob.h"
#include "mount/kernel-fs.h"
#include "mount/level.h"
#include "mount/mask-check.h"
#include "mount/mask-paths.h"
#include "mount/mask.h"
#include "mount/overlay-cover.h"
#include "mount/overlay-submounts.h"
#include "mount/proc.h"
#include "mount/scratch.h"
#include "mount/state.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/root-options.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

static void build_file(struct run *run, const struct op *op)
{
	/* O_NONBLOCK: a fifo that somebody put there must not hold us. */
	int flags = O_WRONLY | O_TRUNC | O_NOCTTY | O_NONBLOCK;
	AUTO_CLOSE int fd = destination_open_to_change(run, op->inner_path, flags);
	if (fd < 0 && errno == ENOENT) {
		const char *name;
		AUTO_CLOSE int parent_fd = destination_open_parent(run, op, &name);
		do
			fd = openat(parent_fd, name, flags | O_CREAT | O_EXCL | O_CLOEXEC,
				    op->mode);
		while (fd < 0 && destination_make_room(run, op, &parent_fd));
	}
	if (fd < 0)
		destination_die(run, op, "write the file", errno);
	data_copy(run, op, fd);
}

static void build_symlink(struct run *run, const struct op *op)
{
	const char *name;
	AUTO_CLOSE int parent_fd = -1;
	int own_fd = destination_own_directory(run, op, &parent_fd, &name);
	if (own_fd >= 0 && symlinkat(op->text, own_fd, name) == 0)
		return;
	if (parent_fd < 0)
		parent_fd = destination_open_parent(run, op, &name);
	do
		if (symlinkat(op->text, parent_fd, name) == 0)
			return;
	while (destination_make_room(run, op, &parent_fd));
	if (errno != EEXIST)
		destination_die(run, op, "make symlink", errno);
	char target[PATH_MAX];
	ssize_t length = readlinkat(parent_fd, name, target, sizeof(target) - 1);
	if (length < 0)
		die("%s: Can't make symlink %s: what exists there is not a symlink",
		    position_text(op->position), failing_path(op->inner_path));
	target[length] = '\0';
	if (!streq(target, op->text))
		die("%s: Can't make symlink %s to %s: existing destination is %s",
		    position_text(op->position), failing_path(op->inner_path), op->text, target);
}

static void build_directory(struct run *run, const struct op *op)
{
	const char *name;
	int own_fd = destination_same_directory(run, op, &name);
	if (own_fd >= 0 && mkdirat(own_fd, name, op->mode) == 0)
		return;
	AUTO_CLOSE int fd = path_open(run->root.fd, op->inner_path, O_PATH);
	if (fd < 0 && errno == ENOENT) {
		int parent_fd;
		own_fd = destination_own_directory(run, op, &parent_fd, &name);
		if (own_fd < 0 || mkdirat(own_fd, name, op->mode) < 0)
			destination_make_last(run, op, parent_fd, S_IFDIR | op->mode);
		return;
	}
	struct kernel_statx status;
	bool is_directory;
	if (fd < 0 || fs_look_at(run, fd, &status, &is_directory) < 0)
		destination_die(run, op, "make the directory", errno);
	if (!is_directory)
		die("%s: Can't make the directory %s: it exists and is none",
		    position_text(op->position), failing_path(op->inner_path));
}

/* In a rehearsal nothing is changed that is the host's: devices are, wherever they lie. */
static bool stays_as_is(const struct run *run, const struct op *op, int fd)
{
	struct stat status;
	return op->stays_as_is || (run->plan->rehearses && fstat(fd, &status) == 0 &&
				   (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)));
}

/* fchmod(2) takes no O_PATH descriptor (EBADF; fchmodat2 is 6.6): the host's O_PATH /proc stands
 * in, whose links lead to descriptors of ours and nowhere else. */
static void build_chmod(const struct run *run, const struct op *op)
{
	AUTO_CLOSE int fd = destination_open_to_change(run, op->inner_path, O_PATH);
	if (fd < 0 ||
	    (!stays_as_is(run, op, fd) &&
	     fchmodat(run->host->proc_fd, arena_printf("self/fd/%d", fd), op->mode, 0) < 0))
		destination_die(run, op, "change the mode of", errno);
}

static void build_remount_ro(const struct run *run, const struct op *op)
{
	/* Private as a read-only bind is: a mount that the host adds later would appear writable. */
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	struct kernel_statx status;
	destination_tell_links(run, op, op->inner_path);
	AUTO_CLOSE int fd = path_open(run->root.fd, op->inner_path, O_PATH);
	if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) < 0)
		destination_die(run, op, "find", errno);
	if (!(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		die("%s: Can't make %s read-only: it is no mount point",
		    position_text(op->position), failing_path(op->inner_path));
	if (sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
		die_because(errno, "%s: Can't make %s read-only: %s%s", position_text(op->position),
			    failing_path(op->inner_path), errno_text(errno),
			    diagnose_mount_api(errno));
}

static void build_bind_inner(struct run *run, const struct op *op)
{
	struct kernel_statx status;
	bool is_directory;
	level_close(run); /* what is cloned stays as it is */
	AUTO_CLOSE int fd = destination_open_source(run, op, op->inner_source, O_PATH);
	int mount_fd = fd < 0 ? -1
			      : sys_open_tree(fd, "",
					      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
						      AT_EMPTY_PATH);
	if (mount_fd < 0 || fs_look_at(run, fd, &status, &is_directory) < 0)
		die_because(errno, "Can't find source path %s: %s, at %s%s",
			    failing_path(op->inner_source), errno_text(errno),
			    position_text(op->position),
			    errno == ENOENT ? "; it is looked for in the sandbox as it is by then"
					    : "");
	bind_set_flags(run, op, mount_fd);
	destination_show(run, op, mount_fd, is_directory, is_directory ? 0755 : 0444);
}

static void build_tmpfs(struct run *run, const struct op *op, struct pin *pin)
{
	int mount_fd = fs_make_op_tmpfs(run, op, op->mount_flags);
	pin->mount_id = destination_note_tmpfs(run, mount_fd);
	destination_show(run, op, mount_fd, true, 0755);
}

/* What is asked for by its use, and not by its place, was hardly meant to be covered. */
static void warn_of_hidden_names(const struct run *run, const struct op *op)
{
	bool is_told = run->plan->verbose || run->plan->rehearses;
	const char *hidden = is_told ? NULL : plan_op_hidden(run->plan, op);
	if (hidden)
		say_warning("%s: %s", position_text(op->position), hidden);
}

static void build_private_file(struct run *run, const struct op *op, struct pin *pin)
{
	if (op->kind == OP_HOSTS)
		etc_write_hosts(run, op, &pin->file_fd);
	if (op->kind == OP_HOSTS || op->kind == OP_RESOLV_CONF)
		warn_of_hidden_names(run, op);
	destination_show(run, op, pin->mount_fd, false, 0444);
}

/* Skipped: it is the root already. */
static void build_overlay(struct run *run, size_t i)
{
	const struct op *op = &run->plan->root.ops[i];
	const struct pin *pin = &run->mounts->pins[i];
	if (!pin->skipped)
		destination_show(run, op, pin->mount_fd, true, 0755);
	overlay_attach_parts(run, op, pin->parts);
}

static void build_mask(struct run *run, const struct op *op)
{
	mask_paths_note_mounts(run, op);
	if (op->pattern)
		glob_mask(run, op);
	else
		mask_one(run, op, op->inner_path);
}

/* --verbose. */
static void tell_op(const struct run *run, const struct op *op, bool is_missing)
{
	run_tell(run, "%s: %s%s", position_text(op->position), plan_op_text(op, &run->shape),
		 is_missing ? " (it does not)" : "");
	const char *risk = run->plan->verbose && !is_missing
				   ? plan_op_risk(run->plan, op, destination_missing_ops(run),
						  run->shape.userns_disabled)
				   : NULL;
	const char *mistake = run->plan->verbose ? plan_op_mistake(run->plan, op) : NULL;
	if (risk)
		say_note("%s: %s", position_text(op->position), risk);
	if (mistake)
		say_note("%s: %s", position_text(op->position), mistake);
}

/* False: nothing is to be built. */
static bool begin_op(struct run *run, size_t i)
{
	const struct op *op = &run->plan->root.ops[i];
	const struct pin *pin = &run->mounts->pins[i];
	tell_op(run, op, pin->skipped && !pin->is_root);
	if (!pin->skipped)
		scratch_take_back(run, i);
	return !pin->skipped || op->kind == OP_OVERLAY;
}

static void build_op(struct run *run, size_t i)
{
	const struct op *op = &run->plan->root.ops[i];
	struct pin *pin = &run->mounts->pins[i];
	switch (op->kind) {
	case OP_BIND:
		destination_show(run, op, pin->mount_fd, pin->is_directory,
				 pin->is_directory ? 0755 : 0444);
		return;
	case OP_BIND_INNER:
		build_bind_inner(run, op);
		return;
	case OP_OVERLAY:
		build_overlay(run, i);
		return;
	case OP_REMOUNT_RO:
		build_remount_ro(run, op);
		return;
	case OP_TMPFS:
		build_tmpfs(run, op, pin);
		return;
	case OP_PROC:
	case OP_PROC_PID:
	case OP_PROC_TRY:
		proc_build(run, op, pin);
		return;
	case OP_DEV:
		dev_build(run, op, pin);
		return;
	case OP_SYS:
	case OP_CGROUP2:
	case OP_MQUEUE:
		kernel_fs_build(run, op, pin);
		return;
	case OP_DIR:
		build_directory(run, op);
		return;
	case OP_FILE:
		build_file(run, op);
		return;
	case OP_DATA:
	case OP_SOCKET:
	case OP_RESOLV_CONF:
	case OP_HOSTS:
		build_private_file(run, op, pin);
		return;
	case OP_SYMLINK:
		build_symlink(run, op);
		return;
	case OP_CHMOD:
		build_chmod(run, op);
		return;
	case OP_MASK:
	case OP_PROTECT:
		build_mask(run, op);
		return;
	}
}

void build_root(struct run *run)
{
	destination_set_guard(run);
	for (size_t i = 0; i < run->plan->root.n_ops; i++)
		if (begin_op(run, i))
			build_op(run, i);
	destination_forget_directory(run);
	level_close(run);
	mask_check(run);
	overlay_cover_mounted(run);
	scratch_leave(run);
	if (run->plan->verbose)
		etc_tell_resolver(run);
	if (run->host->terminal.replaced)
		devpts_make_hidden(run);
}
