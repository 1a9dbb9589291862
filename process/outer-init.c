/* outer-init.c - the pid 1 outside: whether it waits for strangers. */
#include "process/outer-init.h"

#include "sys/procfile.h"
#include "sys/procstat.h"
#include "utils.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Dead, and started long enough ago for a pid 1 that polls to have been there since. */
static bool is_long_dead(const struct run *run, const char *process)
{
	enum { LONG_S = 5 };
	char text[1024];
	struct timespec now;
	const char *stat = procstat_read(run->host->proc_fd, process, text, sizeof(text));
	if (!stat || strncmp(stat, ") Z", 3) != 0 || clock_gettime(CLOCK_BOOTTIME, &now) < 0)
		return false;
	unsigned long long start_s =
		procstat_field(stat, PROCSTAT_START) / (unsigned long long) sysconf(_SC_CLK_TCK);
	return start_s + LONG_S < (unsigned long long) now.tv_sec;
}

/* A few are looked at, from all over the list: where nobody takes their status they are ever more. */
static bool init_leaves_dead(const struct run *run)
{
	enum { N_SAMPLES = 4 };
	char children[16384], child[16];
	if (!procfile_read_into(run->host->proc_fd, "1/task/1/children", children,
				sizeof(children)))
		return true;
	size_t length = strlen(children);
	for (size_t i = 0; i < N_SAMPLES; i++) {
		const char *at = children + length * i / N_SAMPLES;
		while (at > children && at[-1] != ' ')
			at--;
		if (sscanf(at, "%15s", child) == 1 && is_long_dead(run, child))
			return true;
	}
	return length + 1 == sizeof(children); /* and there are more of them */
}

/* A pid 1 that ends after us would stay a zombie where init is a program like any other, as in many a
 * container. To see it end takes as long as the kernel needs to take the sandbox's mounts apart. An init
 * that waits for strangers arranges for their signal; or it polls, as that of a small virtual machine may,
 * and has taken the status of some, and left none for long. */
bool outer_init_may_reap_nobody(const struct run *run)
{
	char text[1024];
	const char *stat = procstat_read(run->host->proc_fd, "1", text, sizeof(text));
	unsigned long long arranged = 0;
	for (int mask = 0; mask < 3; mask++) /* blocked, ignored, caught */
		arranged |= procstat_field(stat, PROCSTAT_BLOCKED + mask);
	return !(arranged >> (SIGCHLD - 1) & 1) &&
	       (!procstat_field(stat, PROCSTAT_REAPED_FAULTS) || init_leaves_dead(run));
}
