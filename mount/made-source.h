/* made-source.h - a directory that --bind-create makes on the host, and takes away when COMMAND does not start. */
#ifndef MOUNT_MADE_SOURCE_H
#define MOUNT_MADE_SOURCE_H

#include "run/run.h"

/* The operation's source does not exist: makes it, and clones it. Whoever was faster may have made it. */
int made_source_clone(const struct run *run, const struct op *op);
/* The descriptors that removing takes, for as long as COMMAND may not start; returns how many. ret may be NULL. */
size_t made_source_fds(const struct run *run, int *ret);
/* Nothing will be removed by this process: it does not die of COMMAND's not being started, or must not. */
void made_sources_keep(const struct run *run);
/* COMMAND does not start: removes what was made, if it is still that and empty. */
void made_sources_remove(const struct run *run);

#endif
