/* terminal.h - a terminal's modes, its size, and who is in the foreground there. */
#ifndef SYS_TERMINAL_H
#define SYS_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>

/* What somebody has found at a terminal and changed to raw; for several processes to know. */
struct terminal_modes {
	bool is_raw;
	struct termios before;
};

/* Whether a process group may read from the terminal and change it. True where it is not the controlling
 * one, which has no foreground. */
bool terminal_is_in_front(int fd, pid_t group);
/* No key means anything any more, and nothing is done to what is shown. */
void terminal_make_raw(struct terminal_modes *modes, int fd);
/* As it was, unless somebody has set other modes in the meantime: these are theirs. From the background, too. */
void terminal_restore(struct terminal_modes *modes, int fd);
/* A new pseudo-terminal gets the modes of the other one, and shows the keys that it gets or not. */
void terminal_copy_modes(int from, int to, bool echo);
void terminal_copy_size(int from, int to);
/* The same terminal, by an open file description that nobody else has and that does not block; or, where it
 * cannot be opened once more, another descriptor of the one given. -1 and errno. */
int terminal_open_again(int fd, int proc_fd, bool *ret_blocks);

#endif
