/* mask-cover.h - what is mounted over what is hidden or pinned: empty, read-only, and of the same type. */
#ifndef MOUNT_MASK_COVER_H
#define MOUNT_MASK_COVER_H

#include "run/run.h"
#include "sys/kernel.h"

/* What tells objects apart; ino 0: none. */
struct mask_object {
	uint64_t ino, device;
};

/* Which one that is; it was asked for STATX_INO. */
struct mask_object mask_object_of(const struct kernel_statx *status);
static inline bool mask_is_same(struct mask_object a, struct mask_object b)
{
	return a.ino == b.ino && a.device == b.device;
}
/* A detached mount to cover a directory, a file (a link, too), or else a socket, a fifo or a device. */
int mask_cover_clone(struct run *run, const struct op *op, mode_t type,
		     struct mask_object *ret_object);
/* Whether the object is one of these. */
bool mask_cover_is_one(const struct run *run, struct mask_object object);
/* Whether they are on that file system. */
bool mask_cover_is_of(const struct run *run, uint64_t device);
_Noreturn void mask_cover_die(const struct op *op);

#endif
