/* newroot.h - the sources of the new /, and moving in. */
#ifndef MOUNT_NEWROOT_H
#define MOUNT_NEWROOT_H

#include "run/run.h"

/* Takes every source as a detached clone, while the host can be seen. */
void newroot_pin(struct run *run);
/* Makes / and moves in: from here on the host is gone. */
void newroot_enter(struct run *run);

#endif
