/* signals.h - what comes to the supervisor. */
#ifndef PROCESS_SIGNALS_H
#define PROCESS_SIGNALS_H

#include "run/run.h"

struct signalfd_siginfo;
struct signals;

/* Blocks all that it hears of, for itself and the children it will have. */
struct signals *signals_block(const struct run *run);
/* In the sandbox: closes the descriptor. */
void signals_leave_to_supervisor(struct signals *signals);
int signals_fd(const struct signals *signals); /* readable when one has come */
/* Takes the next that has come; false: there is none. */
bool signals_next(const struct signals *signals, struct signalfd_siginfo *ret_info);
/* Takes all that have come: the last of those that end us, or 0. */
int signals_take(const struct signals *signals);
/* Whether one that ends us has come; it is not taken. */
bool signals_ask_for_the_end(const struct signals *signals);
/* What a signal does to a process that has not arranged for it, and to us, where it is not COMMAND's. */
bool signals_end_us(const struct signals *signals, int number);
bool signals_stop_us(int number);
/* Does what one that stops would have done had it not been taken. */
void signals_stop(int number);
/* Has the kernel continue this process then (CLOCK_MONOTONIC), whoever has stopped it, and once more every so
 * often if that is not 0. False with errno: EAGAIN where too many signals wait for processes of this user. */
bool signals_wake_at(int64_t time_ms, int64_t then_every_ms);
/* Whether one that has come to us has come to pid 1 as well, which has the number pid_1 in /proc, and so to
 * all of the group that was meant: told of the first of each kind, and of what its sender sends to us at
 * the same time. */
bool signals_went_to_group(struct signals *signals, const struct run *run, pid_t pid_1,
			   const struct signalfd_siginfo *info);
/* One of this kind has gone to the whole group. */
void signals_note_group(struct signals *signals, int number);

#endif
