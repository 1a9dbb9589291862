/* mask-pins.h - what keeps a directory or link from being renamed and removed. */
#ifndef MOUNT_MASK_PINS_H
#define MOUNT_MASK_PINS_H

#include "mount/mask-state.h"

/* A mount on the way. */
struct mask_mount {
	uint64_t id;
	const char *top; /* the way to it */
	const struct op *tree;
	bool is_known, is_read_only, is_fuse, is_procfs, is_autofs,
		is_kept; /* the last: it is protected */
};

_Noreturn void mask_die_changed(const struct op *op, const char *path);
/* Whether it cannot be renamed or removed, by whatever path. */
bool mask_is_pinned(const struct run *run, struct mask_object object);
/* Pins what was found `below` the top of a mount, if it is not pinned yet. */
void mask_pin(struct run *run, const struct op *op, const struct mask_mount *mount,
	      const char *below, const struct kernel_statx *found);
/* A read-only and private clone, detached, of what is at a place, where that is no directory and lies in the one that was
 * pinned last; -1: it has to be cloned as it is there. */
int mask_pins_clone(const struct run *run, const struct mask_place *place);
/* No more pins: closes what was left open for them. */
void mask_pins_close(const struct run *run);

#endif
