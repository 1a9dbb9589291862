/* trace.h - --seccomp-trace on both sides. */
#ifndef FILTER_TRACE_H
#define FILTER_TRACE_H

#include "run/run.h"

struct sock_filter;

/* To the supervisor, with a descriptor: where the calls wait. Beside those of process/protocol.h, which has the
 * drawing of all. */
enum { MESSAGE_LISTENER = 32 };
/* In COMMAND's process, the last thing but exec: loads a program that notifies, and hands its
 * listener to the supervisor. */
void trace_load(const struct run *run, const struct sock_filter *code, size_t n);
/* In the supervisor: a call waits at the listener; it is noted and let through. */
void trace_hear(const struct run *run, int listener);
/* Writes the last line. */
void trace_finish(const struct run *run);

#endif
