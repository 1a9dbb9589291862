/* procstat.c - /proc/PID/stat. */
#include "sys/procstat.h"

#include "sys/procfile.h"
#include "utils.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *procstat_read(int proc_fd, const char *process, char *text, size_t capacity)
{
	char path[64];
	snprintf(path, sizeof(path), "%s/stat", process);
	return procfile_read_into(proc_fd, path, text, capacity) ? strrchr(text, ')') : NULL;
}

unsigned long long procstat_field(const char *stat, int number)
{
	for (int n = 2; n < number && stat; n++)
		stat = strchr(stat + 1, ' ');
	return stat ? strtoull(stat, NULL, 10) : 0;
}
