/* looker.h - the calls of the sandbox that wait for the supervisor: --seccomp-trace's and --trace-denied's. */
#ifndef PROCESS_LOOKER_H
#define PROCESS_LOOKER_H

#include "run/run.h"

#include <poll.h>
#include <stdint.h>

/* COMMAND's process has handed its listener over. */
void looker_begin(struct run *run, int listener);
enum { LOOKER_EVENTS = 2 };
void looker_poll(const struct run *run, struct pollfd events[LOOKER_EVENTS]);
/* When there is something to do at the latest: CLOCK_MONOTONIC; INT64_MAX: at no time. */
int64_t looker_due_ms(const struct run *run);
/* Whatever has come, and whatever is due. */
void looker_hear(struct run *run, const struct pollfd events[LOOKER_EVENTS]);
/* COMMAND is over, or could not be started: the last lines. */
void looker_finish(struct run *run);

#endif
