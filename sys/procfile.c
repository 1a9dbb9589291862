/* procfile.c - the small files of procfs and of control groups, which the kernel makes as they are read. */
#include "sys/procfile.h"

#include "utils.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What does not fill the buffer came as a
 * whole: the kernel makes these files at the first read. */
char *procfile_read(int dir_fd, const char *path)
{
	char usual[2048], *bytes = usual, *rest = NULL;
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, usual, sizeof(usual));
	size_t n_rest = 0;
	if (n < 0 || (n == sizeof(usual) && !read_all(fd, 1 << 24, &rest, &n_rest)))
		return NULL;
	size_t length = (size_t) n;
	if (n_rest) {
		bytes = arena_alloc(length + n_rest);
		memcpy(bytes, usual, length);
		memcpy(bytes + length, rest, n_rest);
		length += n_rest;
	}
	return arena_copy(bytes, length - (length && bytes[length - 1] == '\n'));
}

char *procfile_read_lines(int dir_fd, const char *path)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char *bytes;
	size_t length;
	return fd >= 0 && read_all(fd, SIZE_MAX / 4, &bytes, &length) ? bytes : NULL;
}

int64_t procfile_number(int dir_fd, const char *path)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char digits[24] = "";
	if (fd < 0 || read(fd, digits, sizeof(digits) - 1) <= 0)
		return -1;
	return strtoll(digits, NULL, 10);
}

bool procfile_write(int dir_fd, const char *path, const char *value)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);
	size_t length = strlen(value);
	return fd >= 0 && write(fd, value, length) == (ssize_t) length;
}
