/* denied-calls.h - the system calls that --trace-denied looks at, and where in their arguments the paths are. */
#ifndef FILTER_DENIED_CALLS_H
#define FILTER_DENIED_CALLS_H

#include "filter/compose.h"

#include <stddef.h>
#include <stdint.h>

/* What is done with a path. */
enum path_use {
	USE_LOOK,    /* it is looked at: there it has to be */
	USE_OPEN,    /* as its flags say */
	USE_OPEN_BY, /* the same, the flags are in a struct open_how */
	USE_ASK,     /* for the rights that its mode says */
	USE_RUN,
	USE_ENTER,
	USE_MAKE,    /* it must not be there, and its directory be writable */
	USE_REMOVE,  /* it has to be there, the same of its directory */
	USE_REPLACE, /* the same of its directory, whether it is there or not */
	USE_CONNECT, /* a socket's address */
	USE_BIND,
};
enum { NO_ARGUMENT = -1 };
struct path_argument {
	uint8_t use;
	int8_t dir_fd, path; /* the numbers of the arguments */
	int8_t flags;        /* AT_..., or what the use says; or of the length of an address */
};
struct looked_call {
	char name[12];
	uint32_t
		at_links; /* AT_SYMLINK_FOLLOW: a link at the end is not followed but with it; or AT_SYMLINK_NOFOLLOW;
			    * 0: it is never followed */
	struct path_argument paths[2];
};
extern const struct looked_call looked_calls[];
extern const size_t n_looked_calls;

/* Notifies of all of them, on every architecture that the kernel takes. */
struct program denied_program(void);
/* By seccomp(2)'s words for it; the index, or n_looked_calls: it is none of them. */
size_t denied_find_call(uint32_t arch, int number);

#endif
