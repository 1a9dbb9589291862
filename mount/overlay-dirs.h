/* overlay-dirs.h - the directories that one overlay is made of. */
#ifndef MOUNT_OVERLAY_DIRS_H
#define MOUNT_OVERLAY_DIRS_H

#include "run/run.h"

/* One overlay being made. */
struct merge {
	struct run *run;
	const struct op *op;
	const struct overlay *overlay;
	int *layers; /* top first */
	size_t n_layers;
	bool has_tmpfs;        /* for what is written, where RWSRC is not given */
	int upper_fd, work_fd; /* -1 where the tmpfs holds them, which needs no descriptor */
	bool user_xattrs;
	bool takes_paths_only; /* the kernel: a directory is given to it by its name */
	bool upper_refused;    /* by the kernel, as a file system that it cannot write to */
	unsigned n_parts;
};
/* The tmpfs. Kernels up to 6.12 want upper and work directory attached: on top of /, where no look-up from
 * our root meets it but that of "/..", until the overlay exists. */
#define TMPFS_PATH  "/.."
#define TMPFS_UPPER "/../upper"
#define TMPFS_WORK  "/../work"

/* Opens each layer once. */
void overlay_open_layers(struct merge *merge);
/* Opens RWSRC and WORKDIR, or makes the tmpfs, and looks for what cannot be right about them. */
void overlay_prepare_upper(struct merge *merge);
void overlay_detach_tmpfs(const struct merge *merge);
/* Anew; -1 and errno. */
int overlay_open_upper(const struct merge *merge);
int overlay_open_work(const struct merge *merge);
/* Dies where two of the directories are, or one holds, the other. The kernel refuses that;
 * fuse-overlayfs shows a directory that it meets twice in one place only. */
void overlay_refuse_overlap(const struct merge *merge);
/* What is forbidden on the mount of one of the directories (-1: none), and so on the overlay. */
unsigned overlay_kept_attributes(const struct merge *merge, const int *fds, size_t n);
/* Its path or number, as it was given; arena memory. */
const char *overlay_layer_text(const struct layer *layer);

#endif
