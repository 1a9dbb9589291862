/* landlock-options.h - whom COMMAND may reach, as the line asks for it. */
#ifndef PLAN_LANDLOCK_OPTIONS_H
#define PLAN_LANDLOCK_OPTIONS_H

#include "plan/reader.h"

extern const struct option_rows landlock_option_rows;
problem landlock_options_read(struct reader *reader, const struct option_row *row,
			      char *const *words, struct position position);
/* What contradicts itself; NULL: nothing. */
problem landlock_options_check(const struct plan *plan);
/* The first rule of this kind on the line; NULL: there is none, and then nothing of that kind is restricted. */
const struct landlock_rule *landlock_first(const struct plan *plan, enum landlock_kind kind);
/* Whether TCP is restricted, and with it what is TCP under another name. */
bool landlock_judges_tcp(const struct plan *plan);
/* Lines of --dry-run; returns whether there were any. */
bool landlock_options_explain_go(const struct plan *plan, struct text *text);

#endif
