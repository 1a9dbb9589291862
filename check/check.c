/* check.c - --check and --features: whether a sandbox can be had here, or that of one line, and why not.
 *
 * Beside the story, which it has carried out by others: trial.c. It changes nothing and leaves nothing.
 */
#include "check/check.h"

#include "check/features.h"
#include "check/finding.h"
#include "check/line.h"
#include "check/machine.h"
#include "plan/explain.h"
#include "plan/given.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool check_is_asked_for(const struct plan *plan)
{
	return plan->look.check || plan->look.features || plan->look.check_json.fd >= 0 ||
	       plan->look.features_json.fd >= 0;
}

problem check_question(const struct plan *plan)
{
	static const char questions[][2][16] = { { "--dry-run", "--dry-run" },
						 { "--check", "--check-json" },
						 { "--features", "--features-json" } };
	const char *first = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		const char *name = questions[i][options_given(plan, questions[i][1])];
		if (!options_given(plan, name))
			continue;
		if (first)
			return option_refused(
				plan, name,
				arena_printf("%s asks something else: give one of the two",
					     position_text(options_position(plan, first))));
		first = name;
	}
	return NULL;
}

/* Whether there is anything on the line but how to talk. */
static bool has_line(const struct plan *plan)
{
	bool found = plan->command.argv[0];
	for (size_t i = 0; i < plan->n_given; i++)
		found |= plan->given[i].row->group != GROUP_GENERAL;
	return found;
}

static void put(int fd, const char *position, const char *text)
{
	if (!write_all(fd, text, strlen(text)))
		die_errno(errno, "%s: Can't write to descriptor %d", position, fd);
}

static void put_json(const struct fd_at *to, const char *json)
{
	if (to->fd >= 0)
		put(to->fd, position_text(to->position), json);
}

static _Noreturn void tell_features(struct run *run, check_story story)
{
	struct findings findings = { 0 };
	features_find(run, story, &findings);
	if (run->plan->look.features)
		put(STDOUT_FILENO, "--features", features_as_lines(&findings));
	put_json(&run->plan->look.features_json, features_as_json(&findings));
	_exit(0);
}

static _Noreturn void conclude(const struct plan *plan, const struct findings *findings, bool works,
			       const char *conclusion)
{
	if (plan->look.check)
		put(STDOUT_FILENO, "--check", findings_as_lines(findings, conclusion));
	put_json(&plan->look.check_json, findings_as_json(findings, works));
	_exit(works ? 0 : die_status());
}

_Noreturn void check_refuse(const struct plan *plan, enum stage stage, problem bad)
{
	struct findings findings = { 0 };
	finding_add(&findings, plan_stage_name(stage), FAILS, NULL, bad);
	conclude(plan, &findings, false, "This line works nowhere.");
}

static const char *const conclusions[] = {
	[NO_SANDBOX] = "No sandbox can be had here.",
	[SANDBOX_WITHOUT_PROC] = "A sandbox can be had here, but none with a /proc of its own.",
	[WHOLE_SANDBOX] = "A sandbox can be had here.",
};

_Noreturn void check_carry_out(struct host *host, struct plan *plan, struct run *run,
			       check_story story)
{
	struct findings findings = { 0 };
	plan->rehearses = true;
	host->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!plan->look.check && plan->look.check_json.fd < 0)
		tell_features(run, story);
	if (has_line(plan)) {
		bool works = line_check(host, plan, run, story, &findings);
		conclude(plan, &findings, works,
			 works ? "This line works here." : "This line fails here.");
	}
	enum sandbox sandbox = machine_check(run, story, &findings);
	conclude(plan, &findings, sandbox == WHOLE_SANDBOX, conclusions[sandbox]);
}
