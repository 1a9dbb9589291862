/* channel.h - whole messages between processes, at most one descriptor each. */
#ifndef SYS_CHANNEL_H
#define SYS_CHANNEL_H

#include "run/run.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum message_kind {
	MESSAGE_CHILD = 1,  /* with a pidfd: the process that stands in for the sender */
	MESSAGE_GO,         /* the other side may go on */
	MESSAGE_NAMESPACES, /* with ns_ids: the sandbox's namespaces exist; value: in a second level
			     */
	MESSAGE_STARTING,   /* the next step is exec; with a pidfd: where signals go */
	MESSAGE_NOT_STARTED, /* it failed */
	MESSAGE_ENDED,       /* value: COMMAND's wait status */
	MESSAGE_ALL_ENDED,   /* the same, and there is nobody else: the reaper ends, too */
	MESSAGE_LISTENER,    /* with a descriptor: where --seccomp-trace's calls wait */
	MESSAGE_HELPER,      /* with a socket: start a helper, which is told there what to do */
	MESSAGE_FD,          /* to a helper: one more descriptor */
	MESSAGE_PINNED,      /* no more helpers will be asked for */
	MESSAGE_READY,       /* the supervisor has given up what it does not need */
};
struct message {
	uint32_t kind;
	int32_t value;
	uint64_t ns_ids[N_NS_KINDS];
};
/* Both ends are close-on-exec. */
void channel_make_pair(int ret_ends[2]);
/* They die when the other side is gone, but for the one named try. */
void channel_send(int socket, enum message_kind kind, int value);
void channel_send_fd(int socket, enum message_kind kind, int value, int attached_fd);
/* A letter lies ready at an address that is known beforehand; sending it is one sendmsg(2) with
 * that address. */
struct fd_letter {
	struct message message;
	struct iovec part;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr envelope;
};
void channel_write_letter(struct fd_letter *letter, enum message_kind kind);
const void *channel_letter_address(const struct fd_letter *letter);
void channel_send_letter(int socket, struct fd_letter *letter, int attached_fd);
void channel_send_namespaces(int socket, int value, const struct run *run);
bool channel_try_send(int socket, enum message_kind kind, int value);
/* To setup, which waits for it: dies unless it is sent or there is nobody any more, which whoever
 * waits for the process notices. */
void channel_let_go_on(int socket, enum message_kind kind);
/* 1: a message; 0: the other side is gone; -1: none now (only with `wait` false). ret_fd may be
 * NULL. */
int channel_receive(int socket, bool wait, struct message *ret_message, int *ret_fd);

#endif
