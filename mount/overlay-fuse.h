/* overlay-fuse.h - fuse-overlayfs, and the process that lists changes. */
#ifndef MOUNT_OVERLAY_FUSE_H
#define MOUNT_OVERLAY_FUSE_H

#include "mount/overlay-changes.h"
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
/* In setup: something is about to be mounted on dest_fd, which is on the mount of this id. Where that is
 * a FUSE mount of ours, remembers to cover the place in the layers, else warns where it is FUSE. */
void overlay_note_mount(const struct run *run, const struct op *op, int dest_fd, uint64_t mount_id);
/* Covers those places, before COMMAND starts. */
void overlay_cover_mounted(void);
/* Starts the process that will list the changes. */
void overlay_watch_changes(struct run *run, const struct op *op, enum overlay_marks marks,
			   const int *layers, size_t n_layers, int upper_fd);
/* What the helpers do; process/helpers.c starts them. Each is told its job by `socket` and keeps no more than
 * these capabilities. The lister waits for a byte on word_fd, and lists what was changed. */
_Noreturn void overlay_be_fuse_overlayfs(const struct run *run, int socket, uint64_t capabilities);
_Noreturn void overlay_be_change_lister(const struct run *run, int socket, int word_fd,
					uint64_t capabilities);

#endif
