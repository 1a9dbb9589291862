/* clocks.h - --unshare-time, --monotonic-offset, --boottime-offset. */
#ifndef NS_CLOCKS_H
#define NS_CLOCKS_H

#include "run/run.h"

/* Before the user namespace of --userns is joined: this process's file that takes the offsets, which is not its own
 * any more once the process hides; -1: there are none, or it could not be opened. */
int clocks_open_offsets(const struct run *run);
/* Makes the time namespace that was asked for, sets its clocks and enters it, or dies. It is owned by the user
 * namespace that we are in. offsets_fd: as above, or -1 where that is our own. What was to be at a certain time of
 * CLOCK_MONOTONIC, run->last_resort_ms, is put in the new one's. */
void clocks_enter(struct run *run, int offsets_fd);
/* By how much CLOCK_MONOTONIC differs from the machine's in the time namespace that this process is in. */
int64_t clocks_offset_ms(const struct run *run);

#endif
