/* denied.h - --trace-denied, in the supervisor: what its helper has found. */
#ifndef FILTER_DENIED_H
#define FILTER_DENIED_H

#include "run/run.h"
#include "sys/channel.h"

struct look_memory;
struct seccomp_notif;

/* While the host can be seen: takes note of what the caller's words lead to there. */
void denied_prepare(const struct run *run);
/* What the helper says: MESSAGE_DENIED. Writes a line where it is of a new kind. */
void denied_note(const struct run *run, const struct message *message, const char *words);
/* It has not come back from the path that it was looking at, and another one takes its place or, `last`, none. */
void denied_note_hung(const struct run *run, const struct seccomp_notif *call,
		      const struct look_memory *memory, bool last);
/* Writes the last line. */
void denied_finish(const struct run *run);

#endif
