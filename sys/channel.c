/* channel.c - whole messages between processes, at most one descriptor each. What they mean it does not know.
 *
 * A socket pair and never an eventfd: when one side dies, at whatever instant, the other side reads
 * the end of file and cannot be left waiting. Messages are whole (SOCK_SEQPACKET).
 */
#include "sys/channel.h"

#include "utils.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void channel_make_pair(int ret_ends[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
		die_errno(errno, "Can't make the socket between supervisor and sandbox");
}

static _Noreturn void die_of_silence(void)
{
	die_errno(errno, "Can't reach the other side of the sandbox; nothing was run");
}

/* Nothing but write(2): that is what the filters of pid 1 must allow. SIGPIPE is blocked on all
 * sides. */
static bool try_write(int socket, const void *bytes, size_t length)
{
	ssize_t n;
	do
		n = write(socket, bytes, length);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t) length;
}

static bool try_send_message(int socket, const struct message *message)
{
	return try_write(socket, message, sizeof(*message));
}

bool channel_try_send_words(int socket, uint32_t kind, const struct message *message,
			    const char *words, size_t length)
{
	struct {
		struct message message;
		char words[WORDS_CAPACITY];
	} whole;
	whole.message = *message;
	whole.message.kind = kind;
	memcpy(whole.words, words, length);
	return try_write(socket, &whole, sizeof(whole.message) + length);
}

bool channel_try_send(int socket, uint32_t kind, int value)
{
	return try_send_message(socket, &(struct message){ .kind = kind, .value = value });
}

void channel_send(int socket, uint32_t kind, int value)
{
	if (!channel_try_send(socket, kind, value))
		die_of_silence();
}

void channel_send_unless_gone(int socket, uint32_t kind)
{
	if (!channel_try_send(socket, kind, 0) && errno != EPIPE && errno != ECONNRESET)
		die_of_silence();
}

void channel_send_numbers(int socket, uint32_t kind, int value, const uint64_t *numbers, size_t n)
{
	struct message message = { .kind = kind, .value = value };
	memcpy(message.numbers, numbers, n * sizeof(*numbers));
	if (!try_send_message(socket, &message))
		die_of_silence();
}

void channel_write_letter(struct fd_letter *letter, uint32_t kind)
{
	*letter = (struct fd_letter){ .message.kind = kind };
	letter->part =
		(struct iovec){ .iov_base = &letter->message, .iov_len = sizeof(letter->message) };
	letter->envelope.msg_iov = &letter->part;
	letter->envelope.msg_iovlen = 1;
	letter->envelope.msg_control = letter->control;
	letter->envelope.msg_controllen = sizeof(letter->control);
	struct cmsghdr *header = CMSG_FIRSTHDR(&letter->envelope);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
}

const void *channel_letter_address(const struct fd_letter *letter)
{
	return &letter->envelope;
}

bool channel_try_hand_over(int socket, int fd)
{
	struct fd_letter letter;
	channel_write_letter(&letter, 0);
	letter.part = (struct iovec){ .iov_base = "", .iov_len = 1 };
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&letter.envelope)), &fd, sizeof(int));
	ssize_t n;
	do
		n = sendmsg(socket, &letter.envelope, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

static bool try_send_letter(int socket, struct fd_letter *letter, int attached_fd)
{
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&letter->envelope)), &attached_fd, sizeof(int));
	ssize_t n;
	do
		n = sendmsg(socket, &letter->envelope, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t) sizeof(letter->message);
}

void channel_send_letter(int socket, struct fd_letter *letter, int attached_fd)
{
	if (!try_send_letter(socket, letter, attached_fd))
		die_of_silence();
}

bool channel_try_send_fd(int socket, uint32_t kind, int value, int attached_fd)
{
	struct fd_letter letter;
	channel_write_letter(&letter, kind);
	letter.message.value = value;
	return try_send_letter(socket, &letter, attached_fd);
}

void channel_send_fd(int socket, uint32_t kind, int value, int attached_fd)
{
	if (attached_fd < 0) {
		channel_send(socket, kind, value);
		return;
	}
	if (!channel_try_send_fd(socket, kind, value, attached_fd))
		die_of_silence();
}

/* A message of no bytes is read as the end of file is (recv(2)). */
static bool is_other_side_gone(int socket)
{
	struct pollfd end = { .fd = socket, .events = POLLRDHUP };
	return poll(&end, 1, 0) > 0;
}

int channel_receive(int socket, bool wait, struct message *ret_message, int *ret_fd)
{
	return channel_receive_words(socket, wait, ret_message, ret_fd, NULL);
}

int channel_receive_words(int socket, bool wait, struct message *ret_message, int *ret_fd,
			  char *ret_words)
{
	struct iovec parts[] = { { .iov_base = ret_message, .iov_len = sizeof(*ret_message) },
				 { .iov_base = ret_words, .iov_len = WORDS_CAPACITY } };
	struct fd_letter capacity;
	struct msghdr header = { .msg_iov = parts,
				 .msg_iovlen = ret_words ? 2 : 1,
				 .msg_control = capacity.control,
				 /* CMSG_SPACE(), with what aligns it, would take a second one */
				 .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;
	/* A side that ends without having read all that was sent to it has a reset told before what
	 * it has sent itself. */
	int resets = 0;
	do
		n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
	if (n < 0 && errno == EAGAIN)
		return -1;
	if (n < 0 && errno != ECONNRESET)
		die_errno(errno, "Can't hear the other side of the sandbox");
	if (n < 0 || (n == 0 && is_other_side_gone(socket)))
		return 0;
	size_t n_words = (size_t) n - sizeof(*ret_message);
	if (n < (ssize_t) sizeof(*ret_message) || header.msg_flags & MSG_CTRUNC) {
		*ret_message = (struct message){ .kind = 0 };
		n_words = 0;
	}
	if (ret_words)
		memset(ret_words + n_words, 0, 2);

	int attached_fd = -1;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(&attached_fd, CMSG_DATA(cmsg), sizeof(int));
	if (ret_fd)
		*ret_fd = attached_fd;
	else
		close_fd(&attached_fd);
	return 1;
}
