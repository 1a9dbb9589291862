/* stub-mark.h - what a stub looks like, and how one is taken away; for stub.c and stub-end.c. */
#ifndef MOUNT_STUB_MARK_H
#define MOUNT_STUB_MARK_H

#include <stdbool.h>
#include <sys/stat.h>

struct run;

/* With what it is made. */
enum { STUB_FILE_MODE = S_ISVTX | 0444, STUB_DIRECTORY_MODE = S_ISVTX | 0555 };

/* By its mode, its links and the size of a file; whether a directory is empty only its removal tells. */
bool stub_is_marked(const struct stat *status);
/* Opens what has the mark. -1 and errno; EEXIST: something else is there. */
int stub_open(const struct run *run, int dir_fd, const char *name);
bool stub_is_at(int dir_fd, const char *name, int fd);
/* The name under which a file is looked at once more before it is removed; arena memory. */
const char *stub_hidden_name(const char *name);
/* Removes what fd refers to, if that still is what `name` leads to and is empty. It never removes, and at most hides
 * for an instant, what somebody else has put there. 0 or an errno; EAGAIN: it was put under the hidden name and
 * something new has taken its place. */
int stub_take_away(const struct run *run, int dir_fd, const char *name, int fd);

#endif
