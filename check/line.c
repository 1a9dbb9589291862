/* line.c - what one line needs, by carrying it out as far as COMMAND, but for what it would do outside: outside.c. */
#include "check/line.h"

#include "check/outside.h"
#include "plan/cover.h"
#include "plan/explain.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "run/foresee.h"
#include "run/misses.h"
#include "utils.h"

#include <unistd.h>

static const char stage_words[][48] = {
	[STAGE_SPLIT] = "processes and namespaces",
	[STAGE_BECOME] = "ids, host name, loopback device",
	[STAGE_PIN] = "every source",
	[STAGE_MOVE_IN] = "the new root",
	[STAGE_BUILD] = "every operation",
	[STAGE_LOCK] = "nothing can be undone",
	[STAGE_PREPARE] = "capabilities, session, directory",
	[STAGE_GO] = "filters, COMMAND",
};

static void add_notes(struct finding *finding, const char *const *notes, size_t n)
{
	const char **all = arena_alloc((finding->n_notes + n) * sizeof(*all));
	for (size_t i = 0; i < finding->n_notes; i++)
		all[i] = finding->notes[i];
	for (size_t i = 0; i < n; i++)
		all[finding->n_notes + i] = notes[i];
	finding->notes = all;
	finding->n_notes += n;
}

static bool tell(const struct plan *plan, const struct trial *trial, const struct outside *outside,
		 struct findings *findings)
{
	enum stage last = trial->works ? STAGE_GO : trial->stage;
	bool works = trial->works && !outside->refused;
	bool outside_first = outside->refused && (trial->works || outside->stage < trial->stage);
	enum stage failed = outside_first ? outside->stage : trial->stage;
	add_notes(finding_add(findings, plan_stage_name(STAGE_READ), WORKS, "the words", NULL),
		  plan->warnings, plan->n_warnings);
	for (enum stage stage = STAGE_SPLIT; stage <= STAGE_GO; stage++) {
		enum verdict verdict = works || stage < failed ? WORKS
				       : stage == failed       ? FAILS
							       : UNTRIED;
		struct finding *finding =
			finding_add(findings, plan_stage_name(stage), verdict, stage_words[stage],
				    verdict != FAILS ? NULL
				    : outside_first  ? outside->refused
						     : trial->message);
		if (stage == STAGE_BUILD)
			add_notes(finding, outside->notes, outside->n_notes);
		if (stage == last)
			add_notes(finding, trial->notes, trial->n_notes);
	}
	return works;
}

/* Of what works, and is hardly meant so. */
static void warn(const struct run *run)
{
	const struct root_plan *root = &run->plan->root;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		const char *mistake = plan_op_mistake(run->plan, op);
		if (mistake)
			say_note("%s: %s", position_text(op->position), mistake);
	}
	foresee(run);
}

bool line_check(struct host *host, struct plan *plan, struct run *run, check_story story,
		struct findings *ret_findings)
{
	struct trial trial;
	struct outside outside = { 0 };
	outside_look(run, &outside);
	if (trial_begin(&trial)) {
		close_fd(&host->proc_fd);
		host->caller.parent = getppid();
		warn(run);
		misses_look_outside(run);
		outside_leave_alone(run, plan);
		story(host, plan, run);
	}
	trials_hear(&trial, 1);
	if (trial.pid < 0)
		trial.message = arena_printf("Can't start a process: %s%s", errno_text(trial.error),
					     diagnose_new_namespace(run, 0, trial.error));
	if (trial.stage < STAGE_SPLIT)
		trial.stage = STAGE_SPLIT;
	return tell(plan, &trial, &outside, ret_findings);
}
