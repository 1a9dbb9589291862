/* pasta-options.h - a network carried by pasta(1), or by slirp4netns(1), as the line asks for it. */
#ifndef PLAN_PASTA_OPTIONS_H
#define PLAN_PASTA_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

/* Where they listen for questions to a resolver, which they hand to the host's. */
#define PASTA_RESOLVER "169.254.1.1"
#define SLIRP_RESOLVER "10.0.2.3"

extern const struct option_rows pasta_option_rows;
problem pasta_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			   struct position position);
/* The whole command line, NULL behind it; arena memory. Descriptor 0 is the network namespace, 1 the user namespace that
 * owns it, where there is one of its own; to 2 it says what fails, and a number when it is ready. */
char **pasta_options_words(const struct plan *plan, const struct shape *shape,
			   const struct caller *caller);
char **pasta_options_slirp_words(const struct plan *plan, const struct shape *shape,
				 const struct caller *caller);
/* Of what slirp4netns cannot do; NULL: it can all. */
const struct position *pasta_options_not_for_slirp(const struct plan *plan);
/* A line of --dry-run. */
void pasta_options_explain_become(const struct plan *plan, const struct shape *shape,
				  const struct caller *caller, struct text *text);

#endif
