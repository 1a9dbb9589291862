/* kernel-fs.c - --sys, --cgroup2, --mqueue: what the kernel shows of the sandbox's namespaces.
 *
 * A sysfs is read-only always. What is in it belongs to the host's root, who may be the sandbox's as well; and where
 * COMMAND has capabilities, one that could be written to would let it mount another such (mnt_already_visible()).
 * Control groups are, unless they are the sandbox's own: by cgroup.kill COMMAND would end whoever else is in them.
 */
#include "mount/kernel-fs.h"

#include "mount/destination.h"
#include "mount/fs.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>

static const char *type_of(const struct op *op)
{
	return op->kind == OP_SYS ? "sysfs" : op->kind == OP_CGROUP2 ? "cgroup2" : "mqueue";
}

static const char *cause_of(const struct op *op, int error)
{
	if (error == ENODEV)
		return "; this kernel has none";
	if (error != EPERM)
		return diagnose_mount_api(error);
	return op->kind == OP_SYS
		       ? "; parts of the /sys that is visible here are covered, as in a container, or there is none, and then the kernel allows no new one"
	       : op->kind == OP_CGROUP2
		       ? "; the cgroup namespace has to be this user namespace's own (--unshare-cgroup)"
		       : "; message queues need --unshare-ipc, or --ipcns together with the --userns that owns it";
}

static int make(const struct op *op, bool read_only)
{
	unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			 (read_only ? MOUNT_ATTR_RDONLY : 0) | op->mount_flags;
	int fd = fs_try_make(type_of(op), flags, (const char *[]){ NULL });
	if (fd < 0)
		die_because(errno, "%s: Can't mount %s on %s: %s%s", position_text(op->position),
			    type_of(op), failing_path(op->inner_path), errno_text(errno),
			    cause_of(op, errno));
	return fd;
}

void kernel_fs_pin(const struct op *op, struct pin *pin)
{
	pin->mount_fd = make(op, true);
	pin->is_directory = true;
}

void kernel_fs_build(struct run *run, const struct op *op, struct pin *pin)
{
	bool is_top = run->owns_group && run->plan->ns.cgroupns.fd < 0;
	bool read_only = op->kind == OP_CGROUP2 && !is_top;
	destination_show(run, op, op->kind == OP_SYS ? pin->mount_fd : make(op, read_only), true,
			 0755);
}
