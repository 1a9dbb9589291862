/* dev.h - --dev. */
#ifndef MOUNT_DEV_H
#define MOUNT_DEV_H

#include "mount/state.h"
#include "run/run.h"

/* Takes the host's devices, for the operation of this number. */
void dev_pin(struct run *run, size_t number);
void dev_build(struct run *run, const struct op *op, struct pin *pin);

#endif
