/* root.c - / and the root of a mount namespace, which may be two: something may cover the one, and in a chroot
 * we stand elsewhere.
 */
#include "sys/root.h"

#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <sched.h>

/* Whether / is the topmost mount on the root of its namespace, which is the only one that is its own
 * parent. False where that cannot be told (before Linux 6.8). */
static bool is_on_namespace_root(void)
{
	struct kernel_statx status;
	struct kernel_mount ours, below;
	return sys_statx(AT_FDCWD, "/", AT_NO_AUTOMOUNT, STATX_MNT_ID_UNIQUE, &status) == 0 &&
	       status.stx_mask & STATX_MNT_ID_UNIQUE &&
	       status.stx_attributes & STATX_ATTR_MOUNT_ROOT &&
	       sys_statmount(status.stx_mnt_id, KERNEL_MOUNT_BASIC, &ours) == 0 &&
	       sys_statmount(ours.parent_id, KERNEL_MOUNT_BASIC, &below) == 0 &&
	       below.parent_id == below.mount_id;
}

void root_stand_on(int proc_fd)
{
	AUTO_CLOSE int fd = openat(proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	/* setns(2) takes CAP_SYS_CHROOT, without which some start us as root; it is not needed where we
	 * stand there already. */
	bool joined = fd >= 0 && setns(fd, CLONE_NEWNS) == 0;
	if (!joined && !(errno == EPERM && is_on_namespace_root()))
		die("Can't find the root of the mount namespace: %s%s", errno_text(errno),
		    errno == EPERM ? "; it takes CAP_SYS_CHROOT, or --unshare-user" : "");
}

/* A copy of a mount namespace has mounts of its own, and the ids of mounts that exist at the same
 * time differ: statx(2). */
uint64_t root_mount_id(void)
{
	struct kernel_statx status;
	if (sys_statx(AT_FDCWD, "/", AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't look at /");
	return status.stx_mnt_id;
}

bool root_is_in_chroot(void)
{
	struct kernel_statx status;
	return sys_statx(AT_FDCWD, "/", AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) == 0 &&
	       status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT &&
	       !(status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* "/.." crosses what covers the root, "/" does not. */
uint64_t root_topmost_mount_id(void)
{
	struct kernel_statx status;
	if (sys_statx(AT_FDCWD, "/..", AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't verify the new root");
	return status.stx_mnt_id;
}
