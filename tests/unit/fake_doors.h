/* fake_doors.h - a world for options_read() that is made of strings: what is open, and what it holds. */
#ifndef FAKE_DOORS_H
#define FAKE_DOORS_H

#include "tests/unit/fake_doors.h"

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

static const struct doors fake_doors = { fake_fd_is_open, fake_read_fd };

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
