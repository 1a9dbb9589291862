/* etc-options.h - names and addresses inside, as the line asks for them. */
#ifndef PLAN_ETC_OPTIONS_H
#define PLAN_ETC_OPTIONS_H

#include "plan/option.h"

extern const struct option_rows etc_option_rows;
/* Reads the operand of one of these rows. NULL, or what is wrong. */
problem etc_options_read(const struct option_row *row, const char *word, struct op *op);
/* Whether the operation went into the last one, so that one file has both. */
bool etc_options_join(const struct root_plan *root, const struct op *op);
/* One such operation in words; arena memory. */
const char *etc_options_text(const struct op *op);

#endif
