/* ns-options.h - namespaces and identity as the line asks for them. */
#ifndef PLAN_NS_OPTIONS_H
#define PLAN_NS_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"
#include "sys/nskind.h"

extern const struct option_rows ns_option_rows;
problem ns_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			struct position position);
/* What contradicts itself; NULL: nothing. */
problem ns_options_check(const struct plan *plan, const struct caller *caller,
			 const struct shape *shape);
/* What is joined of this kind before setup; NULL: nothing. And the first of them all. */
const struct fd_at *ns_options_joined(const struct ns_plan *ns, enum ns_kind kind);
const struct fd_at *ns_options_first_joined(const struct ns_plan *ns);
/* ", which --share-net (argument 2) has taken back", behind the need of a new network namespace; "": none was asked for. */
const char *ns_options_taken_back(const struct plan *plan);
/* Lines of --dry-run for two stages. */
void ns_options_explain_become(const struct plan *plan, const struct shape *shape,
			       const struct caller *caller, struct text *text);
void ns_options_explain_lock(const struct plan *plan, const struct shape *shape, struct text *text);

#endif
