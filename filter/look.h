/* look.h - --trace-denied's helper, which looks where a call that waits would lead, inside and outside.
 *
 *   supervisor                     helper
 *       |---- LOOK ---------------->|  a call waits (struct seccomp_notif, as words)
 *       |<--- DENIED ---------------|  for each path that it would not get inside and would outside
 *       |<--- LOOKED ---------------|  it may go on
 */
#ifndef FILTER_LOOK_H
#define FILTER_LOOK_H

#include "run/run.h"
#include "sys/kernel.h"

/* Beside those of process/protocol.h. */
enum {
	MESSAGE_LOOK = 112,
	MESSAGE_DENIED, /* value: errno, 0: it could not be looked at; numbers: see below; words: path, place, links */
	MESSAGE_LOOKED,
};
enum { DENIED_CALL, DENIED_N_LINKS, DENIED_IS_DIRECTORY, DENIED_IS_DEVICE, DENIED_IS_TO_CHANGE };

/* What the supervisor shares with it, and with the one that takes its place when a file system does not answer. */
struct look_memory {
	char asked[4096]; /* the path that is being looked at */
	bool knows_root;
	struct kernel_statx root; /* the sandbox's */
};
_Noreturn void look_be_helper(const struct run *run, int socket, int listener,
			      struct look_memory *memory);

#endif
