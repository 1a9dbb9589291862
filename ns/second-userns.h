/* second-userns.h - the second user namespace, which is COMMAND's. */
#ifndef NS_SECOND_USERNS_H
#define NS_SECOND_USERNS_H

#include "run/run.h"

/* Enters it, or --userns2; false where one that was not required cannot be had. */
bool second_userns_enter(struct run *run);
/* Starts a process in one of its caller's only id, which runs `live` in the caller's own
 * memory, on a stack of its own; the caller sleeps until it has executed a program or ended
 * (vfork(2)). Returns its pid, or -1 with errno. No file descriptor is shared. */
pid_t second_userns_start(struct run *run, void (*live)(struct run *run));
/* Dies where --disable-userns or --assert-userns-disabled was given and one more can be made. */
void second_userns_assert_none(const struct run *run);

#endif
