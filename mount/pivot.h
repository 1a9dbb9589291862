/* pivot.h - moving into a root, and knowing that the old one is gone. */
#ifndef MOUNT_PIVOT_H
#define MOUNT_PIVOT_H

#include "run/run.h"

/* Attaches a detached mount on /. */
void pivot_attach(int mount_fd);
/* Makes the attached mount our root and detaches the old one. */
void pivot_into(struct run *run);
/* The same where the host's tree itself is our root: nothing is left behind. */
void pivot_stay(struct run *run);
/* Dies of an errno of pivot_root(2). */
_Noreturn void pivot_die(int error);
/* Or of that of umount2(2), behind it. */
_Noreturn void pivot_die_of_old_root(int error);
/* Reads the id of the mount that root->fd refers to. */
void pivot_learn_root(struct root *root);
/* A root that is still covered by another one would look right and be none: dies of that. */
void pivot_verify_topmost(uint64_t mount_id);

#endif
