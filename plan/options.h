/* options.h - argv in, plan out: the table of options and what reads a line by it. */
#ifndef PLAN_OPTIONS_H
#define PLAN_OPTIONS_H

#include "plan/given.h"
#include "plan/option.h"

enum reading { READ_PLAN, READ_HELP, READ_VERSION, READ_NOTHING };

/* How the reader reaches the world: tests and fuzzers put their own here. */
struct option_io {
	bool (*fd_is_open)(int fd); /* by the caller, not as a placeholder of ours */
	bool (*fd_has_end)(int fd); /* and is not one of those that keep it from ending */
	bool (*fd_is_writable)(int fd);
	/* Reads to EOF and closes; false with errno. */
	bool (*read_fd)(int fd, char **ret_bytes, size_t *ret_length);
};

/* Reads argv[1..argc-1]. `plan` is filled as far as reading got, also when there is a problem
 * (level_prefix is needed to print it). */
problem options_read(int argc, char *const argv[], const struct option_io *io, struct plan *plan,
		     enum reading *ret_reading);
/* Arena memory. `program` is argv[0]. */
const char *options_help(const char *program);
/* Three lines, for who has said nothing. */
const char *options_usage(const char *program);

/* All rows, in the order of --help; NULL behind the last. Begin with { 0 }. */
struct option_walk {
	size_t table, row;
};
const struct option_row *options_next(struct option_walk *walk);
/* NULL: there is none of that name. */
const struct option_row *options_find(const char *name);
/* Whether what the option asks for is so, by whichever option; for options without operands. */
bool options_in_force(const struct plan *plan, const struct option_row *row);
extern const char *const option_group_titles[N_OPTION_GROUPS];

#endif
