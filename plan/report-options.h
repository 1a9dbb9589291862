/* report-options.h - descriptors and files for the caller as the line asks for them. */
#ifndef PLAN_REPORT_OPTIONS_H
#define PLAN_REPORT_OPTIONS_H

#include "plan/reader.h"

extern const struct option_rows report_option_rows;
problem report_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			    struct position position);
/* What contradicts itself; NULL: nothing. */
problem report_options_check(const struct plan *plan);
/* Lines of --dry-run for two stages. */
void report_options_explain_split(const struct plan *plan, struct text *text);
void report_options_explain_prepare(const struct plan *plan, struct text *text);

#endif
