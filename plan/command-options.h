/* command-options.h - COMMAND and its surroundings as the line asks for them. */
#ifndef PLAN_COMMAND_OPTIONS_H
#define PLAN_COMMAND_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

/* The guards' rows stand between the two. */
extern const struct option_rows command_option_rows, process_option_rows;
problem command_options_read(struct reader *reader, const struct option_row *row,
			     char *const *words, struct position position);
/* What contradicts itself; NULL: nothing. */
problem command_options_check(const struct plan *plan, const struct caller *caller,
			      const struct shape *shape);
/* Whether the words of a line that cannot be read have `--exit-codes env` among them. NULL ends them. */
bool command_options_ask_for_env_codes(char *const *words);
/* Lines of --dry-run. */
void command_options_explain(const struct plan *plan, const struct shape *shape,
			     const struct caller *caller, struct text *text);

#endif
