/* scope.h - a control group from systemd. */
#ifndef LIMIT_SCOPE_H
#define LIMIT_SCOPE_H

#include "run/run.h"

/* Has the user's systemd move this process into a scope of its own, with a group that the user may
 * write to. NULL, or why that was not possible. */
problem scope_enter(const struct run *run);

#endif
