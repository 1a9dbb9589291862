/* descriptors.h - the descriptors that the line names, each with what becomes of it. */
#ifndef PLAN_DESCRIPTORS_H
#define PLAN_DESCRIPTORS_H

#include "plan/option.h"
#include "plan/options.h"

/* Reads the operand FD of the option: the number of an open descriptor. Whoever reads one reads it here. */
problem fds_read(struct plan *plan, const struct option_io *io, const struct option_row *row,
		 struct position position, const char *word, int *ret_fd);
/* What the option named so far is no longer used: only the last one counts. COMMAND must not find it all
 * the same. */
void fds_supersede(struct plan *plan, const struct option_row *row);
/* One number for two options is a mistake, unless neither takes from the other what it is there for. Notes
 * which of --sync-fd's another option names, too. */
problem fds_check(struct plan *plan);
/* Those that options consume, and COMMAND must not find: ascending, each once; arena memory. */
int *fds_consumed(const struct plan *plan, size_t *ret_n);
/* Those in use whose option has one of these traits. Returns how many; there is room for plan->n_fds. */
size_t fds_with_trait(const struct plan *plan, unsigned traits, int *ret_fds);
/* The number under which --sync-fd holds a copy from now on. */
void fds_hold_copy(struct plan *plan, struct fd_at *held, int copy);

#endif
