/* proc.h - --proc. */
#ifndef MOUNT_PROC_H
#define MOUNT_PROC_H

#include "mount/state.h"
#include "run/run.h"

/* A detached procfs; the kernel wants to compare it with the host's, which has to be seen. */
int proc_make(const struct op *op);
/* Shows it, and covers what it would let root do to the host. */
void proc_build(struct run *run, const struct op *op, struct pin *pin);

#endif
