/* explain.c - how a plan is told to a person, stage by stage. The words of each option stand with its subject.
 *
 * Pure: everything is told from the plan and the caller's facts; no system call, no exit.
 */
#include "plan/explain.h"

#include "plan/command-options.h"
#include "plan/cover.h"
#include "plan/filter-options.h"
#include "plan/landlock-options.h"
#include "plan/limit-options.h"
#include "plan/lines.h"
#include "plan/net-options.h"
#include "plan/ns-options.h"
#include "plan/pasta-options.h"
#include "plan/plan.h"
#include "plan/report-options.h"
#include "plan/root-options.h"
#include "plan/shape.h"
#include "utils.h"

const char *plan_stage_name(enum stage stage)
{
	static const char names[][12] = {
		[STAGE_READ] = "read",     [STAGE_CHECK] = "check", [STAGE_SPLIT] = "split",
		[STAGE_BECOME] = "become", [STAGE_PIN] = "pin",     [STAGE_MOVE_IN] = "move in",
		[STAGE_BUILD] = "build",   [STAGE_LOCK] = "lock",   [STAGE_PREPARE] = "prepare",
		[STAGE_GO] = "go",
	};
	return names[stage];
}

static void explain_go(const struct plan *plan, struct text *text)
{
	bool has_begun = landlock_options_explain_go(plan, text);
	has_begun |= filter_options_explain_go(plan, has_begun, text);
	struct text words = { 0 };
	for (char *const *word = plan->command.argv; *word; word++)
		text_add(&words, " %s", shell_word(*word));
	explain_line(text, has_begun ? "" : "go", "run%s%s%s", words.bytes,
		     plan->command.argv0 ? ", which sees itself as " : "",
		     plan->command.argv0 ? shell_word(plan->command.argv0) : "");
}

void plan_explain_stage(const struct plan *plan, const struct shape *shape,
			const struct caller *caller, enum stage stage, struct text *text)
{
	switch (stage) {
	case STAGE_READ:
	case STAGE_CHECK:
		return;
	case STAGE_SPLIT:
		shape_explain(plan, shape, text);
		report_options_explain_split(plan, text);
		limit_options_explain_split(plan, shape, text);
		return;
	case STAGE_BECOME:
		ns_options_explain_become(plan, shape, caller, text);
		net_options_explain_become(plan, text);
		pasta_options_explain_become(plan, shape, caller, text);
		return;
	case STAGE_PIN:
		if (plan_has_op(plan, OP_BIND) || plan_has_op(plan, OP_DEV) ||
		    plan_has_op(plan, OP_OVERLAY))
			explain_line(text, "pin",
				     "every source, as a detached copy with its flags set");
		return;
	case STAGE_MOVE_IN:
		explain_line(text, "move in", "/ is %s; nothing of the host is left",
			     !plan_first_op_is_root(plan) ? "an empty tmpfs"
			     : plan->root.ops[0].skip_missing
				     ? "what the first operation shows, or else an empty tmpfs"
				     : "what the first operation shows");
		return;
	case STAGE_BUILD:
		root_options_explain(plan, shape, text);
		return;
	case STAGE_LOCK:
		ns_options_explain_lock(plan, shape, text);
		return;
	case STAGE_PREPARE:
		command_options_explain(plan, shape, caller, text);
		report_options_explain_prepare(plan, text);
		filter_options_explain_prepare(plan, text);
		limit_options_explain_prepare(plan, text);
		return;
	case STAGE_GO:
		explain_go(plan, text);
		return;
	}
}

void plan_explain(const struct plan *plan, const struct shape *shape, const struct caller *caller,
		  struct text *text)
{
	for (enum stage stage = STAGE_SPLIT; stage <= STAGE_GO; stage++)
		plan_explain_stage(plan, shape, caller, stage, text);
}
