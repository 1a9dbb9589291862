/* procstat.h - /proc/PID/stat: proc_pid_stat(5). */
#ifndef SYS_PROCSTAT_H
#define SYS_PROCSTAT_H

#include <stddef.h>

/* The part behind the name, in which any character may be; NULL: not to be had. */
const char *procstat_read(int proc_fd, const char *process, char *text, size_t capacity);
/* A field of what that has returned, by its number; 0 for NULL. */
enum {
	PROCSTAT_GROUP = 5,
	PROCSTAT_REAPED_FAULTS = 11,
	PROCSTAT_START = 22,
	PROCSTAT_BLOCKED = 32, /* ignored and caught follow */
};
unsigned long long procstat_field(const char *stat, int number);

#endif
