/* filter-options.h - filters, guards and labels as the line asks for them. */
#ifndef PLAN_FILTER_OPTIONS_H
#define PLAN_FILTER_OPTIONS_H

#include "plan/reader.h"

extern const struct option_rows guard_option_rows, filter_option_rows;
problem filter_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			    struct position position);
/* What contradicts itself; NULL: nothing. */
problem filter_options_check(const struct plan *plan);
/* Why these bytes are no program; NULL when they may be one. */
problem filters_check(struct position position, const char *bytes, size_t length);
/* Lines of --dry-run for two stages. */
void filter_options_explain_prepare(const struct plan *plan, struct text *text);
/* has_begun: the stage has lines already. Returns whether there were any. */
bool filter_options_explain_go(const struct plan *plan, bool has_begun, struct text *text);
/* Which of the line's filters end a process for a call, and for which; NULL: none does. Arena memory. */
const char *filter_options_killers(const struct plan *plan);

#endif
