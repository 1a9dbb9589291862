/* proc.c - --proc, --proc-pid, --proc-try: a procfs that lets nobody harm the host.
 *
 * Must not: leave root a kernel control that it can write to.
 */
#include "mount/proc.h"

#include "bind-mount.h"
#include "mount/destination.h"
#include "mount/fs.h"
#include "mount/pivot.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int try_make(const struct op *op, enum proc_form form)
{
	const char *const options[] = { form == PROC_PROCESSES ? "subset" : NULL, "pid", NULL };
	int fd = fs_try_make(
		"proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | op->mount_flags,
		options);
	struct stat status;
	if (fd >= 0 && form == PROC_PROCESSES && fstatat(fd, "sys", &status, 0) == 0)
		die("%s: %s: the kernel has made a whole one", position_text(op->position),
		    fs_no_proc_text(op));
	return fd;
}

static _Noreturn void die_without(const struct run *run, const struct op *op, int error)
{
	AUTO_CLOSE int processes =
		op->kind == OP_PROC && error == EPERM ? try_make(op, PROC_PROCESSES) : -1;
	die_because(error, "%s: %s: %s%s", position_text(op->position), fs_no_proc_text(op),
		    errno_text(error), diagnose_proc_mount(run, op, processes >= 0, error));
}

static int pin_visible(const struct run *run, const struct op *op)
{
	struct op host_proc = *op;
	host_proc.outer_path = "/proc";
	return bind_pin(run, &host_proc);
}

/* What is not permitted, by the kernel or by what is around us, may be so in a lesser form. The visible one tells of
 * the processes of another pid namespace than a new or joined one. */
static int pin_what_there_can_be(const struct run *run, const struct op *op,
				 enum proc_form *ret_form)
{
	int fd = -1, errors[PROC_VISIBLE];
	enum proc_form form = PROC_WHOLE;
	for (; fd < 0 && form < PROC_VISIBLE; form++) {
		fd = try_make(op, form);
		errors[form] = errno;
		if (fd >= 0)
			break;
		if (errno != EPERM && errno != EACCES)
			die_without(run, op, errno);
	}
	if (form == PROC_VISIBLE && run->shape.new_proc)
		die_without(run, op, errors[PROC_PROCESSES]);
	if (form > PROC_WHOLE)
		say_warning("%s: No whole procfs can be made: %s; one of the processes alone is %s",
			    position_text(op->position), errno_text(errors[PROC_WHOLE]),
			    form == PROC_PROCESSES ? "shown" : "tried");
	if (form > PROC_PROCESSES)
		say_warning(
			"%s: No procfs of the processes alone can be made: %s; the host's /proc is shown",
			position_text(op->position), errno_text(errors[PROC_PROCESSES]));
	*ret_form = form;
	return fd >= 0 ? fd : pin_visible(run, op);
}

void proc_pin(const struct run *run, const struct op *op, struct pin *pin)
{
	pin->is_directory = true;
	if (op->kind == OP_PROC_TRY) {
		pin->mount_fd = pin_what_there_can_be(run, op, &pin->proc_form);
		return;
	}
	pin->proc_form = op->kind == OP_PROC_PID ? PROC_PROCESSES
			 : run->shape.new_proc   ? PROC_WHOLE
						 : PROC_VISIBLE;
	pin->mount_fd = pin->proc_form == PROC_VISIBLE ? pin_visible(run, op)
						       : try_make(op, pin->proc_form);
	if (pin->mount_fd < 0)
		die_without(run, op, errno);
}

enum proc_form proc_stepped_down_to(const struct run *run, size_t op)
{
	return run->plan->root.ops[op].kind == OP_PROC_TRY ? run->mounts->pins[op].proc_form
							   : PROC_WHOLE;
}

/* A caller may have given that number to somebody. */
static bool is_overflow_uid_mapped(const struct run *run)
{
	const char *map = procfile_read_lines(run->host->proc_fd, "self/uid_map");
	if (!map)
		die_errno(errno, "Can't read /proc/self/uid_map");
	unsigned inner, outer, count;
	int used;
	for (; sscanf(map, "%u %u %u%n", &inner, &outer, &count, &used) == 3; map += used)
		if (inner <= OVERFLOW_UID && OVERFLOW_UID - inner < count)
			return true;
	return false;
}

/* The files below belong to the host's uid 0. Where that has no number in the sandbox's user
 * namespace, no capability in there reaches them (capable_wrt_inode_uidgid()), and nothing needs to
 * be covered. */
static bool is_out_of_reach(const struct run *run, const struct op *op, int proc_fd)
{
	struct stat status;
	if (fstatat(proc_fd, "sys", &status, 0) == 0)
		return status.st_uid == OVERFLOW_UID && !is_overflow_uid_mapped(run);
	if (errno != ENOENT) /* that is one of the processes alone */
		die_errno(errno, "%s: Can't look at %s/sys", position_text(op->position),
			  failing_path(op->inner_path));
	return false;
}

static void cover_root(const struct op *op)
{
	AUTO_CLOSE int tmpfs_fd = fs_make_tmpfs(op->position, 0700);
	pivot_attach(tmpfs_fd);
}

/* In a user namespace the kernel makes a procfs only where a whole one can be found, and no less
 * read-only than that (mnt_already_visible()); one in which something is covered does not count. So
 * that a sandbox in the sandbox can have one, a whole read-only one lies below what covers `name`,
 * where no path leads: in a tmpfs that has covered / meanwhile, which takes no descriptor. */
static void leave_whole_proc(const struct op *op, int proc_fd, const char *name)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
				   .propagation = MS_PRIVATE };
	AUTO_CLOSE int whole =
		sys_open_tree(proc_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	/* Where something in it is covered for good by who made the namespace around, it is not whole. */
	if (whole < 0 && errno == EINVAL && sys_umount2("/..", MNT_DETACH) == 0)
		return;
	if (whole < 0 || sys_mount_setattr(whole, "", AT_EMPTY_PATH, &attr) < 0 ||
	    mkdir("/../proc", 0) < 0 ||
	    sys_move_mount(whole, "", AT_FDCWD, "/../proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    sys_move_mount(AT_FDCWD, "/..", proc_fd, name, 0) < 0)
		die_errno(errno, "%s: Can't leave a whole procfs for sandboxes inside",
			  position_text(op->position));
}

/* What a writable procfs lets root do to the host: core_pattern, sysrq, interrupts, hardware. Each
 * is covered by a read-only view of itself. access(2) says nothing of directories: /proc/sys
 * refuses to be written itself, not what is below it (proc_sys_permission()). */
static void protect_proc(const struct run *run, const struct op *op, int proc_fd)
{
	static const char *const names[] = {
		"sys",  "sysrq-trigger", "irq",   "bus",         "fs",
		"acpi", "scsi",          "kcore", "kpagecgroup", "mtrr"
	};
	if (is_out_of_reach(run, op, proc_fd))
		return;
	/* Before the view that will lie on it: who reads the list of mounts takes the last one at a place for the
	 * one on top. */
	if (faccessat(proc_fd, names[0], F_OK, 0) == 0)
		cover_root(op);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						       MOUNT_ATTR_NODEV,
					   .propagation = MS_PRIVATE };
		AUTO_CLOSE int view = sys_open_tree(
			proc_fd, names[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (view < 0 && errno == ENOENT)
			continue;
		if (view >= 0 && i == 0)
			leave_whole_proc(op, proc_fd, names[i]);
		if (view < 0 ||
		    sys_mount_setattr(view, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
		    sys_move_mount(view, "", proc_fd, names[i], MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't make %s/%s read-only",
				  position_text(op->position), failing_path(op->inner_path),
				  names[i]);
	}
}

void proc_build(struct run *run, const struct op *op, struct pin *pin)
{
	if (!destination_attach(run, op, pin->mount_fd, true, 0755))
		die("%s: %s: the root cannot be a procfs", position_text(op->position),
		    fs_no_proc_text(op));
	destination_forget_directory(run); /* what protects it takes three descriptors */
	protect_proc(run, op, pin->mount_fd);
	close_fd(&pin->mount_fd);
}
