/* explain.h - how a plan is told to a person. */
#ifndef PLAN_EXPLAIN_H
#define PLAN_EXPLAIN_H

#include "plan/shape.h"

/* The stages of a run; from STAGE_SPLIT on they can be told: what --verbose says when one begins is what
 * --dry-run says of it. */
enum stage {
	STAGE_READ,
	STAGE_CHECK,
	STAGE_SPLIT,
	STAGE_BECOME,
	STAGE_PIN,
	STAGE_MOVE_IN,
	STAGE_BUILD,
	STAGE_LOCK,
	STAGE_PREPARE,
	STAGE_GO
};
const char *plan_stage_name(enum stage stage);
void plan_explain_stage(const struct plan *plan, const struct shape *shape,
			const struct caller *caller, enum stage stage, struct text *text);
/* All stages: the text of --dry-run. */
void plan_explain(const struct plan *plan, const struct shape *shape, const struct caller *caller,
		  struct text *text);

#endif
