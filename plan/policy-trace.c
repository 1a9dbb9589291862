/* policy-trace.c - what a call breaks, and which options would let it pass: the words of
 * --seccomp-trace.
 */
#include "plan/policy-trace.h"

#include "plan/calls.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy.h"
#include "utils.h"

#include <seccomp.h>
#include <string.h>

static bool is_meant(const struct call_rule *general, const char *name, uint32_t arch,
		     const uint64_t *arguments)
{
	if (!streq(general->name, name))
		return false;
	struct call_rule rule = policy_rule_on(general, arch);
	uint64_t value = rule.word ? arguments[rule.index] : 0;
	return !rule.word ||
	       ((rule.mask ? ((uint32_t) value & rule.mask) == rule.value : value >= rule.value) &&
		!(rule.clear && arguments[rule.index + 1] & rule.clear));
}

/* "AF_PACKET" for the value of an argument that is judged as a number, where it has a name. */
static const char *value_word(const struct call_rule *rule)
{
	for (size_t i = 0; i < n_call_arguments; i++)
		if (streq(call_arguments[i].name, rule->name) &&
		    call_arguments[i].mask == UINT32_MAX && !call_arguments[i].clear &&
		    call_arguments[i].value == rule->value)
			return call_arguments[i].word;
	return arena_printf("%#x", rule->value);
}

static bool takes_numbers(const char *name, uint8_t *ret_index)
{
	for (size_t i = 0; i < n_call_arguments; i++)
		if (streq(call_arguments[i].name, name) && call_arguments[i].mask == UINT32_MAX) {
			*ret_index = call_arguments[i].index;
			return true;
		}
	return false;
}

static void add_value_rule(struct rules *used, struct call_rule rule, const uint64_t *arguments)
{
	rule.mask = UINT32_MAX;
	rule.value = (uint32_t) arguments[rule.index];
	rule.word = "";
	policy_add_rule(used, &rule);
}

void policy_keep_found(struct call_rule *rule)
{
	rule->name = arena_copy(rule->name, strlen(rule->name));
	if (rule->word && !*rule->word)
		rule->word = value_word(rule);
}

bool policy_find_denial(const struct verdicts *verdicts, const char *name, uint32_t arch,
			const uint64_t *arguments, struct rules *used)
{
	size_t before = used->n;
	for (size_t i = 0; i < verdicts->denied.n; i++) {
		const struct call_rule *rule = &verdicts->denied.items[i];
		if (!is_meant(rule, name, arch, arguments))
			continue;
		if (rule->word && !rule->clear && (rule->mask == 0 || rule->mask == UINT32_MAX))
			add_value_rule(used, *rule, arguments);
		else
			policy_add_rule(used, rule);
	}
	if (!verdicts->has_allow_list)
		return used->n > before;
	for (size_t i = 0; i < verdicts->allowed.n; i++)
		if (is_meant(&verdicts->allowed.items[i], name, arch, arguments))
			return used->n > before;
	struct call_rule call = { .name = name, .number = seccomp_syscall_resolve_name(name) };
	if (takes_numbers(name, &call.index))
		add_value_rule(used, call, arguments);
	else
		policy_add_rule(used, &call);
	return true;
}

static bool is_used_already(const struct rules *rules, const struct call_rule *rule)
{
	for (size_t i = 0; i < rules->n; i++)
		if (policy_is_same_rule(&rules->items[i], rule) ||
		    (!rules->items[i].word && rules->items[i].number == rule->number))
			return true;
	return false;
}

static void add_list(struct text *flags, const char *option, const struct rules *rules,
		     uint32_t deny_action, bool with_actions)
{
	struct rules unique = policy_without_repetition(rules, deny_action);
	for (size_t i = 0; i < unique.n; i++)
		text_add(flags, "%s%s%s%s",
			 i ? "," : arena_printf("%s%s ", flags->length ? " " : "", option),
			 policy_rule_text(&unique.items[i]),
			 with_actions && unique.items[i].action ? ":" : "",
			 with_actions && unique.items[i].action
				 ? policy_action_text(unique.items[i].action)
				 : "");
}

const char *policy_flags_that_allow(const struct policy *policy, const struct rules *used)
{
	struct text flags = { 0 };
	if (policy->profile)
		text_add(&flags, "--seccomp-profile %s", policy->profile->name);
	struct rules deny = policy_without_exceptions(&policy->deny, used), allow = policy->allow;
	for (size_t i = 0; i < used->n; i++) {
		const struct call_rule *rule = &used->items[i];
		if ((policy->profile || policy_has_allow_list(policy)) &&
		    !is_used_already(&allow, rule))
			policy_add_rule(&allow, rule);
	}
	add_list(&flags, "--seccomp-deny", &deny, policy->deny_action, true);
	add_list(&flags, "--seccomp-allow", &allow, 0, false);
	return flags.bytes ? flags.bytes : "";
}
