/* pasta.h - a network for the new network namespace, carried by a program outside. */
#ifndef NS_PASTA_H
#define NS_PASTA_H

#include "run/run.h"

/* In setup, in the namespace and while the host can be seen: has it started, with --net-pasta; dies where that cannot be. */
void pasta_start(struct run *run);
/* Dies unless it is ready. */
void pasta_await(struct run *run);
/* In the helper, the supervisor's child. */
_Noreturn void pasta_be(const struct run *run, int socket, pid_t supervisor);

#endif
