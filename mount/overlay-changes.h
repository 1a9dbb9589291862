/* overlay-changes.h - what was changed in an overlay, as JSON lines. */
#ifndef MOUNT_OVERLAY_CHANGES_H
#define MOUNT_OVERLAY_CHANGES_H

#include "mount/overlay-marks.h"
#include "run/run.h"

/* In setup: starts the process that will list the changes. `layers` top first. */
void overlay_watch_changes(struct run *run, const struct op *op, enum overlay_marks marks,
			   const int *layers, size_t n_layers, int upper_fd);
/* What that does; process/helpers.c starts it. It is told its job by `socket`, keeps no more than these
 * capabilities, waits for a byte on word_fd, and writes one JSON line for each path that the upper directory
 * holds or hides, and a last one that says that these are all. */
_Noreturn void overlay_be_change_lister(const struct run *run, int socket, int word_fd,
					uint64_t capabilities);

#endif
