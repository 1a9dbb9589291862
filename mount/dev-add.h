/* dev-add.h - devices of the host's beside those of --dev. */
#ifndef MOUNT_DEV_ADD_H
#define MOUNT_DEV_ADD_H

#include "mount/state.h"
#include "run/run.h"

/* Finds the nodes that --dev-add names for this --dev, and returns how many; dies where there are none and one has
 * to be. */
size_t dev_add_find(const struct op *op, struct pin *pin);
/* Clones number i of them. */
void dev_add_pin(struct pin *pin, size_t i);
/* Shows those that were cloned in --dev's tmpfs, which is attached. */
void dev_add_show(const struct op *op, struct pin *pin);

#endif
