/* fake_io.h - a world for options_read() that is made of strings: what is open, and what it holds. */
#ifndef FAKE_IO_H
#define FAKE_IO_H

#include "plan/options.h"
#include "utils.h"

#include <errno.h>

enum { N_FAKE_FDS = 20 }; /* 0 to 19 are open, nothing else is */

static struct {
	const char *bytes;
	size_t length;
	int error; /* reading fails with it */
	bool closed;
} fake_fds[N_FAKE_FDS];

static bool fake_fd_is_open(int fd)
{
	return fd >= 0 && fd < N_FAKE_FDS && !fake_fds[fd].closed;
}

static bool fake_read_fd(int fd, char **ret_bytes, size_t *ret_length)
{
	fake_fds[fd].closed = true;
	errno = fake_fds[fd].error;
	if (errno)
		return false;
	*ret_bytes = arena_copy(fake_fds[fd].bytes ? fake_fds[fd].bytes : "", fake_fds[fd].length);
	*ret_length = fake_fds[fd].length;
	return true;
}

static const struct option_io fake_io = { fake_fd_is_open, fake_fd_is_open, fake_fd_is_open,
					  fake_read_fd };

/* All rows of the option table. */
enum { MOST_ROWS = 200 };
static const struct option_row *option_rows[MOST_ROWS];
static size_t n_option_rows;

static __attribute__((constructor)) void find_rows(void)
{
	struct option_walk walk = { 0 };
	while (n_option_rows < MOST_ROWS && (option_rows[n_option_rows] = options_next(&walk)))
		n_option_rows++;
}

static inline void fake_reset(void)
{
	__builtin_memset(fake_fds, 0, sizeof(fake_fds));
}

static inline void fake_fd_holds(int fd, const char *bytes, size_t length)
{
	fake_fds[fd].bytes = bytes;
	fake_fds[fd].length = length;
	fake_fds[fd].closed = false;
}

#endif
