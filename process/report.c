/* report.c - what the caller is told in JSON.
 *
 * What setup tells has to arrive. What is told of the end is worth less than COMMAND's status, which goes
 * on even where nobody reads any more.
 */
#include "process/report.h"

#include "limit/usage.h"
#include "mount/proc.h"
#include "ns/namespaces.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/end.h"
#include "utils.h"

#include <errno.h>
#include <string.h>

static void write_report(const struct run *run, const struct fd_at *to, const char *json)
{
	bool done = write_all(to->fd, json, strlen(json));
	if (!done && errno == ETIMEDOUT && run->supervisor)
		end_if_asked(run);
	if (!done)
		die("%s: Can't write to descriptor %d: %s%s", position_text(to->position), to->fd,
		    errno_text(errno), errno == EBADF ? "; it is not open for writing" : "");
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

void report_exit(const struct run *run, int exit_code)
{
	struct text json = { 0 };
	if (run->plan->report.json_status.fd < 0)
		return;
	text_add(&json, "{ \"exit-code\": %d }\n", exit_code);
	write_all(run->plan->report.json_status.fd, json.bytes, json.length);
}

void report_usage(const struct run *run, const struct usage *usage, const char *cause)
{
	if (run->plan->report.json_status.fd < 0)
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
			text_add(&json, ", \"%s\": %lld", members[i].name,
				 (long long) members[i].value);
	text_add(&json, " }\n");
	write_all(run->plan->report.json_status.fd, json.bytes, json.length);
}
