/* channel.h - whole messages between processes, at most one descriptor each. */
#ifndef SYS_CHANNEL_H
#define SYS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* What its parts mean is the business of those who talk. */
enum { MESSAGE_CAPACITY = 8 };
struct message {
	uint32_t kind;
	int32_t value;
	uint64_t numbers[MESSAGE_CAPACITY];
};
/* Both ends are close-on-exec. */
void channel_make_pair(int ret_ends[2]);
/* They die when the other side is gone, but for those named otherwise. */
void channel_send(int socket, uint32_t kind, int value);
/* attached_fd -1: without one. */
void channel_send_fd(int socket, uint32_t kind, int value, int attached_fd);
/* A letter lies ready at an address that is known beforehand; sending it is one sendmsg(2) with
 * that address. */
struct fd_letter {
	struct message message;
	struct iovec part;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr envelope;
};
void channel_write_letter(struct fd_letter *letter, uint32_t kind);
const void *channel_letter_address(const struct fd_letter *letter);
void channel_send_letter(int socket, struct fd_letter *letter, int attached_fd);
void channel_send_numbers(int socket, uint32_t kind, int value, const uint64_t *numbers, size_t n);
bool channel_try_send(int socket, uint32_t kind, int value); /* false with errno */
bool channel_try_send_fd(int socket, uint32_t kind, int value, int attached_fd);
/* With bytes behind the message, at most so many; what kind it is the message need not say. */
enum { WORDS_CAPACITY = 8192 };
bool channel_try_send_words(int socket, uint32_t kind, const struct message *message,
			    const char *words, size_t length);
/* On a Unix socket of somebody else's: one byte, a NUL, with the descriptor. Does not wait; false with errno. */
bool channel_try_hand_over(int socket, int fd);
/* To setup, which waits for it: dies unless it is sent or there is nobody any more, which whoever
 * waits for the process notices. */
void channel_send_unless_gone(int socket, uint32_t kind);
/* 1: a message, whose kind is 0 where it is shorter than one or has more than one descriptor; 0: the other side
 * is gone; -1: none now (only with `wait` false). ret_fd may be NULL. */
int channel_receive(int socket, bool wait, struct message *ret_message, int *ret_fd);
/* With the bytes behind it: there is room for WORDS_CAPACITY of them and two NULs. NULL: nobody wants them. */
int channel_receive_words(int socket, bool wait, struct message *ret_message, int *ret_fd,
			  char *ret_words);

#endif
