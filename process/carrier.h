/* carrier.h - the helpers that carry connections through the edge of the sandbox's network. */
#ifndef PROCESS_CARRIER_H
#define PROCESS_CARRIER_H

#include "run/run.h"

/* For --tcp-out and its like, or --tcp-in; setup is at the other end of the socket, child is the sandbox's life (a
 * pidfd). */
_Noreturn void carrier_be(const struct run *run, enum direction direction, int socket, int child);

#endif
