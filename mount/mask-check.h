/* mask-check.h - whether what was masked and protected is so once all operations are done. */
#ifndef MOUNT_MASK_CHECK_H
#define MOUNT_MASK_CHECK_H

#include "run/run.h"

/* Dies, and names both, where a later operation uncovers something, or an earlier or later one shows it at a
 * second path. Closes what was left open for later operations. */
void mask_check(struct run *run);

#endif
