/* calls.h - the tables of system calls: arguments with names, groups, profiles. */
#ifndef PLAN_CALLS_H
#define PLAN_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a word behind the name of a call stands for. One word may have several rows: each makes a
 * rule. */
struct call_argument {
	char name[16], word[24]; /* not pointers: see struct option_row */
	uint8_t index;
	uint32_t mask, value;
	uint32_t clear; /* bits that must not be in the argument after it */
};
extern const struct call_argument call_arguments[];
extern const size_t n_call_arguments;
/* What is different on one architecture, AUDIT_ARCH_.... `word` "": whatever the word. */
struct call_difference {
	uint32_t arch;
	char name[16], word[24];
	uint8_t index;
	uint32_t value; /* with a word */
};
extern const struct call_difference call_differences[];
extern const size_t n_call_differences;

struct call_group {
	const char *name, *list, *help;
};
extern const struct call_group call_groups[];
extern const size_t n_call_groups;

extern const char calls_always[];  /* execve(2) and the dynamic loader; part of every allow list */
extern const char calls_of_init[]; /* pid 1, once its filter is loaded */
extern const char calls_of_sysv_ipc[];      /* i386 reaches these through ipc(2) as well */
extern const char calls_of_chown[];         /* on every architecture */
extern const char calls_that_may_pretend[]; /* to have succeeded */

struct profile_row {
	const char *list, *why;
};
struct profile {
	const char *name, *help;
	bool allows; /* the rows are what is allowed, not what is denied */
	const struct profile_row *rows;
	size_t n_rows;
};
extern const struct profile profiles[];
extern const size_t n_profiles;
const struct profile *profile_find(const char *name);

#endif
