/* state.h - what filter/ keeps of a run; for its own files. */
#ifndef FILTER_STATE_H
#define FILTER_STATE_H

#include "filter/compose.h"

struct late_program;
struct trace;
struct denials;

struct filters {
	bool is_composed;
	struct program programs[2]; /* by enum filtered: what the --seccomp-* options come to */
	bool traced;
	struct program notified;           /* of what the supervisor is notified, in COMMAND */
	bool guarded;                      /* filters_load_guards() has done its work */
	struct late_program *late_program; /* what --seccomp held, shared with children */
	struct trace *trace;               /* the supervisor's */
	struct denials *denials;           /* and this */
	const char *home;                  /* for --trace-denied: the caller's, or NULL */
	const struct plan *outside; /* and masks and protections by their paths on the host */
};

#endif
