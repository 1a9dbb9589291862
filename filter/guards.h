/* guards.h - the guards of the caller's keys and terminal, and the one of their own helper. */
#ifndef FILTER_GUARDS_H
#define FILTER_GUARDS_H

#include "filter/compose.h"
#include "run/run.h"

enum { N_GUARDS = 2 };
/* Returns how many are due. `denies_keys`: what they are to be part of does already. */
size_t guards_list(const struct run *run, bool denies_keys, struct program *guards);
/* Asks for what they deny. */
bool guards_hold(const struct run *run);
/* Of what is TCP, or becomes it, and Landlock's rules of TCP do not see. */
struct program guards_of_tcp(void);
bool guards_hold_tcp(void);
/* Of what is masked or protected on btrfs. */
struct program guards_of_subvolumes(void);
bool guards_hold_subvolumes(void);
/* Of --pty's relay, for good: nothing but what its loop calls, no path and no other process among that. False with
 * errno. */
bool guards_confine_relay(void);
/* Of the carrier, likewise. */
bool guards_confine_carrier(void);

#endif
