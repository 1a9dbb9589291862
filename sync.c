/* sync.c - the messages between the supervisor, pid 1 and COMMAND before it is COMMAND.
 *
 * A socket pair and never an eventfd: when one side dies, at whatever instant, the other side reads the end of
 * file and cannot be left waiting. Messages are whole (SOCK_SEQPACKET).
 */
#include "bwrapish.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void sync_make_pair(int ret_ends[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
		die_errno(errno, "Can't make the socket between supervisor and sandbox");
}

/* One descriptor, aligned as cmsg(3) wants it. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr header;
};

static _Noreturn void die_of_silence(void)
{
	die_errno(errno, "Can't reach the other side of the sandbox; nothing was run");
}

bool sync_try_send(int socket, enum message_kind kind, int value)
{
	struct message message = { .kind = kind, .value = value };
	ssize_t n;
	/* Nothing but write(2): that is what the filters of pid 1 must allow. SIGPIPE is blocked on all sides. */
	do
		n = write(socket, &message, sizeof(message));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t) sizeof(message);
}

void sync_send(int socket, enum message_kind kind, int value)
{
	if (!sync_try_send(socket, kind, value))
		die_of_silence();
}

void sync_send_namespaces(int socket, int value, const struct run *run)
{
	struct message message = { .kind = MESSAGE_NAMESPACES, .value = value };
	memcpy(message.ns_ids, run->ns_ids, sizeof(message.ns_ids));
	if (!write_all(socket, &message, sizeof(message)))
		die_of_silence();
}

void sync_send_fd(int socket, enum message_kind kind, int value, int attached_fd)
{
	struct message message = { .kind = kind, .value = value };
	struct iovec part = { .iov_base = &message, .iov_len = sizeof(message) };
	union control control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
					      .cmsg_len = CMSG_LEN(sizeof(int)) } };
	memcpy(CMSG_DATA(&control.header), &attached_fd, sizeof(int));
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	do
		n = sendmsg(socket, &header, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t) sizeof(message))
		die_of_silence();
}

int sync_receive(int socket, bool wait, struct message *ret_message, int *ret_fd)
{
	struct iovec part = { .iov_base = ret_message, .iov_len = sizeof(*ret_message) };
	union control control;
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control.bytes) };
	ssize_t n;
	do
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -1;
	if (n < 0 && errno != ECONNRESET)
		die_errno(errno, "Can't hear the other side of the sandbox");
	if (n != (ssize_t) sizeof(*ret_message)) /* 0, ECONNRESET: gone */
		return 0;

	int attached_fd = -1;
	const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&attached_fd, CMSG_DATA(cmsg), sizeof(int));
	if (ret_fd)
		*ret_fd = attached_fd;
	else
		close_fd(&attached_fd);
	return 1;
}
