/* trace.h - --seccomp-trace, in the supervisor. */
#ifndef FILTER_TRACE_H
#define FILTER_TRACE_H

#include "run/run.h"

struct seccomp_notif;

/* Notes a call that waits, where the policy would deny it. */
void trace_note(const struct run *run, const struct seccomp_notif *call);
/* Writes the last line. */
void trace_finish(const struct run *run);

#endif
