/* procfile.h - the small files of procfs and of control groups, which the kernel makes as they are read. */
#ifndef SYS_PROCFILE_H
#define SYS_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A file that the kernel makes as one piece; arena memory without the last line break, NULL with errno. */
char *procfile_read(int dir_fd, const char *path);
/* A file of any number of lines, of which the kernel gives some at a time; arena memory, NULL with errno. */
char *procfile_read_lines(int dir_fd, const char *path);
/* Without arena memory: what is asked for often. False when it cannot be read; what has no room is left out. */
bool procfile_read_into(int dir_fd, const char *path, char *text, size_t capacity);
/* The number that the file begins with, or -1. */
int64_t procfile_number(int dir_fd, const char *path);
/* Writes in one call, as the kernel wants it there. False with errno. */
bool procfile_write(int dir_fd, const char *path, const char *value);

/* Whether this /proc is that of the pid namespace that we are in: then numbers there are ours, too. */
bool procfile_shows_own_pids(int proc_fd);
/* The number that the process behind pidfd has in this /proc, or -1. */
pid_t procfile_pid_of(int proc_fd, int pidfd);

#endif
