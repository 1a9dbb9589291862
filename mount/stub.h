/* stub.h - what stands on the host in place of what is missing there, as long as a sandbox covers it. */
#ifndef MOUNT_STUB_H
#define MOUNT_STUB_H

#include "run/run.h"

struct message;

/* To the supervisor, beside those of process/protocol.h, which has the drawing of all. */
enum {
	MESSAGE_STUB_NAME = 33, /* numbers: the next bytes of its name, 0 behind them */
	MESSAGE_STUB_PLACE,     /* value: the number of the operation; with the directory */
	MESSAGE_STUB_LOCK,      /* with the stub itself, locked */
};

/* Whether fd (O_PATH is enough) refers to one, whoever made it. Who finds one on the way, in a writable bind, has
 * found nothing and shares it by stub_make(): otherwise it goes while it is covered. */
bool stub_is_one(int fd);
/* In setup: `name` in parent_fd, a directory in a writable bind, is missing, or a stub. Makes it, or shares it with
 * other sandboxes, whose one may be of the other type. It stays until the last of them is over. Dies when that cannot
 * be had. */
void stub_make(struct run *run, const struct op *op, int parent_fd, const char *name,
	       bool is_directory);
/* Makes none, and dies where it could not be made, as far as can be seen. */
void stub_rehearse(const struct run *run, const struct op *op, int parent_fd, const char *name);
/* Whether an earlier mask would have made one there, and that a file. */
bool stub_would_be_file(const struct run *run, int parent_fd, const char *name);

/* ---- in the supervisor ---- */

/* One of the messages above; takes the descriptor over. */
void stubs_hear(struct run *run, const struct message *message, int attached_fd);
/* After everything in the sandbox has ended: removes those that no other sandbox uses, and those of which nobody has
 * heard yet at the socket. Socket -1: setup is over. */
void stubs_remove(struct run *run, int socket);

#endif
