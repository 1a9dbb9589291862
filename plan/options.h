/* options.h - argv in, plan out; the only place where an option is spelt. */
#ifndef PLAN_OPTIONS_H
#define PLAN_OPTIONS_H

#include "plan/plan.h"

enum reading { READ_PLAN, READ_HELP, READ_VERSION, READ_NOTHING };

/* How the reader reaches the world: tests and fuzzers put their own here. */
struct doors {
	bool (*fd_is_open)(int fd); /* by the caller, not as a placeholder of ours */
	/* Reads to EOF and closes; false with errno. */
	bool (*read_fd)(int fd, char **ret_bytes, size_t *ret_length);
};

/* Where the option named stood last on the line. */
struct position options_position(const struct plan *plan, const char *option);
/* Of those directly on the line; argument 0: there is none. */
struct position options_last(const struct plan *plan);
bool options_given(const struct plan *plan, const char *option);
/* COMMAND must not find it: the descriptor of an option that has another one now. */
void options_supersede_fd(struct plan *plan, int fd);

/* Reads argv[1..argc-1]. `plan` is filled as far as reading got, also when there is a problem
 * (level_prefix is needed to print it). */
problem options_read(int argc, char *const argv[], const struct doors *doors, struct plan *plan,
		     enum reading *ret_reading);
/* Arena memory. `program` is argv[0]. */
const char *options_help(const char *program);

enum option_group {
	GROUP_GENERAL,
	GROUP_NAMESPACES,
	GROUP_FILESYSTEM,
	GROUP_COMMAND,
	GROUP_SECURITY,
	GROUP_LIMITS,
	GROUP_DESCRIPTORS,
	N_OPTION_GROUPS
};
struct option_row {
	/* Not pointers: each would have to be relocated at every start. */
	char name[28];  /* "--bind" */
	char words[32]; /* "SRC DEST"; "" for none. The words tell arity and completion. */
	enum option_group group;
	char help[96];
	int handler;   /* this and the rest is options.c's own */
	size_t target; /* the field of struct plan it fills */
	int value;
};
extern const struct option_row option_rows[];
extern const size_t n_option_rows;
extern const char *const option_group_titles[N_OPTION_GROUPS];

#endif
