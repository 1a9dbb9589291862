/* overlay-changes.h - what was changed in an overlay, as JSON lines. */
#ifndef MOUNT_OVERLAY_CHANGES_H
#define MOUNT_OVERLAY_CHANGES_H

#include "mount/overlay-marks.h"
#include "plan/plan.h"

/* Both die when something cannot be read or written. */
struct changes_walk;
/* Before COMMAND starts: remembers what the overlay's top is like; arena memory. */
struct changes_walk *overlay_changes_begin(const struct op *op, enum overlay_marks marks,
					   int upper_fd);
/* Once: writes one JSON line for each path below `inner_path` that the upper directory holds or hides,
 * and a last one that says that these are all. `lowers` are the layers, top first. */
void overlay_changes_write(struct changes_walk *walk, int upper_fd, const int *lowers,
			   size_t n_lowers);

#endif
