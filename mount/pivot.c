/* pivot.c - moving into a root, and knowing that the old one is gone.
 *
 * Must not: go on where anything of the old root is left.
 */
#include "mount/pivot.h"

#include "run/causes.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>

void pivot_attach(int mount_fd)
{
	if (sys_move_mount(mount_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_because(errno, "Can't attach the new root: %s%s", errno_text(errno),
			    diagnose_mount_api(errno));
}

_Noreturn void pivot_die(int error)
{
	die_because(error, "Can't move into the new root: %s%s", errno_text(error),
		    error == EINVAL ? cause_text(CAUSE_INITRAMFS, NULL)
				    : diagnose_mount_api(error));
}

_Noreturn void pivot_die_of_old_root(int error)
{
	die_because(error, "Can't detach the old root: %s%s", errno_text(error),
		    diagnose_mount_api(error));
}

void pivot_learn_root(struct root *root)
{
	struct kernel_statx status;
	if (sys_statx(root->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't look at the new root");
	root->mount_id = status.stx_mnt_id;
}

void pivot_verify_topmost(uint64_t mount_id)
{
	if (root_topmost_mount_id() != mount_id)
		die("The old root is still there after it was detached; nothing was run");
}

void pivot_into(struct run *run)
{
	if (fchdir(run->root.fd) < 0 || sys_pivot_root(".", ".") < 0)
		pivot_die(errno);
	pivot_learn_root(&run->root);
	/* pivot_root(2): with "." for both, the old root is stacked on the new one. */
	if (sys_umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		pivot_die_of_old_root(errno);
	pivot_verify_topmost(run->root.mount_id);
}

void pivot_stay(struct run *run)
{
	pivot_learn_root(&run->root);
	if (chdir("/") < 0)
		die_errno(errno, "Can't go to the new root");
	pivot_verify_topmost(run->root.mount_id);
}
