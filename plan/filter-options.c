/* filter-options.c - filters, guards and labels as the line asks for them: rows, readers, contradictions,
 * words. */
#include "plan/filter-options.h"

#include "plan/calls.h"
#include "plan/descriptors.h"
#include "plan/given.h"
#include "plan/lines.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "utils.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>

enum { PROGRAM_LATE, PROGRAM_NOW, DENY, ALLOW, ACTION, PROFILE, FAKE_CHOWN, SUPPRESS_SYNC };

#define ROW(...) OPTION(FILTER, __VA_ARGS__)
/* clang-format off */
static const struct option_row guard_rows[] = {
	ROW("no-tty-guard", "", COMMAND, "allow typing into the caller's terminal, and signals (O_ASYNC)", FLAG, AT(filter.no_tty_guard)),
	ROW("allow-keys", "", COMMAND, "leave COMMAND the caller's kernel keys (keyctl)", FLAG, AT(filter.allow_keys)),
};
static const struct option_row rows[] = {
	ROW("seccomp", "FD", SECURITY, "load the BPF program in FD", OWN, .value = PROGRAM_LATE, .use = USE_OWN, .traits = WANTS_END | LAST_WINS | PROMISES_SAFETY),
	ROW("add-seccomp-fd", "FD", SECURITY, "the same, repeatable", OWN, .value = PROGRAM_NOW, .use = USE_DRAINED, .traits = WANTS_END | PROMISES_SAFETY),
	ROW("seccomp-deny", "LIST", SECURITY, "deny the system calls and @groups in LIST, NAME:ERRNO with that error", OWN, .value = DENY),
	ROW("fake-chown", "", SECURITY, "have chown(2) and its like succeed, and do nothing", OWN, .value = FAKE_CHOWN),
	ROW("suppress-sync", "", SECURITY, "have fsync(2) and its like succeed, and do nothing", OWN, .value = SUPPRESS_SYNC),
	ROW("seccomp-allow", "LIST", SECURITY, "allow only those in LIST; with a profile, allow them in spite of it", OWN, .value = ALLOW),
	ROW("seccomp-errno", "ACTION", SECURITY, "what is denied fails with this error (EPERM), or kill, or log", OWN, .value = ACTION, .traits = LAST_WINS | NEEDS_POLICY),
	ROW("seccomp-profile", "PROFILE", SECURITY, "deny what a built-in profile denies: default, build or minimal", OWN, .value = PROFILE, .choices = "default build minimal", .traits = LAST_WINS),
	ROW("seccomp-log", "", SECURITY, "have the kernel log what these deny", FLAG, AT(filter.policy.log), .traits = NEEDS_POLICY),
	ROW("seccomp-dump", "FD", SECURITY, "write what these come to to FD, as BPF for --seccomp", FD, AT(filter.policy.dump), .use = USE_OWN, .traits = WRITES | NEEDS_POLICY),
	ROW("seccomp-trace", "FD", SECURITY, "deny nothing, write to FD what these would deny; no sandbox then", FD, AT(filter.policy.trace), .use = USE_OWN, .supervised = 9, .traits = NEEDS_POLICY | SUPERVISOR_WRITES),
	ROW("exec-label", "LABEL", SECURITY, "SELinux label of COMMAND", WORD, AT(command.exec_label)),
};
/* clang-format on */
const struct option_rows guard_option_rows = { guard_rows, ARRAY_SIZE(guard_rows) };
const struct option_rows filter_option_rows = { rows, ARRAY_SIZE(rows) };

/* ---- reading ---- */

problem filters_check(struct position position, const char *bytes, size_t length)
{
	const char *why = NULL;
	size_t n_printable = 0;
	while (n_printable < length &&
	       (strchr("\t\n\r", bytes[n_printable]) ? bytes[n_printable] != '\0'
						     : bytes[n_printable] >= ' '))
		n_printable++;
	if (length == 0)
		why = "it is empty";
	else if (length >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
		why = "it is an ELF file";
	else if (n_printable == length) /* no program is: its first instruction has zeros in it */
		why = "it is text";
	else if (length % sizeof(struct sock_filter))
		why = arena_printf(
			"%zu bytes are not a whole number of instructions, of %zu bytes each",
			length, sizeof(struct sock_filter));
	else if (length / sizeof(struct sock_filter) > BPF_MAXINSNS)
		why = arena_printf("it has more than the %d instructions that the kernel takes",
				   BPF_MAXINSNS);
	return why ? arena_printf("%s: Not a seccomp program: %s", position_text(position), why)
		   : NULL;
}

static problem read_program(struct reader *reader, const struct option_row *row, const char *word,
			    struct position position)
{
	struct filter_plan *filter = &reader->plan->filter;
	bool now = row->value == PROGRAM_NOW;
	struct seccomp_source source = { .at.position = position };
	if (filter->n_seccomp && (filter->seccomp[0].bytes != NULL) != now)
		return problem_at(
			position,
			"--seccomp and --add-seccomp-fd cannot be combined; use --add-seccomp-fd for all");
	if (!now) {
		fds_supersede(reader->plan, row);
		filter->n_seccomp = 0;
	}
	problem bad = fds_read(reader->plan, reader->io, row, position, word, &source.at.fd);
	if (bad)
		return bad;
	if (now) {
		char *bytes;
		if (!reader->io->read_fd(source.at.fd, &bytes, &source.length))
			return problem_at(position, "Can't read descriptor %d: %s", source.at.fd,
					  errno_text(errno));
		source.bytes = bytes;
		bad = filters_check(position, source.bytes, source.length);
	}
	filter->seccomp = arena_grow(filter->seccomp, filter->n_seccomp, &filter->capacity_seccomp,
				     sizeof(source));
	filter->seccomp[filter->n_seccomp++] = source;
	return bad;
}

problem filter_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			    struct position position)
{
	struct policy *policy = &reader->plan->filter.policy;
	switch (row->value) {
	case PROGRAM_LATE:
	case PROGRAM_NOW:
		return read_program(reader, row, words[0], position);
	case DENY:
		return policy_read_list(position, words[0], USE_DENY, &policy->deny);
	case ALLOW:
		return policy_read_list(position, words[0], USE_ALLOW, &policy->allow);
	case ACTION:
		return policy_read_action(position, words[0], &policy->deny_action);
	case PROFILE:
		return policy_read_profile(position, words[0], &policy->profile);
	case FAKE_CHOWN:
		return policy_read_built_in(calls_of_chown, NULL, POLICY_PRETEND, &policy->deny);
	case SUPPRESS_SYNC:
		return policy_read_built_in("@sync:0", NULL, 0, &policy->deny);
	}
	return NULL;
}

/* ---- contradictions ---- */

/* Ranges are compared in 64 bits, of which the kernel takes the low 32: denying one too many is
 * safe, allowing one too many is not. */
static problem check_no_range_is_allowed(const struct plan *plan)
{
	const struct rules *allow = &plan->filter.policy.allow;
	for (size_t i = 0; i < allow->n; i++)
		if (allow->items[i].word && !allow->items[i].mask)
			return option_refused(
				plan, "--seccomp-allow",
				arena_printf(
					"%s is a range, which can only be denied; name each that is to be allowed",
					policy_rule_text(&allow->items[i])));
	return NULL;
}

static problem check_flags_are_deniable(const struct plan *plan)
{
	const struct rules *allow = &plan->filter.policy.allow;
	for (size_t i = 0;
	     i < allow->n && !(plan->filter.policy.profile && !plan->filter.policy.profile->allows);
	     i++)
		if (allow->items[i].word && allow->items[i].mask &&
		    allow->items[i].mask == allow->items[i].value &&
		    allow->items[i].mask != UINT32_MAX)
			return option_refused(
				plan, "--seccomp-allow",
				arena_printf(
					"%s means every call with this flag, whatever else is in it; deny the others instead",
					policy_rule_text(&allow->items[i])));
	return NULL;
}

problem filter_options_check(const struct plan *plan)
{
	const struct policy *policy = &plan->filter.policy;
	for (size_t i = 0; i < plan->n_given; i++) {
		const struct option_row *row = plan->given[i].row;
		if (row->traits & NEEDS_POLICY && !policy_is_given(policy))
			return option_refused(
				plan, row->name,
				"needs something to be denied: --seccomp-profile, --seccomp-deny or --seccomp-allow");
		if (row->traits & PROMISES_SAFETY && policy->trace.fd >= 0)
			return option_refused(
				plan, "--seccomp-trace",
				arena_printf(
					"lets everything through and cannot stand beside a promise of safety like %s",
					row->name));
	}
	if (policy->trace.fd >= 0 && plan->command.as_pid_1)
		return option_refused(plan, "--seccomp-trace",
				      "cannot be combined with --as-pid-1");
	problem bad = check_no_range_is_allowed(plan);
	return bad ? bad : check_flags_are_deniable(plan);
}

/* ---- in words ---- */

/* One line for the rules that have a reason and an action in common. */
static void explain_rules(const struct rules *rules, uint32_t default_action, struct text *text)
{
	for (size_t i = 0; i < rules->n;) {
		const struct call_rule *first = &rules->items[i], *rule = first;
		uint32_t action = first->action ? first->action : default_action;
		struct text words = { 0 };
		for (; i < rules->n && rule->why == first->why && rule->action == first->action;
		     rule = &rules->items[++i])
			if (rule == first ||
			    !streq(policy_rule_text(rule), policy_rule_text(rule - 1)))
				text_add(&words, " %s", policy_rule_text(rule));
		explain_line(text, "", "%s%s%s%s%s%s",
			     action == POLICY_PRETEND ? "do nothing and answer "
			     : action                 ? "deny with "
						      : "allow",
			     action ? policy_action_text(action) : "", first->why ? " (" : "",
			     first->why ? first->why : "", first->why ? "):" : ":", words.bytes);
	}
}

static void explain_policy(const struct policy *policy, struct text *text)
{
	if (policy->trace.fd >= 0)
		explain_line(text, "",
			     "%s: nothing is denied; what would be is written to descriptor %d",
			     position_text(policy->trace.position), policy->trace.fd);
	if (policy->log)
		explain_line(text, "", "the kernel logs what is denied");
	struct verdicts shown = { .denied = policy->deny,
				  .allowed = policy->allow,
				  .has_allow_list = policy_has_allow_list(policy) };
	if (policy->profile)
		explain_line(text, "", "the profile %s: %s", policy->profile->name,
			     policy->profile->help);
	else if (shown.has_allow_list && policy->dump.fd < 0)
		explain_line(text, "", "allow what execve and the dynamic loader need");
	if (policy->dump.fd >= 0) /* then call by call */
		shown = policy_resolve(policy, FILTER_COMMAND);
	if (shown.bad)
		explain_line(text, "", "%s", shown.bad);
	explain_rules(&shown.denied, policy->deny_action, text);
	explain_rules(&shown.allowed, 0, text);
	if (shown.has_allow_list)
		explain_line(text, "", "deny everything else with %s",
			     policy_action_text(policy->deny_action));
	else
		explain_line(text, "", "allow everything else");
	explain_line(
		text, "",
		"answer ENOSYS to calls that libseccomp has no name for, and to unknown architectures");
}

void filter_options_explain_prepare(const struct plan *plan, struct text *text)
{
	if (plan->filter.no_tty_guard)
		explain_line(text, "", "the caller's terminal is not guarded");
	if (plan->filter.allow_keys)
		explain_line(text, "", "the caller's kernel keys are not guarded");
	if (plan->command.exec_label)
		explain_line(text, "", "SELinux label of COMMAND: %s", plan->command.exec_label);
}

bool filter_options_explain_go(const struct plan *plan, bool has_begun, struct text *text)
{
	const struct filter_plan *filter = &plan->filter;
	for (size_t i = 0; i < filter->n_seccomp; i++)
		explain_line(text, i || has_begun ? "" : "go",
			     "%s: load the seccomp program in descriptor %d",
			     position_text(filter->seccomp[i].at.position),
			     filter->seccomp[i].at.fd);
	if (policy_is_given(&filter->policy)) {
		explain_line(text, filter->n_seccomp || has_begun ? "" : "go",
			     "load what the lists of system calls come to, last of all");
		explain_policy(&filter->policy, text);
	}
	return filter->n_seccomp || policy_is_given(&filter->policy);
}

enum { MOST_NAMED = 8 };

/* The calls that the lists name, where they are few. */
static const char *killed_calls(const struct policy *policy)
{
	struct text names = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < policy->deny.n; i++) {
		const struct call_rule *rule = &policy->deny.items[i];
		bool kills =
			streq(policy_action_text(rule->action ? rule->action : policy->deny_action),
			      "kill");
		if (kills && n++ <= MOST_NAMED)
			text_add(&names, "%s%s", names.length ? ", " : "", policy_rule_text(rule));
	}
	return n && n <= MOST_NAMED ? names.bytes : NULL;
}

const char *filter_options_killers(const struct plan *plan)
{
	const struct filter_plan *filter = &plan->filter;
	const struct policy *policy = &filter->policy;
	struct text text = { 0 };
	bool by_default = streq(policy_action_text(policy->deny_action), "kill");
	bool more = by_default && (policy->profile || policy_has_allow_list(policy));
	const char *calls = policy->trace.fd < 0 ? killed_calls(policy) : NULL;
	if (calls || (more && policy->trace.fd < 0))
		text_add(
			&text, "%s does so for %s",
			position_text(options_position(plan, by_default ? "--seccomp-errno"
									: "--seccomp-deny")),
			calls && !more
				? calls
				: "what is denied, and --seccomp-trace FD in its place tells what that is");
	for (size_t i = 0; i < filter->n_seccomp; i++)
		text_add(&text, "%sthe program of %s may", text.length ? ", and " : "",
			 position_text(filter->seccomp[i].at.position));
	return text.length ? text.bytes : NULL;
}
