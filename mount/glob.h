/* glob.h - --mask-glob and --protect-glob in the new root. */
#ifndef MOUNT_GLOB_H
#define MOUNT_GLOB_H

#include "run/run.h"

/* Hides or protects, as `op` says, what its pattern matches now. */
void glob_mask(struct run *run, const struct op *op);

#endif
