/* pty.h - the helper that relays a terminal, and what the supervisor and it tell each other.
 *
 *   supervisor                      relay
 *       |<--- HELPER_READY -----------|  confined, and not touching anything yet
 *       |---- RELAY_GO_ON ----------->|  COMMAND runs, or we do again
 *       |---- RELAY_PAUSE ----------->|  we are about to be stopped
 *       |<--- RELAY_PAUSED -----------|  the caller's terminal is as it was
 *       |---- RELAY_FINISH ---------->|  COMMAND is over: show the rest, and end
 */
#ifndef PROCESS_PTY_H
#define PROCESS_PTY_H

#include "run/run.h"

/* Beside those of protocol.h. */
enum {
	MESSAGE_RELAY_GO_ON = 96,
	MESSAGE_RELAY_PAUSE,
	MESSAGE_RELAY_PAUSED,
	MESSAGE_RELAY_FINISH,
};

/* Between the caller's terminal and the master of --pty's, run->pty.master; the socket is the supervisor's. */
_Noreturn void pty_be_relay(const struct run *run, int socket);

#endif
