/* carrier.h - the helper that carries connections through the edge of the sandbox's network. */
#ifndef PROCESS_CARRIER_H
#define PROCESS_CARRIER_H

#include "run/run.h"

/* For --tcp-out and its like; setup is at the other end of the socket, child is the sandbox's life (a pidfd). */
_Noreturn void carrier_be(const struct run *run, int socket, int child);

#endif
