/* denied.h - which options would have allowed what --trace-denied has seen denied. */
#ifndef PLAN_DENIED_H
#define PLAN_DENIED_H

#include "plan/plan.h"

/* What COMMAND did not get inside and would have got outside. */
struct denied {
	const char *call; /* the system call's name */
	const char *path; /* absolute, as it was asked for; NULL: it could not be read */
	int error;        /* what the kernel says inside; 0: nobody could look */
	const char *
		place; /* where outside it is, or in which directory it would be made; NULL: nobody could look */
	const char *const *
		links; /* the host's on the way there which are not inside: path and target in turn */
	size_t n_links;
	bool is_directory, is_device; /* what is at the place */
	bool is_to_change;
	const struct op *held_by; /* a mask, protection or mount of the line's; NULL: none */
};
/* The options for this alone, beside those of the plan, as a shell takes them; NULL where none is told: a secret, what
 * is masked or protected, or too much. `home` is the caller's, or NULL. */
const char *denied_option(const struct denied *denied, const struct plan *plan, const char *home);
/* The fewest for all of them, beside those of the plan: what lies together in a directory of programs, libraries or
 * public data becomes that directory. "" when there are none. ret_truncated: there are too many. */
const char *denied_options(const struct denied *denied, size_t n_denied, const struct plan *plan,
			   const char *home, bool *ret_truncated);

#endif
