/* mapper.h - the process outside that writes id maps which no process may write for itself. */
#ifndef NS_MAPPER_H
#define NS_MAPPER_H

#include "run/run.h"
#include "utils.h"

/* Beside those of process/protocol.h, which has the drawing of all. */
enum {
	MESSAGE_MAP = 48,   /* setup to mapper: it is in its user namespace; with its pidfd */
	MESSAGE_MAPPED,     /* mapper to setup */
	MESSAGE_MAP_FAILED, /* ... or this, and why, as run/failure.h has it */
};

/* Starts it, where the shape wants one; dies where it is known already that it cannot do its work. */
void mapper_start(struct run *run);
/* In a process that is not setup: only that one talks to it. */
void mapper_leave(struct run *run);
/* In setup: has the maps written, and returns when the mapper has ended. */
void mapper_ask(struct run *run);

/* Dies, after `subject`, where a map is longer than the kernel takes in its one write: user_namespaces(7). */
void mapper_check_size(const char *subject, size_t n_ranges, const struct text *map);

#endif
