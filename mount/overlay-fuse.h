/* overlay-fuse.h - layers merged by fuse-overlayfs. */
#ifndef MOUNT_OVERLAY_FUSE_H
#define MOUNT_OVERLAY_FUSE_H

#include "run/run.h"

/* A detached mount, and the upper and the work directory in it; all -1: nothing can be written. */
struct overlay_writable {
	int mount_fd, upper_fd, work_fd;
};
/* A detached FUSE mount that nobody serves yet, with these MOUNT_ATTR_* beside nosuid and nodev, for
 * fuse-overlayfs, if that is installed. -1 and a sentence. */
int overlay_make_fuse_mount(const struct run *run, unsigned attributes, int *ret_device_fd,
			    const char **ret_why);
/* Has fuse-overlayfs serve it; `layers` top first. Closes *device_fd and what is in `writable`. False and a
 * sentence. */
bool overlay_serve_fuse(struct run *run, const struct op *op, const int *layers, size_t n_layers,
			int mount_fd, int *device_fd, struct overlay_writable *writable,
			bool squash, const char **ret_why);
/* What its process does; process/helpers.c starts it. It is told its job by `socket` and keeps no more than these
 * capabilities. */
_Noreturn void overlay_be_fuse_overlayfs(const struct run *run, int socket, uint64_t capabilities);

#endif
