/* passages.h - the supervisor's side of --tcp-out and its like: the carrier, from its start to its end. */
#ifndef PROCESS_PASSAGES_H
#define PROCESS_PASSAGES_H

#include "run/run.h"

/* Before there are two processes: looks at the caller's sockets, and makes the one between setup and the carrier. */
void passages_prepare(struct run *run);
/* There are two. */
void passages_start(struct run *run);
/* COMMAND is over: lets the carrier pass on what it has sent. wait() waits for a while for a child's end; false: there
 * is no more time. */
void passages_finish(const struct run *run, bool (*wait)(const struct run *run));
/* The end of the carrier, unless pid 1 goes on. */
void passages_abandon(const struct run *run);
/* Of any child: warns where it was the carrier, that is still needed. Before its number is forgotten. */
void passages_note_end(const struct run *run, pid_t pid, int status);

#endif
