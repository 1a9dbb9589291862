/* entries.h - the sockets at which connections come in, told by setup to the helper that carries them.
 *
 * That one is started by the supervisor at once, and gets ready while setup works: run->carrier_fds.
 */
#ifndef RUN_ENTRIES_H
#define RUN_ENTRIES_H

#include "run/run.h"

/* Beside those of process/protocol.h. */
enum {
	MESSAGE_ENTRY = 112, /* value: a passage's number; with a socket that listens */
	MESSAGE_ENTRIES_END, /* there are no more */
};

enum {
	ENTRIES_BACKLOG = 4096
}; /* what waits to be accepted; the kernel may take less: listen(2) */

/* In setup; the socket stays the caller's. */
void entries_send(const struct run *run, size_t passage, int socket);
void entries_end(const struct run *run);
/* Dies unless it carries. */
void entries_await_ready(struct run *run);
/* In the helper, until setup has told all: false, and no more. */
bool entries_receive(const struct run *run, int socket, size_t *ret_passage, int *ret_socket);

#endif
