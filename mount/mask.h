/* mask.h - --mask and --protect in the new root. */
#ifndef MOUNT_MASK_H
#define MOUNT_MASK_H

#include "run/run.h"
#include "sys/kernel.h"

struct mask_place; /* mask-state.h */

/* Before the first source is pinned: where the line has such operations, what they need. */
void mask_prepare(struct run *run);
/* What it does, in words. */
const char *mask_verb(const struct op *op);
/* Whether COMMAND, whose groups are ours, could make something in that directory if its mount can be written to. */
bool mask_can_make_in(const struct run *run, int fd);
/* Whether it could make what is missing there. */
bool mask_can_make(const struct run *run, const struct mask_place *place);
/* Whether COMMAND gets no mount namespace without the mounts, in which what they lie on can be renamed and removed; or is
 * not to be kept from it. */
bool mask_mounts_stay(const struct run *run);
/* Whether none but masks and protections come after it. */
bool mask_is_last(const struct run *run, const struct op *op);
/* Hides or protects what is at one path inside, as `op` says, whose own path that need not be. */
void mask_one(struct run *run, const struct op *op, const char *path);
/* What is at a path by now, O_PATH; -1: there is nothing. */
int mask_look(const struct run *run, const char *path, int flags, struct kernel_statx *ret);
bool mask_is_read_only(int fd);

#endif
