/* limit-options.h - limits as the line asks for them. */
#ifndef PLAN_LIMIT_OPTIONS_H
#define PLAN_LIMIT_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

extern const struct option_rows limit_option_rows;
problem limit_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			   struct position position);
/* What contradicts itself; NULL: nothing. */
problem limit_options_check(const struct plan *plan);
/* Lines of --dry-run for two stages. */
void limit_options_explain_split(const struct plan *plan, const struct shape *shape,
				 struct text *text);
void limit_options_explain_prepare(const struct plan *plan, struct text *text);
const char *limits_resource_name(int resource);
const char *limits_rlim_text(rlim_t value); /* arena memory or static */
/* What to add to the error of a fork(2) or mkdir(2) in the sandbox's groups; "" when no limit of ours
 * explains it. */
const char *limits_cause(const struct plan *plan, int error);
/* Where on the line a key is limited, in words; NULL: nowhere. */
const char *limits_position(const struct plan *plan, const char *key);

#endif
