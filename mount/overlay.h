/* overlay.h - layers merged into one tree. */
#ifndef MOUNT_OVERLAY_H
#define MOUNT_OVERLAY_H

#include "mount/overlay-submounts.h"

/* Merges the layers, while the host can be seen. Returns the detached mount. */
int overlay_pin(struct run *run, const struct op *op, struct overlay_part **ret_parts);

#endif
