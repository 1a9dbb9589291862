/* overlay-cover.h - what must not be reached through the layers of fuse-overlayfs. */
#ifndef MOUNT_OVERLAY_COVER_H
#define MOUNT_OVERLAY_COVER_H

#include "mount/overlay-job.h"

/* In the helper: covers what is no stored data, with files in covers_fd. There it would read its own
 * /proc/self. */
void overlay_cover_interfaces(const struct run *run, const int *layers, size_t n_layers,
			      int covers_fd);
/* In setup: takes note of a FUSE mount. Takes the layers of `job` over, its upper directory and ns_fd, the
 * helper's mount namespace. */
void overlay_note_served(const struct run *run, const struct overlay_job *job, int mount_fd,
			 int ns_fd);
/* In setup: something is about to be mounted on dest_fd, which is on the mount of this id. Where that is
 * a FUSE mount of ours, remembers to cover the place in the layers, else warns where it is FUSE. */
void overlay_note_mount(const struct run *run, const struct op *op, int dest_fd, uint64_t mount_id);
/* Whether that is a FUSE mount of ours. */
bool overlay_serves(const struct run *run, uint64_t mount_id);
/* Covers those places, before COMMAND starts. */
void overlay_cover_mounted(const struct run *run);

#endif
