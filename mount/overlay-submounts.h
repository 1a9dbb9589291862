/* overlay-submounts.h - the mounts below an overlay's layers. */
#ifndef MOUNT_OVERLAY_SUBMOUNTS_H
#define MOUNT_OVERLAY_SUBMOUNTS_H

#include "mount/overlay-dirs.h"

/* A mount below a directory, as /proc/self/mountinfo tells it. */
struct submount {
	int dir_fd;
	const char *path; /* relative to the directory */
	const char *type;
	bool can_be_layer; /* no procfs and its like, whose files mean something else to each reader */
};
/* The mounts below the directories that can be seen, parents first, sorted by path; arena memory. */
struct submount *overlay_find_submounts(const struct run *run, const int *dir_fds, size_t n_dirs,
					size_t *ret_n);
/* The type of the mount of this id, arena memory; "" where it is not found. */
const char *overlay_type_of_mount(const struct run *run, uint64_t mount_id);

struct overlay_part; /* a mount that belongs on a submount of an overlay's layers */
/* The mounts that belong on the layers' submounts, parents first. Where not `by_kernel`, what can be a layer
 * is one already. */
struct overlay_part *overlay_make_parts(struct merge *merge, int main_fd, bool by_kernel);
/* Attaches the parts below the overlay, which is attached at its destination. */
void overlay_attach_parts(const struct run *run, const struct op *op, struct overlay_part *parts);

#endif
