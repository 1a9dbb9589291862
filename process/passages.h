/* passages.h - the supervisor's side of --tcp-out and its like: the carriers, from their start to their end. */
#ifndef PROCESS_PASSAGES_H
#define PROCESS_PASSAGES_H

#include "run/run.h"

/* Before there are two processes: looks at the caller's sockets, makes those
 * where --tcp-in listens, and the ones between setup and the carriers. */
void passages_prepare(struct run *run);
/* There are two. */
void passages_start(struct run *run);
/* COMMAND is over, and so is what pasta is for: it begins to end, which takes the kernel some time. */
void passages_cut_network(const struct run *run);
/* COMMAND is over: lets the carriers pass on what it has sent. wait() waits for a while for a child's end; false: there
 * is no more time. */
void passages_finish(const struct run *run, bool (*wait)(const struct run *run));
/* The end of the carriers, unless pid 1 goes on. */
void passages_abandon(const struct run *run);
/* Of any child: warns where one of these was not to end, or has passages_tell_lost() do so once COMMAND starts. Before
 * its number is forgotten. */
void passages_note_end(const struct run *run, pid_t pid, int status);
void passages_tell_lost(const struct run *run);

#endif
