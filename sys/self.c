/* self.c - what a process does to itself: its descriptors asked and closed, its code's pages given back. */
#include "sys/self.h"

#include "sys/kernel.h"
#include "utils.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

bool fd_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

bool fd_has_end(int fd)
{
	struct stat status;
	return (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR || fstat(fd, &status) < 0 ||
	       !S_ISFIFO(status.st_mode);
}

int compare_ints(const void *a, const void *b)
{
	int x = *(const int *) a, y = *(const int *) b;
	return (x > y) - (x < y);
}

bool close_all_except(int *keep, size_t n_keep)
{
	if (n_keep)
		qsort(keep, n_keep, sizeof(*keep), compare_ints);
	unsigned next = 3;
	bool done = true;
	for (size_t i = 0; i < n_keep; i++) {
		if (keep[i] < (int) next)
			continue;
		if ((unsigned) keep[i] > next)
			done &= sys_close_range(next, (unsigned) keep[i] - 1, 0) == 0;
		next = (unsigned) keep[i] + 1;
	}
	return sys_close_range(next, ~0U, 0) == 0 && done;
}

void release_code_pages(void)
{
	extern const char __executable_start, etext; /* from the linker, end(3) */
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE),
		  start = (uintptr_t) &__executable_start & ~(page - 1);
	madvise((void *) start, ((uintptr_t) &etext - start) & ~(page - 1), MADV_DONTNEED);
}
