/* scope.h - a control group from systemd. */
#ifndef LIMIT_SCOPE_H
#define LIMIT_SCOPE_H

#include "run/run.h"

/* How to wait for a descriptor or for some time: the supervisor's, which ends the run where somebody
 * wants that meanwhile. */
typedef void (*scope_await)(const struct run *run, int fd, int ms);
/* Has the user's systemd move this process into a scope of its own, with a group that the user may
 * write to. NULL, or why that was not possible. */
problem scope_enter(const struct run *run, scope_await await);
/* Whether there is a manager to ask, at a directory, and a program that asks it. NULL, or what is missing. */
problem scope_find(const struct run *run, const char **ret_directory, const char **ret_program);

#endif
