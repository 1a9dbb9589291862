/* explain.h - how a plan is told to a person. */
#ifndef PLAN_EXPLAIN_H
#define PLAN_EXPLAIN_H

#include "plan/shape.h"

/* The stages of a run that can be told; what --verbose says when one begins is what --dry-run says
 * of it. */
enum stage {
	STAGE_SPLIT,
	STAGE_BECOME,
	STAGE_PIN,
	STAGE_MOVE_IN,
	STAGE_BUILD,
	STAGE_LOCK,
	STAGE_PREPARE,
	STAGE_GO
};
void plan_explain_stage(const struct plan *plan, const struct shape *shape,
			const struct caller *caller, enum stage stage, struct text *text);
/* All stages: the text of --dry-run. */
void plan_explain(const struct plan *plan, const struct caller *caller, struct text *text);
/* One operation in words, as --dry-run and --verbose tell it; arena memory. */
const char *plan_op_text(const struct op *op, const struct shape *shape);
/* The earlier operation that made the place of `op` read-only, by the words of the plan; NULL: none.
 * is_missing: of each operation, whether it shows nothing, as there is no such source. */
const struct op *plan_who_made_read_only(const struct plan *plan, const struct op *op,
					 const bool *is_missing);
/* How what the operation protects or hides can be had back, because it lies in a writable bind; NULL: it
 * does not. Arena memory. is_missing may be NULL: nobody has looked for sources yet. */
const char *plan_op_risk(const struct plan *plan, const struct op *op, const bool *is_missing);

#endif
