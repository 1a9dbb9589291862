/* overlay-changes.h - what was changed in an overlay, as JSON lines. */
#ifndef MOUNT_OVERLAY_CHANGES_H
#define MOUNT_OVERLAY_CHANGES_H

#include "plan/plan.h"

/* Who notes what was removed or renamed, and so in which words: the kernel's overlay in trusted.* or
 * (userxattr) user.* attributes, or fuse-overlayfs. */
enum overlay_marks { MARKS_TRUSTED, MARKS_USER, MARKS_FUSE };
/* Before COMMAND starts: remembers what the overlay's top is like. */
void overlay_changes_begin(const struct op *op, enum overlay_marks marks, int upper_fd);
/* Writes one JSON line for each path below `inner_path` that the upper directory holds or hides, and a
 * last one that says that these are all. `lowers` are the layers, top first. Dies when something
 * cannot be read or written. */
void overlay_changes_write(const struct op *op, enum overlay_marks marks, int upper_fd,
			   const int *lowers, size_t n_lowers);

#endif
