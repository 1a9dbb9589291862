/* scratch.h - a tmpfs of our own where clones are parked while descriptors are short. */
#ifndef MOUNT_SCRATCH_H
#define MOUNT_SCRATCH_H

#include "run/run.h"

/* Leaves the host behind in it, where the new root is attached by another name. */
void scratch_leave_host(const struct run *run);
/* Makes it before the first source is taken. */
void scratch_make(struct run *run);
/* If there is one: moves into the new root, and it is gone; with masks it stays below, out of reach, with what
 * they are made of. */
void scratch_leave(struct run *run);

/* What setup may need at once, --dev included; and an overlay, beside two for each layer. */
enum { SPARE = 24, OVERLAY_SPARE = 8 };
/* While sources are taken: whether fewer descriptors are left than the rest of setup and n_more may take. */
bool scratch_runs_short(const struct run *run, int newest_fd, size_t n_more);
/* Descriptors are running short: the clones made so far are attached here, under their operation's number,
 * and closed. Where it is not there yet it is made. */
void scratch_park(struct run *run);
/* Opens one again. */
void scratch_take_back(struct run *run, size_t number);

#endif
