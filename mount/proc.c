/* proc.c - --proc: a procfs that lets nobody harm the host.
 *
 * Must not: leave root a kernel control that it can write to.
 */
#include "mount/proc.h"

#include "mount/destination.h"
#include "mount/fs.h"
#include "mount/pivot.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

int proc_make(const struct op *op)
{
	int fd = fs_try_make("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			     (const char *[]){ NULL });
	if (fd < 0)
		die("%s: %s: %s%s", position_text(op->position), fs_no_proc_text(op),
		    errno_text(errno), diagnose_proc_mount(errno));
	return fd;
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
	if (fstatat(proc_fd, "sys", &status, 0) < 0)
		die_errno(errno, "%s: Can't look at %s/sys", position_text(op->position),
			  op->inner_path);
	return status.st_uid == OVERFLOW_UID && !is_overflow_uid_mapped(run);
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
	AUTO_CLOSE int tmpfs_fd = fs_make_tmpfs(op->position, 0700);
	pivot_attach(tmpfs_fd);
	close_fd(&tmpfs_fd);
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
				  position_text(op->position), op->inner_path, names[i]);
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
