/* terminal.c - a terminal's modes, its size, and who is in the foreground there. */
#include "sys/terminal.h"

#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool terminal_is_in_front(int fd, pid_t group)
{
	pid_t front = tcgetpgrp(fd);
	return front == group || (front < 0 && errno == ENOTTY);
}

static struct termios raw_from(const struct termios *before)
{
	struct termios raw = *before;
	cfmakeraw(&raw);
	return raw;
}

/* By what cfmakeraw(3) changes: a driver may adjust the rest. */
static bool is_raw_from(const struct termios *now, const struct termios *before)
{
	struct termios raw = raw_from(before);
	return now->c_iflag == raw.c_iflag && now->c_oflag == raw.c_oflag &&
	       now->c_lflag == raw.c_lflag;
}

/* Whoever is killed between two of these steps leaves behind what the other process can use. */
void terminal_make_raw(struct terminal_modes *modes, int fd)
{
	struct termios now;
	if (tcgetattr(fd, &now) < 0 || (modes->is_raw && is_raw_from(&now, &modes->before)))
		return;
	__atomic_store_n(&modes->is_raw, false, __ATOMIC_SEQ_CST);
	modes->before = now;
	__atomic_store_n(&modes->is_raw, true, __ATOMIC_SEQ_CST);
	struct termios raw = raw_from(&now);
	tcsetattr(fd, TCSANOW, &raw);
}

void terminal_restore(struct terminal_modes *modes, int fd)
{
	struct termios now;
	sigset_t only, mask;
	if (!__atomic_load_n(&modes->is_raw, __ATOMIC_SEQ_CST))
		return;
	if (tcgetattr(fd, &now) == 0 && is_raw_from(&now, &modes->before)) {
		sigemptyset(&only);
		sigaddset(&only, SIGTTOU); /* which stops whoever does this from the background */
		sigprocmask(SIG_BLOCK, &only, &mask);
		tcsetattr(fd, TCSANOW, &modes->before);
		sigprocmask(SIG_SETMASK, &mask, NULL);
	}
	__atomic_store_n(&modes->is_raw, false, __ATOMIC_SEQ_CST);
}

void terminal_copy_size(int from, int to)
{
	struct winsize size, now;
	if (ioctl(from, TIOCGWINSZ, &size) < 0)
		return;
	if (ioctl(to, TIOCGWINSZ, &now) == 0 && now.ws_row == size.ws_row &&
	    now.ws_col == size.ws_col && now.ws_xpixel == size.ws_xpixel &&
	    now.ws_ypixel == size.ws_ypixel)
		return;
	ioctl(to, TIOCSWINSZ, &size);
}

void terminal_copy_modes(int from, int to, bool echo)
{
	struct termios modes;
	if (tcgetattr(from, &modes) < 0)
		return;
	if (!echo)
		modes.c_lflag &= ~(tcflag_t) ECHO;
	tcsetattr(to, TCSANOW, &modes);
}

int terminal_open_again(int fd, int proc_fd, bool *ret_blocks)
{
	enum { FLAGS = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC };
	char path[32];
	int again = -1;
	*ret_blocks = false;
	/* Whose terminal it is does not matter there, and nothing else can be the one that this
	 * call knows as the session's. */
	if (tcgetsid(fd) >= 0)
		again = open("/dev/tty", FLAGS);
	if (again >= 0 && tcgetsid(again) >= 0)
		return again;
	close_fd(&again);
	snprintf(path, sizeof(path), "self/fd/%d", fd);
	again = openat(proc_fd, path, FLAGS);
	if (again >= 0 && isatty(again))
		return again;
	close_fd(&again);
	*ret_blocks = true;
	return fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}
