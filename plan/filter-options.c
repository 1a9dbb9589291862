/* filter-options.c - filters as the line asks for them, and in words. */
#include "plan/filter-options.h"

#include "plan/calls.h"
#include "plan/policy-list.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "utils.h"

#include <linux/filter.h>
#include <string.h>

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

/* ---- in words ---- */

/* One line for the rules that have a reason and an action in common. */
static void explain_rules(const struct rules *rules, uint32_t default_action,
			  void (*line)(struct text *, const char *), struct text *text)
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
		line(text, arena_printf("%s%s%s%s%s%s", action ? "deny with " : "allow",
					action ? policy_action_text(action) : "",
					first->why ? " (" : "", first->why ? first->why : "",
					first->why ? "):" : ":", words.bytes));
	}
}

void filters_explain(const struct plan *plan, void (*line)(struct text *, const char *),
		     struct text *text)
{
	const struct policy *policy = &plan->filter.policy;
	if (!policy_is_given(policy))
		return;
	if (policy->trace.fd >= 0)
		line(text,
		     arena_printf(
			     "%s: nothing is denied; what would be is written to descriptor %d",
			     position_text(policy->trace.position), policy->trace.fd));
	if (policy->log)
		line(text, "the kernel logs what is denied");
	struct verdicts shown = { .denied = policy->deny,
				  .allowed = policy->allow,
				  .has_allow_list = policy_has_allow_list(policy) };
	if (policy->profile)
		line(text, arena_printf("the profile %s: %s", policy->profile->name,
					policy->profile->help));
	else if (shown.has_allow_list && policy->dump.fd < 0)
		line(text, "allow what execve and the dynamic loader need");
	if (policy->dump.fd >= 0) /* then call by call */
		shown = policy_resolve(policy, FILTER_COMMAND);
	if (shown.bad)
		line(text, shown.bad);
	explain_rules(&shown.denied, policy->deny_action, line, text);
	explain_rules(&shown.allowed, 0, line, text);
	line(text, shown.has_allow_list ? arena_printf("deny everything else with %s",
						       policy_action_text(policy->deny_action))
					: "allow everything else");
	line(text, "answer ENOSYS to calls that libseccomp has no name for, and to unknown "
		   "architectures");
}
