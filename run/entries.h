/* entries.h - the sockets at which connections come in, told to the helpers that carry these.
 *
 * There is one for each direction, which the supervisor starts at once, and which gets ready while setup works:
 * run->carrier_fds.
 */
#ifndef RUN_ENTRIES_H
#define RUN_ENTRIES_H

#include "plan/net-options.h"
#include "run/run.h"

/* Beside those of process/protocol.h. */
enum {
	MESSAGE_ENTRY = 112, /* value: a passage's number; with a socket that listens */
	MESSAGE_ENTRIES_END, /* there are no more */
	MESSAGE_NETWORK, /* with the sandbox's network namespace, to the one that carries into it */
};

enum {
	ENTRIES_BACKLOG = 4096
}; /* what waits to be accepted; the kernel may take less: listen(2) */

enum direction entries_direction(const struct passage *passage);
/* Of the first passage that this one serves. */
struct position entries_position(const struct run *run, enum direction direction);
/* A stream socket there, for this family alone; -1 and errno. */
int entries_try_bind(const struct socket_address *address);
bool entries_listens(int socket);

/* In setup; the descriptors stay the caller's. */
void entries_send(const struct run *run, size_t passage, int socket);
/* When those of the network are there, and again with those at paths: as early as it can be told. */
void entries_end(const struct run *run, bool with_paths);
void entries_send_network(const struct run *run, int network);
/* Dies unless all carry. */
void entries_await_ready(struct run *run);
/* In every other process: what is the carriers' alone. */
void entries_leave(struct run *run);
/* In the one that carries out, until setup has told all: false, and no more. */
bool entries_receive(const struct run *run, int socket, size_t *ret_passage, int *ret_socket);
/* In the one that carries in. */
int entries_receive_network(int socket);

#endif
