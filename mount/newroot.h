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
/* A detached tmpfs; size 0: the kernel's default. `place` begins the message it dies with. */
int newroot_make_tmpfs(struct position position, mode_t mode, uint64_t size_bytes);
/* Arena memory. Callers of bubblewrap look for these words and the path in one of two forms, that of
 * before 0.12 and that of since then, when a procfs is the trouble. */
const char *newroot_no_proc_text(const struct op *op);
/* What is mounted topmost on / of where we are. */
uint64_t newroot_topmost_mount_id(void);
/* Carries out the operations in order. */
void newroot_build(struct run *run);
/* Why the last look-up ended with EXDEV. */
const char *newroot_link_text(const struct run *run);

#endif
