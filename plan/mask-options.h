/* mask-options.h - --mask and --protect as the line asks for them. */
#ifndef PLAN_MASK_OPTIONS_H
#define PLAN_MASK_OPTIONS_H

#include "plan/option.h"
#include "plan/shape.h"

extern const struct option_rows
	mask_option_rows; /* root-options.c reads them: they are operations */
/* The first of them that could be taken off in a namespace of COMMAND's own, which therefore nobody
 * may make inside; NULL: none, or they are against accidents only. */
const struct op *mask_options_in_need_of_lock(const struct plan *plan);
problem mask_options_check(const struct plan *plan, const struct shape *shape);
/* One of them in words; arena memory. */
const char *mask_text(const struct op *op);
/* Lines of --dry-run: what is masked and protected in all. */
void mask_options_explain(const struct plan *plan, const struct shape *shape, struct text *text);

#endif
