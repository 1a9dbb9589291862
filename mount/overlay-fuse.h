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
/* All overlays are pinned: the supervisor, if it waits for that, drops what it kept to start
 * helpers. */
void overlay_pinned(const struct run *run);
/* The supervisor's side: starts what `socket` asks for and takes `socket` over. `child` is in the
 * sandbox's user namespace. */
void overlay_start_helper(struct run *run, pid_t child, int socket, bool reads_changes);
/* Those that the supervisor has to keep open; arena memory. */
int *overlay_helper_fds(size_t *ret_n);
/* After everything in the sandbox has ended: waits for fuse-overlayfs to have written everything. It
 * may be still there afterwards. wait() waits for a while for a child's end; false: there is no more
 * time. */
void overlay_wait_for_fuse(bool (*wait)(void));
/* Then: has the changes listed. False when a list is not whole; then somebody has said why. */
bool overlay_list_changes(bool (*wait)(void));
/* Whether pid is a helper, which ends by itself. */
bool overlay_is_helper(pid_t pid);
/* A child's status was taken: if it is a helper, its number names it no longer. */
void overlay_note_end(pid_t pid, int status);
/* Without a pid namespace COMMAND can stop a helper, and who waits for an answer of
 * fuse-overlayfs's cannot be killed: the helpers go on; `kill`: fuse-overlayfs ends, which answers
 * all. */
void overlay_urge_helpers(bool kill);

#endif
