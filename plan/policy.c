/* policy.c - what the lists and the profile come to: which calls are denied, which allowed.
 *
 * Pure: libseccomp is asked for names and numbers, nothing else. policy-list.c reads the lists;
 * compose.c makes BPF of what they come to, filters.c loads it.
 */
#include "plan/policy.h"

#include "plan/calls.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/position.h"
#include "utils.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

static bool is_same_call(const struct call_rule *a, const struct call_rule *b)
{
	return a->number == b->number;
}

static bool is_same_comparison(const struct call_rule *a, const struct call_rule *b)
{
	return a->mask == b->mask && a->value == b->value && a->index == b->index;
}

bool policy_is_same_rule(const struct call_rule *a, const struct call_rule *b)
{
	return is_same_call(a, b) && !a->word == !b->word &&
	       (!a->word || (is_same_comparison(a, b) && a->clear == b->clear));
}

struct call_rule policy_rule_on(const struct call_rule *rule, uint32_t arch)
{
	struct call_rule there = *rule;
	for (size_t i = 0; i < n_call_differences; i++) {
		const struct call_difference *difference = &call_differences[i];
		if (difference->arch != arch || !rule->word || !streq(rule->name, difference->name))
			continue;
		if (!*difference->word || streq(rule->word, difference->word))
			there.index = difference->index;
		if (streq(rule->word, difference->word))
			there.value = difference->value;
	}
	return there;
}

/* Whether a call that the rule means passes all the same. 0: nothing does. */
static bool only_logs(const struct call_rule *rule, uint32_t deny_action)
{
	return (rule->action ? rule->action : deny_action) == SCMP_ACT_LOG;
}

/* Whether `general`, which means a call whatever its arguments (or whatever the one after that which
 * both judge), leaves nothing to say for `rule`. It takes the place of a built-in row; but what only
 * logs opens nothing. */
static bool makes_superfluous(const struct call_rule *general, const struct call_rule *rule,
			      uint32_t deny_action)
{
	bool same = (general->action ? general->action : deny_action) ==
		    (rule->action ? rule->action : deny_action);
	bool is_wider = !general->word ||
			(is_same_comparison(general, rule) && rule->clear && !general->clear);
	return rule->word && is_wider && is_same_call(rule, general) &&
	       (same ||
		(!only_logs(general, deny_action) && (only_logs(rule, deny_action) || rule->why)));
}

/* Each rule once, the last word of the caller; but logging never takes the place of a built-in
 * row. */
struct rules policy_without_repetition(const struct rules *rules, uint32_t deny_action)
{
	struct rules result = { 0 };
	for (size_t i = 0; i < rules->n; i++) {
		const struct call_rule *rule = &rules->items[i];
		bool superseded = false;
		for (size_t j = 0; j < rules->n && !superseded; j++) {
			const struct call_rule *other = &rules->items[j];
			superseded = (j > i && policy_is_same_rule(rule, other) &&
				      !(rule->why && only_logs(other, deny_action))) ||
				     makes_superfluous(other, rule, deny_action);
		}
		if (!superseded)
			policy_add_rule(&result, rule);
	}
	return result;
}

void policy_split_denied(const struct rules *denied, uint32_t deny_action,
			 struct rules ret_layers[N_DENIED_LAYERS])
{
	memset(ret_layers, 0, N_DENIED_LAYERS * sizeof(*ret_layers));
	for (size_t i = 0; i < denied->n; i++) {
		const struct call_rule *rule = &denied->items[i];
		enum denied_layer layer =
			only_logs(rule, deny_action) ? DENIED_LOGGED : DENIED_WHOLE;
		/* libseccomp takes both for one call in one order and not in the other. */
		for (size_t j = 0; j < denied->n && layer == DENIED_WHOLE && rule->word; j++)
			if (!denied->items[j].word && is_same_call(&denied->items[j], rule))
				layer = DENIED_BY_ARGUMENT;
		policy_add_rule(&ret_layers[layer], rule);
	}
}

/* Of those that judge an argument one that denies, if there is one. */
static const struct call_rule *find_by_argument(const struct rules *rules, const char *name,
						uint32_t deny_action)
{
	const struct call_rule *found = NULL;
	for (size_t i = 0; i < rules->n; i++)
		if (rules->items[i].word && streq(rules->items[i].name, name) &&
		    (!found || only_logs(found, deny_action)))
			found = &rules->items[i];
	return found;
}

static bool has_rule(const struct rules *rules, const char *name, bool denies, uint32_t deny_action)
{
	for (size_t i = 0; i < rules->n; i++)
		if (streq(rules->items[i].name, name) &&
		    (!denies || !only_logs(&rules->items[i], deny_action)))
			return true;
	return false;
}

static void read_built_in(const char *list, const char *why, uint32_t action, struct rules *rules,
			  problem *ret_bad)
{
	problem bad = policy_read_built_in(list, why, action, rules);
	if (!*ret_bad)
		*ret_bad = bad;
}

/* The flags of clone3 are in memory, where no filter sees them. Where those of clone are judged it
 * answers ENOSYS, for which every C library falls back to clone. */
static void judge_clone3(struct rules *rules, const struct rules *exceptions, uint32_t deny_action)
{
	const struct call_rule *clone = find_by_argument(rules, "clone", deny_action);
	if (!clone || has_rule(rules, "clone3", !only_logs(clone, deny_action), deny_action) ||
	    has_rule(exceptions, "clone3", false, deny_action))
		return;
	struct call_rule rule = { .name = "clone3",
				  .number = seccomp_syscall_resolve_name("clone3"),
				  .action = SCMP_ACT_ERRNO(ENOSYS),
				  .why = "its flags cannot be judged" };
	policy_add_rule(rules, &rule);
}

static bool is_socket(const struct call_rule *rule)
{
	return streq(rule->name, "socket") || streq(rule->name, "socketpair");
}

bool policy_is_family(const struct call_rule *rule)
{
	return rule->word && is_socket(rule);
}

bool policy_is_socketcall_for(const struct call_rule *rule, const struct call_rule *socket)
{
	return is_socket(socket) && streq(rule->name, "socketcall") &&
	       (!rule->word ||
		streq(rule->word, streq(socket->name, "socket") ? "SOCKET" : "SOCKETPAIR"));
}

static bool judges_socketcall_for(const struct rules *rules, const struct call_rule *socket,
				  bool denies, uint32_t deny_action)
{
	for (size_t i = 0; i < rules->n; i++)
		if (policy_is_socketcall_for(&rules->items[i], socket) &&
		    (!denies || !only_logs(&rules->items[i], deny_action)))
			return true;
	return false;
}

bool policy_judges_socketcall_for(const struct rules *rules, const struct call_rule *socket)
{
	return judges_socketcall_for(rules, socket, false, 0);
}

/* The same for socketcall(2): where a family is denied, all are there. */
static void judge_socketcall(struct rules *rules, const struct rules *exceptions,
			     uint32_t deny_action, problem *ret_bad)
{
	static const char *const entries[][2] = { { "socket", "socketcall:SOCKET" },
						  { "socketpair", "socketcall:SOCKETPAIR" } };
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const struct call_rule *socket =
			find_by_argument(rules, entries[i][0], deny_action);
		if (socket &&
		    !judges_socketcall_for(rules, socket, !only_logs(socket, deny_action),
					   deny_action) &&
		    !policy_judges_socketcall_for(exceptions, socket))
			read_built_in(entries[i][1], "its family cannot be judged", socket->action,
				      rules, ret_bad);
	}
}

/* With the rules that others need beside them. */
static struct rules judged(const struct rules *denied, const struct rules *exceptions,
			   uint32_t deny_action, problem *ret_bad)
{
	struct rules result = policy_without_repetition(denied, deny_action);
	judge_clone3(&result, exceptions, deny_action);
	judge_socketcall(&result, exceptions, deny_action, ret_bad);
	return result;
}

bool policy_is_fallback(const struct call_rule *rule)
{
	return streq(rule->name, "clone3") && rule->action == SCMP_ACT_ERRNO(ENOSYS);
}

static void read_profile_rows(const struct profile *profile, struct rules *rules, problem *ret_bad)
{
	for (size_t i = 0; i < profile->n_rows; i++)
		read_built_in(profile->rows[i].list, profile->rows[i].why, 0, rules, ret_bad);
}

/* `rule` means this value and all above; what is left of it when `value` is let out. */
static void add_range_without(struct rules *rules, struct call_rule rule, uint32_t value)
{
	uint32_t first = rule.value;
	for (uint32_t v = first; v < value; v++) {
		struct call_rule one = rule;
		one.mask = UINT32_MAX;
		one.value = v;
		one.word = arena_printf("%u", v);
		policy_add_rule(rules, &one);
	}
	rule.value = value + 1;
	rule.word = arena_printf("%u+", rule.value);
	policy_add_rule(rules, &rule);
}

static bool is_within_range(const struct call_rule *range, const struct call_rule *rule)
{
	enum { LONGEST = 256 };
	return is_same_call(range, rule) && range->word && range->mask == 0 && rule->word &&
	       rule->mask == UINT32_MAX && rule->value >= range->value &&
	       rule->value - range->value < LONGEST;
}

/* What is denied without what the caller wants allowed in spite of it. */
struct rules policy_without_exceptions(const struct rules *denied, const struct rules *allowed)
{
	struct rules left = *denied;
	for (size_t a = 0; a < allowed->n; a++) {
		const struct call_rule *allow = &allowed->items[a];
		struct rules next = { 0 };
		for (size_t i = 0; i < left.n; i++) {
			const struct call_rule *rule = &left.items[i];
			if (is_within_range(rule, allow))
				add_range_without(&next, *rule, allow->value);
			else if (!policy_is_same_rule(rule, allow) &&
				 (allow->word || !is_same_call(rule, allow)))
				policy_add_rule(&next, rule);
		}
		left = next;
	}
	return left;
}

static struct rules without_calls_of_init(const struct rules *rules)
{
	struct rules result = { 0 };
	for (size_t i = 0; i < rules->n; i++)
		if (!policy_list_has(calls_of_init, rules->items[i].name))
			policy_add_rule(&result, &rules->items[i]);
	return result;
}

bool policy_has_allow_list(const struct policy *policy)
{
	return policy->profile ? policy->profile->allows : policy->allow.n > 0;
}

static struct verdicts resolve(const struct profile *profile, const struct rules *deny,
			       const struct rules *allow, uint32_t deny_action, enum filtered whom)
{
	struct verdicts verdicts = { .has_allow_list = profile ? profile->allows : allow->n > 0 };
	struct rules denied = { 0 }, allowed = { 0 };
	const struct rules none = { 0 };
	if (profile)
		read_profile_rows(profile, profile->allows ? &allowed : &denied, &verdicts.bad);
	else if (verdicts.has_allow_list)
		read_built_in(calls_always, "execve and the loader", 0, &allowed, &verdicts.bad);
	if (verdicts.has_allow_list)
		for (size_t i = 0; i < allow->n; i++)
			policy_add_rule(&allowed, &allow->items[i]);
	else
		denied = policy_without_exceptions(&denied, allow);
	denied = judged(&denied, allow, deny_action, &verdicts.bad);
	struct rules own = judged(deny, &none, deny_action,
				  &verdicts.bad); /* exceptions are made to a profile only */
	for (size_t i = 0; i < own.n; i++)
		policy_add_rule(&denied, &own.items[i]);
	if (whom == FILTER_INIT) {
		denied = without_calls_of_init(&denied);
		if (verdicts.has_allow_list)
			read_built_in(calls_of_init, "pid 1", 0, &allowed, &verdicts.bad);
	}
	verdicts.denied = policy_without_repetition(&denied, deny_action);
	verdicts.allowed = policy_without_repetition(&allowed, 0);
	judge_clone3(&verdicts.allowed, &none, 0);
	return verdicts;
}

struct verdicts policy_resolve(const struct policy *policy, enum filtered whom)
{
	return resolve(policy->profile, &policy->deny, &policy->allow, policy->deny_action, whom);
}

struct verdicts profile_resolve(const struct profile *profile, enum filtered whom)
{
	const struct rules none = { 0 };
	return resolve(profile, &none, &none, POLICY_DEFAULT_ACTION, whom);
}

bool policy_uses_built_profile(const struct policy *policy)
{
	return policy->profile && !policy->allow.n &&
	       policy->deny_action == POLICY_DEFAULT_ACTION && policy->trace.fd < 0;
}

bool policy_is_given(const struct policy *policy)
{
	return policy->profile || policy->deny.n || policy->allow.n;
}
