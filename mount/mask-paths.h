/* mask-paths.h - whether what is masked or protected can be had at a second path. */
#ifndef MOUNT_MASK_PATHS_H
#define MOUNT_MASK_PATHS_H

#include "run/run.h"

/* While the host can be seen, where something is masked: takes note of its mounts, if this is a rehearsal, which makes
 * all read-only. */
void mask_paths_prepare(const struct run *run);
/* The same: takes note of where the layers of an overlay are. */
void mask_paths_note_layers(const struct run *run, const struct op *op);
/* Before one of a mask or protection: takes note of all mounts, once none is to come that could show anything. */
void mask_paths_note_mounts(const struct run *run, const struct op *op);
/* Once all operations are done: dies of the first one that shows, or lets COMMAND change, what it must not. */
void mask_paths_check(struct run *run);

#endif
