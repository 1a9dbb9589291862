/* level.h - a directory on a read-only mount, shown by a tmpfs of ours in which more can be made. */
#ifndef MOUNT_LEVEL_H
#define MOUNT_LEVEL_H

#include "run/run.h"

/* Covers the directory that dir_fd refers to, `path` by the words of the operation, with a tmpfs that shows all that is
 * in it, and can be written to until level_close(). ret_in_reach: the guard's level_in_reach. Where it is the root
 * of the new root, that is entered anew. False: it cannot be had, and run->mounts->level.why_not says why. */
bool level_make(struct run *run, const struct op *op, int dir_fd, const char *path,
		bool *ret_in_reach);
/* The same for a directory that lies on a tmpfs of ours, a level or not: that alone can be written to once more. */
bool level_open_again(struct run *run, int dir_fd);
/* Makes the one that can be written to read-only. */
void level_close(const struct run *run);

#endif
