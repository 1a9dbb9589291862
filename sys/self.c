/* self.c - what a process does to itself: its descriptors asked and closed, pages given back. */
#include "sys/self.h"

#include "sys/kernel.h"
#include "utils.h"

#include <link.h>
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

bool fd_is_writable(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY;
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

/* What cannot be written comes back from the page cache. */
static void release_program(uintptr_t page)
{
	extern const ElfW(Ehdr) __ehdr_start; /* from the linker */
	uintptr_t start = (uintptr_t) &__ehdr_start, base = 0;
	const ElfW(Phdr) *segment = (const void *) (start + __ehdr_start.e_phoff);
	for (size_t i = 0; i < __ehdr_start.e_phnum; i++, segment++) {
		if (segment->p_type != PT_LOAD)
			continue;
		if (!segment->p_offset)
			base = start - segment->p_vaddr;
		uintptr_t at = base + segment->p_vaddr, skipped = at % page;
		if (!(segment->p_flags & PF_W))
			madvise((void *) (at - skipped), segment->p_memsz + skipped, MADV_DONTNEED);
	}
}

/* Below what is in use, and the call: not that of the C library, which a sanitizer has one of its own for. */
static void release_stack(uintptr_t page)
{
	enum { OURS = 512, DEEPEST = 128 << 10 };
	uintptr_t end = (uintptr_t) __builtin_frame_address(0) - OURS;
	end -= end % page;
	syscall(SYS_madvise, end - DEEPEST, (size_t) DEEPEST, MADV_DONTNEED);
}

void release_pages(void)
{
	uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
	release_program(page);
	release_stack(page);
}
