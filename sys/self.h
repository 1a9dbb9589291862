/* self.h - what a process does to itself: its descriptors asked and closed, pages given back. */
#ifndef SYS_SELF_H
#define SYS_SELF_H

#include <stdbool.h>
#include <stddef.h>

bool fd_is_open(int fd);
/* False: a pipe, which ends with its last writer, and this descriptor is one itself. */
bool fd_has_end(int fd);
bool fd_is_writable(int fd); /* it was opened for that */
/* Ascending, for qsort(3) and bsearch(3). */
int compare_ints(const void *a, const void *b);
/* Closes every descriptor from 3 up but those in `keep` (any order, -1 ignored; it is sorted in
 * place). False when the kernel refused. */
bool close_all_except(int *keep, size_t n_keep);

/* Forgets which pages of the program were used, what runs on comes back from the page cache as it is needed; and what
 * was on the stack, which has to be the process's own. For processes that stay around and do little, when nothing has
 * happened for a while: those of a short command would only fetch it all again. Only a saving; its failure means
 * nothing. */
enum { RELEASE_AFTER_MS = 100 };
void release_pages(void);

#endif
