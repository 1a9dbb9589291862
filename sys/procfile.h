/* procfile.h - the small files of procfs and of control groups, which the kernel makes as they are read. */
#ifndef SYS_PROCFILE_H
#define SYS_PROCFILE_H

#include <stdbool.h>
#include <stdint.h>

/* A file that the kernel makes as one piece; arena memory without the last line break, NULL with errno. */
char *procfile_read(int dir_fd, const char *path);
/* A file of any number of lines, of which the kernel gives some at a time; arena memory, NULL with errno. */
char *procfile_read_lines(int dir_fd, const char *path);
/* The number that the file begins with, or -1. */
int64_t procfile_number(int dir_fd, const char *path);
/* Writes in one call, as the kernel wants it there. False with errno. */
bool procfile_write(int dir_fd, const char *path, const char *value);

#endif
