/* split.h - from one process to two. */
#ifndef PROCESS_SPLIT_H
#define PROCESS_SPLIT_H

#include "run/run.h"

/* A new process in the sandbox's first namespaces. Returns 0 in it, its pid in the supervisor, which gets its end of
 * the socket between them. */
pid_t split_off(struct run *run, int *ret_socket);

#endif
