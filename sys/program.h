/* program.h - another program, run for the sandbox's sake and not as COMMAND. */
#ifndef SYS_PROGRAM_H
#define SYS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Its path, never looked for in the caller's PATH; arena memory. NULL when it is not installed. */
const char *program_find(const char *name);
/* In the process that will execute it. What it says goes to `said_fd`, 0 and 1 lead nowhere. False with errno. */
bool program_take_stdio(int said_fd);
/* Leaves what is the caller's: descriptors but 0 to 2 and `keep`, session, directory, ignored and blocked signals. NULL, or
 * what could not be done, behind "Can't"; with errno. */
const char *program_leave_caller(int *keep, size_t n_keep);
/* In the child of `parent`, once its capabilities are what they are to be: it is killed when that one dies, and after so
 * many seconds; unless what it executes is set-user-id. */
bool program_limit_life(pid_t parent, unsigned seconds);

#endif
