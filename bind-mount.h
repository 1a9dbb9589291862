/* bind-mount.h - one host path or descriptor, shown at one place with the right flags. */
#ifndef BIND_MOUNT_H
#define BIND_MOUNT_H

#include "run/run.h"

/* A detached clone with its flags set on all of it; -1 when the source does not exist and may be
 * missing. */
int bind_pin(const struct run *run, const struct op *op);
/* One clone of the host's `path`, without submounts: for device nodes. */
int bind_pin_one(const char *path, bool read_only);
/* Sets `op`'s flags on a clone, submounts included. */
void bind_set_flags(const struct run *run, const struct op *op, int mount_fd);
/* Attaches a detached mount on what `name` is in the directory at_fd, a link not followed; "": on what
 * at_fd refers to. */
void bind_attach(const struct op *op, int mount_fd, int at_fd, const char *name);

/* The path that /proc shows for a descriptor; dies when it is no file or directory. */
const char *bind_shown_path(const struct run *run, struct position position, int fd);

#endif
