/* devpts.h - a devpts of the sandbox's own, and --pty's terminal in it. */
#ifndef MOUNT_DEVPTS_H
#define MOUNT_DEVPTS_H

#include "run/run.h"

/* Detached; -1 with errno. Its terminals belong to the group tty where that is mapped. */
int devpts_try_make(const struct run *run);
/* --pty's terminal, in this devpts, unless there is one or none is wanted. Whether it was made. */
bool devpts_make_terminal(struct run *run, int pts_fd);
/* A clone of that terminal's device, which is attached, where COMMAND's standard output is it; otherwise -1. */
int devpts_open_terminal(const struct run *run, int pts_fd);
/* The terminal where no --dev shows a devpts: in one that is attached nowhere. */
void devpts_make_hidden(struct run *run);

#endif
