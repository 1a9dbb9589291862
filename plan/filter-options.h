/* filter-options.h - filters as the line asks for them. */
#ifndef PLAN_FILTER_OPTIONS_H
#define PLAN_FILTER_OPTIONS_H

#include "plan/plan.h"

/* Why these bytes are no program; NULL when they may be one. */
problem filters_check(struct position position, const char *bytes, size_t length);
/* Lines of --dry-run for the lists and the profile, each handed to `line`. */
void filters_explain(const struct plan *plan, void (*line)(struct text *, const char *),
		     struct text *text);

#endif
