/* build.h - the operations on the new root. */
#ifndef MOUNT_BUILD_H
#define MOUNT_BUILD_H

#include "run/run.h"

/* Carries them out, in order. */
void build_root(struct run *run);

#endif
