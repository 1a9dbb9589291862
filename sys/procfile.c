/* procfile.c - the small files of procfs and of control groups, which the kernel makes as they are read.
 *
 * They are opened without waiting: where a path should lead to one of them, a FIFO of COMMAND's may lie.
 */
#include "sys/procfile.h"

#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What does not fill the buffer came as a
 * whole: the kernel makes these files at the first read. */
char *procfile_read(int dir_fd, const char *path)
{
	char usual[2048], *bytes = usual, *rest = NULL;
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *bytes;
	size_t length;
	return fd >= 0 && read_all(fd, SIZE_MAX / 4, &bytes, &length) ? bytes : NULL;
}

bool procfile_read_into(int dir_fd, const char *path, char *text, size_t capacity)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t length = 0;
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0 && length + 1 < capacity) {
		n = read(fd, text + length, capacity - length - 1);
		length += n > 0 ? (size_t) n : 0;
	}
	text[length] = '\0';
	return n >= 0;
}

int64_t procfile_number(int dir_fd, const char *path)
{
	AUTO_CLOSE int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

bool procfile_shows_own_pids(int proc_fd)
{
	static const char label[] = "\nNSpid:\t";
	const char *text = procfile_read(proc_fd, "self/status");
	if (!text)
		die_errno(errno, "Can't read /proc/self/status");
	/* Our number in the namespace of this /proc, and in each below it down to ours:
	 * proc_pid_status(5). Without the line the kernel has one namespace. */
	const char *line = strstr(text, label), *number = line ? line + strlen(label) : "1\n";
	return number[strspn(number, "0123456789")] == '\n';
}

pid_t procfile_pid_of(int proc_fd, int pidfd)
{
	char text[1024], path[32];
	snprintf(path, sizeof(path), "self/fdinfo/%d", pidfd);
	if (!procfile_read_into(proc_fd, path, text, sizeof(text)))
		return -1;
	const char *line = strstr(text, "\nPid:");
	int pid = -1;
	return line && sscanf(line, "\nPid: %d", &pid) == 1 ? pid : -1;
}
