/* lines.h - lines of --dry-run and --verbose. */
#ifndef PLAN_LINES_H
#define PLAN_LINES_H

#include "utils.h"

/* One line: the stage's name where it begins, "" below it, then words, controls escaped so that no path can
 * look like a line of its own. */
void explain_line(struct text *text, const char *stage, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A word as a shell would have to be told it. */
const char *shell_word(const char *word);

#endif
