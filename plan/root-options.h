/* root-options.h - operations on the new root as the line asks for them. */
#ifndef PLAN_ROOT_OPTIONS_H
#define PLAN_ROOT_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

extern const struct option_rows bind_option_rows,
	root_option_rows; /* those of overlays stand between them in --help */
/* Reads one option of these rows; `words` are its operands. NULL, or what is wrong. */
problem root_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			  struct position position);
/* A modifier that stands before nothing that it could modify. */
problem root_options_check_waiting(const struct reader *reader);
/* Lines of --dry-run. */
void root_options_explain(const struct plan *plan, const struct shape *shape, struct text *text);
/* One operation in words, as --dry-run and --verbose tell it; arena memory. */
const char *plan_op_text(const struct op *op, const struct shape *shape);

#endif
