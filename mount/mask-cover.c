/* mask-cover.c - what is mounted over what is hidden or pinned: empty, read-only, and of the same type.
 *
 * One of a kind for all masks and pins, in the scratch tmpfs: a directory, a file, or a socket at which nobody listens,
 * which can be neither opened (ENXIO) nor connected to (ECONNREFUSED). Nothing is ever mounted below it, so that a
 * clone of it costs the same however many there are: the kernel looks at all that is mounted on what is cloned.
 */
#include "mount/mask-cover.h"

#include "bind-mount.h"
#include "mount/mask-state.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>

struct mask_object mask_object_of(const struct kernel_statx *status)
{
	return (struct mask_object){ .ino = status->stx_ino,
				     .device = (uint64_t) status->stx_dev_major << 32 |
					       status->stx_dev_minor };
}

_Noreturn void mask_cover_die(const struct op *op)
{
	die_because(errno, "%s: Can't make what covers %s: %s%s", position_text(op->position),
		    op->inner_path, errno_text(errno), diagnose_mount_api(errno));
}

/* Mounted on itself with its flags, which clones of it then have. */
static struct mask_object make_cover(const struct op *op, int at, const char *name, int kind)
{
	struct kernel_statx status;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
				   .propagation = MS_PRIVATE };
	int made = kind == 0   ? mkdirat(at, name, 0555)
		   : kind == 1 ? mknodat(at, name, S_IFREG | 0444, 0)
			       : mknodat(at, name, S_IFSOCK | 0666, 0);
	AUTO_CLOSE int mount_fd =
		made < 0 ? -1 : sys_open_tree(at, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount_fd < 0 || sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attr) < 0 ||
	    sys_statx(mount_fd, "", AT_EMPTY_PATH, STATX_INO, &status) < 0)
		mask_cover_die(op);
	bind_attach(op, mount_fd, at, name);
	return mask_object_of(&status);
}

int mask_cover_clone(struct run *run, const struct op *op, mode_t type,
		     struct mask_object *ret_object)
{
	static const char *const names[] = { "directory", "file", "socket" };
	int at = run->mounts->scratch.fd, i = S_ISDIR(type) ? 0 : S_ISREG(type) ? 1 : 2;
	struct mask_object *cover = &run->mounts->masks->covers[i];
	if (!cover->ino)
		*cover = make_cover(op, at, names[i], i);
	*ret_object = *cover;
	int clone = sys_open_tree(at, names[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (clone < 0)
		mask_cover_die(op);
	return clone;
}

bool mask_cover_is_one(const struct run *run, struct mask_object object)
{
	const struct mask_object *covers = run->mounts->masks->covers;
	for (size_t i = 0; i < ARRAY_SIZE(run->mounts->masks->covers); i++)
		if (mask_is_same(covers[i], object))
			return true;
	return false;
}

bool mask_cover_is_of(const struct run *run, uint64_t device)
{
	const struct mask_object *covers = run->mounts->masks->covers;
	for (size_t i = 0; i < ARRAY_SIZE(run->mounts->masks->covers); i++)
		if (covers[i].ino && covers[i].device == device)
			return true;
	return false;
}
