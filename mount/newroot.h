/* newroot.h - the new /, everything made or mounted in it, and moving in. */
#ifndef MOUNT_NEWROOT_H
#define MOUNT_NEWROOT_H

#include "run/run.h"

/* Takes every source as a detached clone, while the host can be seen. */
void newroot_pin(struct run *run);
/* Makes / and moves in: from here on the host is gone. */
void newroot_enter(struct run *run);
/* While sources are taken: whether fewer descriptors are left than the rest of setup and n_more may take. */
bool newroot_runs_short(int newest_fd, size_t n_more);
/* Carries out the operations in order. */
void newroot_build(struct run *run);
/* Why the last look-up ended with EXDEV. */
const char *newroot_link_text(const struct run *run);

#endif
