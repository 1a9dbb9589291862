/* modifier-options.h - what stands before an operation and changes it. */
#ifndef PLAN_MODIFIER_OPTIONS_H
#define PLAN_MODIFIER_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

extern const struct option_rows modifier_option_rows;
/* Reads one option of these rows, which waits for its operation then. NULL, or what is wrong. */
problem modifier_options_read(struct reader *reader, const struct option_row *row, const char *word,
			      struct position position);
/* Gives the operation, which the row begins, what waits for such a one. NULL, or what does not fit it. */
problem modifier_options_take(struct reader *reader, const struct option_row *row, struct op *op);
/* A modifier that stands before nothing that it could modify. */
problem modifier_options_check_waiting(const struct reader *reader);
/* What the kernel would refuse: NULL, or that. */
problem modifier_options_check(const struct plan *plan, const struct shape *shape);
/* The flags of --mount-flags, "noexec,ro"; NULL: none. Arena memory. */
const char *modifier_options_flags_text(const struct op *op);

#endif
