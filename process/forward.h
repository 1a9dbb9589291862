/* forward.h - signals that the supervisor passes on to COMMAND. */
#ifndef PROCESS_FORWARD_H
#define PROCESS_FORWARD_H

#include "run/run.h"

/* Passes on what has come. Ends the run where COMMAND could not. */
void forward_signals(struct run *run);
/* Its terminal is gone: of that the kernel tells COMMAND, unless it is a pid 1. */
void forward_hangup(struct run *run);
/* To COMMAND, or to what will become it. */
void forward_signal(const struct run *run, int signal);
/* COMMAND is about to be executed: with --new-session it leads a process group, which has its number. */
void forward_learn_session(const struct run *run);

#endif
