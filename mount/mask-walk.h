/* mask-walk.h - what a path inside leads to, step by step, and the steps pinned. */
#ifndef MOUNT_MASK_WALK_H
#define MOUNT_MASK_WALK_H

#include "mount/mask-state.h"

/* Follows links inside the new root. What is passed and lies on a writable mount is pinned, if so wanted: it cannot
 * be renamed or removed any more. Dies of what is no promise that could not be kept, but a mistake. */
void mask_walk(struct run *run, const struct op *op, const char *path, bool pins,
	       struct mask_place *ret);
/* `real`, as struct mask_place has it, was covered: no walk goes on from what is there. */
void mask_walk_note_covered(const struct run *run, const char *real);
/* Nothing is as it was: mounts may be read-only now. Closes what was left open for walks. */
void mask_walk_forget(const struct run *run);

/* What it hides or protects; NULL: nothing. */
const struct masked *mask_of_mount(const struct run *run, uint64_t mount_id);
/* Whether that mount is a protection's, and so the same tree once more. */
bool mask_shows_what_was_there(const struct run *run, uint64_t mount_id);

#endif
