/* data.h - what comes by a descriptor, or stands on the line. */
#ifndef MOUNT_DATA_H
#define MOUNT_DATA_H

#include "run/run.h"

/* Makes a private file for each operation that shows one, as a detached clone, once nothing of the host is looked
 * up any more. */
void data_pin(struct run *run);
/* Copies what the operation's descriptor holds to a file. */
void data_copy(const struct run *run, const struct op *op, int file_fd);

#endif
