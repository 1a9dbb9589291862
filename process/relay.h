/* relay.h - the supervisor's side of --pty: its helper, and the caller's terminal. */
#ifndef PROCESS_RELAY_H
#define PROCESS_RELAY_H

#include "run/run.h"

/* Whether one is wanted and not there yet. */
bool relay_is_due(const struct run *run);
/* Between the caller's terminal and this master, which is closed here. It touches nothing before it is told to. */
void relay_start(struct run *run, int master);
/* Waits until it is ready, as end_await() does; dies where it says what it lacks. */
typedef void (*relay_await)(const struct run *run, int fd, int ms);
void relay_await_ready(const struct run *run, relay_await await);
/* Our end of the socket to it. */
int relay_fd(const struct run *run);

/* It relays from now on. */
void relay_go_on(const struct run *run);
/* The caller's terminal is as it was when this returns, and nobody touches it. */
void relay_pause(const struct run *run);
/* Returns when all that COMMAND has written is shown, or nobody waits for that any more. */
void relay_finish(const struct run *run, bool (*wait)(const struct run *run));
/* The relay ends at once, if it has not, and the caller's terminal is as it was. */
void relay_abandon(const struct run *run);
/* A child's status was taken: if it is the relay, the terminal is in nobody's hands; warns where it was killed. */
void relay_note_end(const struct run *run, pid_t pid, int status);

#endif
