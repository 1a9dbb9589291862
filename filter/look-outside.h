/* look-outside.h - the host's side of what COMMAND asks for. */
#ifndef FILTER_LOOK_OUTSIDE_H
#define FILTER_LOOK_OUTSIDE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Where a path led to. */
struct outside {
	int fd; /* O_PATH of it; -1: none */
	struct stat status;
	/* The same in the sandbox: by the links that are there already, and by those that are told. */
	char place[PATH_MAX];
	/* The host's links on the way that are not inside: path and target in turn, each with its NUL. */
	char links[PATH_MAX];
	size_t links_length, n_links;
	bool in_proc; /* it is of processes, and was not looked for */
};
/* Walks from outer_root on, through no automount that is not there, and opens nothing. Returns 0, or an errno; what is
 * left open in `outside` is the caller's then, too. */
int look_outside(int outer_root, int inner_root, const char *path, bool follows,
		 struct outside *outside);

#endif
