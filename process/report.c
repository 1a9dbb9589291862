/* report.c - what the caller is told in JSON: man/status.schema.json has all of it.
 *
 * What setup tells has to arrive. What is told of COMMAND and of the end is worth less than COMMAND's status, which goes
 * on even where nobody reads any more. What is not known is left out.
 */
#include "process/report.h"

#include "limit/usage.h"
#include "mount/made-source.h"
#include "mount/proc.h"
#include "ns/namespaces.h"
#include "plan/explain.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/end.h"
#include "process/protocol.h"
#include "process/state.h"
#include "run/causes.h"
#include "run/failure.h"
#include "run/json.h"
#include "utils.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

static void write_report(const struct run *run, const struct fd_at *to, const char *json)
{
	bool done = write_all(to->fd, json, strlen(json));
	if (!done && errno == ETIMEDOUT && run->supervisor)
		end_if_asked(run);
	if (!done)
		die_because(errno, "%s: Can't write to descriptor %d: %s",
			    position_text(to->position), to->fd, errno_text(errno));
}

void report_namespaces(const struct run *run, pid_t child)
{
	const struct plan *plan = run->plan;
	if (plan->report.info.fd >= 0) {
		struct text json = { 0 };
		text_add(&json, "{\n    ");
		ns_describe(run, child, "\n    ", &json);
		text_add(&json, "\n}\n");
		write_report(run, &plan->report.info, json.bytes);
	}
	if (plan->report.json_status.fd >= 0) {
		struct text json = { 0 };
		text_add(&json, "{ ");
		ns_describe(run, child, " ", &json);
		text_add(&json, " }\n");
		write_report(run, &plan->report.json_status, json.bytes);
	}
}

void report_step_down(const struct run *run, int op, uint64_t proc_form)
{
	const struct root_plan *root = &run->plan->root;
	if (run->plan->report.json_status.fd < 0 || op < 0 || (size_t) op >= root->n_ops)
		die("The sandbox told of an operation that there is not and is ended for it");
	/* A position is made of the options' own words: nothing in it has to be escaped. */
	write_report(run, &run->plan->report.json_status,
		     arena_printf("{ \"proc\": \"%s\", \"at\": \"%s\" }\n",
				  proc_form == PROC_VISIBLE ? "visible" : "subset=pid",
				  position_text(root->ops[op].position)));
}

/* ---- events ---- */

enum { PATIENCE_MS = 5000 };

/* Whether it can be written to without waiting, within so many milliseconds. */
static bool is_ready(const struct run *run, int patience_ms)
{
	struct pollfd reader = { .fd = run->plan->report.json_status.fd, .events = POLLOUT };
	return poll(&reader, 1, patience_ms) > 0;
}

void report_untold(const struct run *run, int patience_ms)
{
	struct supervisor *self = run->supervisor;
	struct text *untold = &self->untold;
	int fd = run->plan->report.json_status.fd;
	if (!untold->length || (!patience_ms && !is_ready(run, 0)))
		return;
	/* To whom nobody reads any more nothing is told: half a line stays the last one. */
	self->is_unheard =
		!(patience_ms ? write_all_within(fd, untold->bytes, untold->length, patience_ms)
			      : write_all(fd, untold->bytes, untold->length));
	untold->length = 0;
}

static bool is_asked(const struct run *run)
{
	return run->plan->report.json_status.fd >= 0 && !run->plan->dry_run;
}

static void tell(const struct run *run, const struct text *json, int patience_ms)
{
	struct supervisor *self = run->supervisor;
	if (self && !self->is_unheard) {
		text_add_bytes(&self->untold, json->bytes, json->length);
		report_untold(run, patience_ms);
	} else if (!self && is_ready(run, patience_ms)) {
		write_all(run->plan->report.json_status.fd, json->bytes, json->length);
	}
}

static void begin_event(struct text *json, const char *event)
{
	text_add(json, "{ \"event\": \"%s\"", event);
}

static void add_number(struct text *json, const char *name, uint64_t value)
{
	text_add(json, ", \"%s\": %llu", name, (unsigned long long) value);
}

static void add_words(struct text *json, const char *name, const char *words)
{
	if (!words)
		return;
	text_add(json, ", \"%s\": ", name);
	json_add_string(json, words);
}

static void end_event(const struct run *run, struct text *json, int patience_ms)
{
	text_add(json, " }\n");
	tell(run, json, patience_ms);
}

static void add_position(struct text *json, const char *sentence)
{
	struct position position;
	if (!sentence || !position_find(sentence, &position))
		return;
	add_words(json, "option", position.option);
	add_number(json, "argument", position.argument);
	if (position.args_word)
		add_number(json, "word", position.args_word);
}

static void add_cause(struct text *json, const char *sentence)
{
	enum cause cause = sentence ? cause_find(sentence) : N_CAUSES;
	if (cause < N_CAUSES)
		add_words(json, "cause", causes[cause].id);
}

/* Also where nothing stands on standard error: it was a signal, or is what the reader waits for, or nobody is
 * left there. */
static const char *sentence_of(const struct failure *failure)
{
	return failure->sentence ? failure->sentence
	       : failure->exit_status > 128
		       ? arena_printf("Signal %d came before COMMAND was started",
				      failure->exit_status - 128)
		       : "The sandbox ended before COMMAND was started";
}

void report_failure(const struct run *run, const struct told_failure *told)
{
	const struct failure *failure = &told->failure;
	struct supervisor *self = run->supervisor;
	struct text json = { 0 };
	if (!is_asked(run) || (self && self->failure_told))
		return;
	if (self)
		self->failure_told = true;
	bool started = self && self->started && !self->not_started;
	begin_event(&json, started         ? "supervisor-failed"
			   : told->of_exec ? "exec-failed"
					   : "setup-failed");
	if (told->stage >= 0 && told->stage <= STAGE_GO)
		add_words(&json, "stage", plan_stage_name((enum stage) told->stage));
	add_position(&json, failure->sentence);
	add_words(&json, "path", failure->path);
	add_words(&json, "errno", failure->error ? errno_name(failure->error) : NULL);
	if (failure->exit_status > 128)
		add_number(&json, "signal", (uint64_t) failure->exit_status - 128);
	add_cause(&json, failure->sentence);
	add_words(&json, "message", sentence_of(failure));
	end_event(run, &json, PATIENCE_MS);
}

void report_early_failure(void *argument, const struct failure *failure)
{
	const struct run *run = argument;
	made_sources_remove(run);
	report_failure(run,
		       &(struct told_failure){ .failure = *failure, .stage = (int) run->stage });
}

/* What the first one says is the cause; others follow from it. */
void report_hear_failure(const struct run *run, const struct message *message, const char *words)
{
	struct supervisor *self = run->supervisor;
	if (!words || self->failure)
		return;
	self->failure = arena_alloc(sizeof(*self->failure));
	*self->failure = failure_read(message, words);
}

void report_not_started(const struct run *run, int status)
{
	const struct told_failure *heard = run->supervisor->failure;
	if (heard)
		report_failure(run, heard);
	else if (WIFEXITED(status)) /* of a signal run_end_with_setup() tells */
		report_failure(run,
			       &(struct told_failure){ .failure.exit_status = WEXITSTATUS(status),
						       .stage = -1 });
}

void report_started(const struct run *run)
{
	struct supervisor *self = run->supervisor;
	struct text json = { 0 };
	if (!is_asked(run))
		return;
	begin_event(&json, "started");
	if (self->command)
		add_number(&json, "pid", (uint64_t) self->command);
	add_number(&json, "user-namespace", self->userns_id);
	end_event(run, &json, 0);
}

void report_timeout(const struct run *run)
{
	struct text json = { 0 };
	if (!is_asked(run) || run->supervisor->timeout_told)
		return;
	run->supervisor->timeout_told = true;
	begin_event(&json, "timed-out");
	add_number(&json, "timeout-ms", (uint64_t) run->plan->limit.timeout_ms);
	end_event(run, &json, 0);
}

void report_end(const struct run *run, int status)
{
	struct text json = { 0 };
	if (!is_asked(run))
		return;
	begin_event(&json, "exited");
	if (WIFSIGNALED(status)) {
		add_number(&json, "signal", (uint64_t) WTERMSIG(status));
		text_add(&json, ", \"core-dumped\": %s", WCOREDUMP(status) ? "true" : "false");
	} else {
		add_number(&json, "code", (uint64_t) WEXITSTATUS(status));
	}
	end_event(run, &json, PATIENCE_MS);
}

void report_exit(const struct run *run, int exit_code)
{
	struct text json = { 0 };
	if (!is_asked(run))
		return;
	text_add(&json, "{ \"exit-code\": %d }\n", exit_code);
	tell(run, &json, PATIENCE_MS);
}

void report_usage(const struct run *run, const struct usage *usage, const char *cause)
{
	if (!is_asked(run))
		return;
	const struct {
		const char *name;
		int64_t value;
	} members[] = { { "memory-peak-bytes", usage->memory_peak_bytes },
			{ "max-rss-bytes", usage->max_rss_bytes },
			{ "cpu-us", usage->cpu_us },
			{ "oom-kills", usage->oom_kills },
			{ "throttled", usage->throttled } };
	struct text json = { 0 };
	text_add(&json, "{ \"ended-by\": \"%s\"", cause);
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (members[i].value >= 0)
			add_number(&json, members[i].name, (uint64_t) members[i].value);
	end_event(run, &json, PATIENCE_MS);
}
