/* policy.c - lists of system calls, read, put together, and told to a person.
 *
 * Pure: libseccomp is asked for names and numbers, nothing else. What may be denied or allowed and
 * what that comes to is decided here; compose.c makes BPF of it, filters.c loads it.
 */
#include "plan/policy.h"

#include "plan/calls.h"
#include "plan/options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

#define NAMED(error)          \
	{                     \
#error, error \
	}
static const struct {
	char name[16];
	int error;
} errors[] = {
	NAMED(EPERM),        NAMED(ENOENT),          NAMED(EINTR),      NAMED(EIO),
	NAMED(ENXIO),        NAMED(E2BIG),           NAMED(ENOEXEC),    NAMED(EBADF),
	NAMED(ECHILD),       NAMED(EAGAIN),          NAMED(ENOMEM),     NAMED(EACCES),
	NAMED(EFAULT),       NAMED(EBUSY),           NAMED(EEXIST),     NAMED(EXDEV),
	NAMED(ENODEV),       NAMED(ENOTDIR),         NAMED(EISDIR),     NAMED(EINVAL),
	NAMED(ENFILE),       NAMED(EMFILE),          NAMED(ENOTTY),     NAMED(EFBIG),
	NAMED(ENOSPC),       NAMED(ESPIPE),          NAMED(EROFS),      NAMED(EMLINK),
	NAMED(EPIPE),        NAMED(ERANGE),          NAMED(EDEADLK),    NAMED(ENAMETOOLONG),
	NAMED(ENOSYS),       NAMED(ENOTEMPTY),       NAMED(ELOOP),      NAMED(ENODATA),
	NAMED(EPROTO),       NAMED(EOVERFLOW),       NAMED(ENOTSOCK),   NAMED(EPROTONOSUPPORT),
	NAMED(EOPNOTSUPP),   NAMED(EAFNOSUPPORT),    NAMED(EADDRINUSE), NAMED(ENETDOWN),
	NAMED(ENETUNREACH),  NAMED(ENOBUFS),         NAMED(ETIMEDOUT),  NAMED(ECONNREFUSED),
	NAMED(EHOSTUNREACH), NAMED(ESOCKTNOSUPPORT), NAMED(EDQUOT),
};

static const char *nth_error(size_t i)
{
	return i < ARRAY_SIZE(errors) ? errors[i].name : i == ARRAY_SIZE(errors) ? "kill" : "log";
}

static bool read_action(const char *word, uint32_t *ret_action)
{
	uint32_t action = streq(word, "kill")  ? SCMP_ACT_KILL_PROCESS
			  : streq(word, "log") ? SCMP_ACT_LOG
					       : 0;
	for (size_t i = 0; !action && i < ARRAY_SIZE(errors); i++)
		if (streq(word, errors[i].name))
			action = SCMP_ACT_ERRNO((uint32_t) errors[i].error);
	if (action)
		*ret_action = action;
	return action != 0;
}

static const char *meant(const char *near)
{
	return near ? arena_printf("; is %s meant?", near) : "";
}

problem policy_read_action(struct position position, const char *word, uint32_t *ret_action)
{
	if (read_action(word, ret_action))
		return NULL;
	return problem_at(position,
			  "%s is neither kill nor log nor the name of an error such as EPERM%s",
			  word, meant(nearest_word(word, nth_error, ARRAY_SIZE(errors) + 2)));
}

const char *policy_action_text(uint32_t action)
{
	if (action == SCMP_ACT_KILL_PROCESS)
		return "kill";
	if (action == SCMP_ACT_LOG)
		return "log";
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		if (SCMP_ACT_ERRNO((uint32_t) errors[i].error) == action)
			return errors[i].name;
	return "deny";
}

static const char *nth_known_name(size_t i)
{
	/* Every call of every architecture that the running kernel may accept; made only to word a
	 * mistake. */
	static const uint32_t arches[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64,
					   SCMP_ARCH_ARM };
	enum { N_NUMBERS = 1024 };
	if (i < n_call_groups)
		return call_groups[i].name;
	i -= n_call_groups;
	char *name = seccomp_syscall_resolve_num_arch(arches[i / N_NUMBERS], (int) (i % N_NUMBERS));
	const char *kept = name ? arena_copy(name, strlen(name)) : "";
	free(name);
	return kept;
}

static const char *nearest_call(const char *word)
{
	const char *near = nearest_word(word, nth_known_name, n_call_groups + 4 * 1024);
	return near && *near ? near : NULL;
}

static const char *nth_profile(size_t i)
{
	return profiles[i].name;
}

const struct profile *profile_find(const char *name)
{
	for (size_t i = 0; i < n_profiles; i++)
		if (streq(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

problem policy_read_profile(struct position position, const char *word,
			    const struct profile **ret_profile)
{
	*ret_profile = profile_find(word);
	if (*ret_profile)
		return NULL;
	return problem_at(position,
			  "There is no profile %s; there are default, build and minimal%s", word,
			  meant(nearest_word(word, nth_profile, n_profiles)));
}

const char *policy_rule_text(const struct call_rule *rule)
{
	return rule->word ? arena_printf("%s:%s", rule->name, rule->word) : rule->name;
}

/* ---- reading a list ---- */

struct list_reader {
	struct position position;
	enum rule_use use;
	struct rules *rules;
	const char *why;
	bool built_in; /* names that this libseccomp does not know are passed over */
};

static problem read_list(const struct list_reader *reader, const char *list, uint32_t action);

static void add_rule(struct rules *rules, const struct call_rule *rule)
{
	rules->items = arena_grow(rules->items, rules->n, &rules->capacity, sizeof(*rule));
	rules->items[rules->n++] = *rule;
}

static bool is_in_list(const char *list, const char *name)
{
	size_t length = strlen(name);
	for (const char *item = list; *item; item += strcspn(item, ","), item += *item == ',')
		if (strncmp(item, name, length) == 0 && (item[length] == ',' || !item[length]))
			return true;
	return false;
}

/* Adds a rule for each row that the word has. "+" behind a value: this one and all above. */
static bool add_argument_rules(const struct list_reader *reader, struct call_rule rule,
			       const char *word)
{
	size_t length = strlen(word);
	bool from = length > 1 && word[length - 1] == '+', found = false, takes_numbers = false;
	const char *value_word = from ? arena_copy(word, length - 1) : word;
	rule.word = word;
	for (size_t i = 0; i < n_call_arguments; i++) {
		const struct call_argument *argument = &call_arguments[i];
		if (!streq(argument->name, rule.name))
			continue;
		rule.index = argument->index;
		bool is_number = argument->mask == UINT32_MAX;
		takes_numbers |= is_number;
		if (!streq(argument->word, value_word) || (from && !is_number))
			continue;
		rule.mask = from ? 0 : argument->mask;
		rule.value = argument->value;
		rule.clear = argument->clear;
		add_rule(reader->rules, &rule);
		found = true;
	}
	uint64_t value;
	if (found || !takes_numbers || !parse_any_base(value_word, UINT32_MAX, &value))
		return found;
	rule.mask = from ? 0 : UINT32_MAX;
	rule.value = (uint32_t) value;
	add_rule(reader->rules, &rule);
	return true;
}

static const char *nth_argument(size_t i)
{
	return call_arguments[i].word;
}

static bool has_arguments(const char *name)
{
	for (size_t i = 0; i < n_call_arguments; i++)
		if (streq(call_arguments[i].name, name))
			return true;
	return false;
}

static problem unknown_qualifier(const struct list_reader *reader, const char *name,
				 const char *word)
{
	const char *near =
		has_arguments(name) ? nearest_word(word, nth_argument, n_call_arguments) : NULL;
	if (!near)
		near = nearest_word(word, nth_error, ARRAY_SIZE(errors) + 2);
	return problem_at(
		reader->position, "%s behind %s is neither an error, kill or log%s%s", word, name,
		has_arguments(name) ? " nor an argument that can be judged" : "", meant(near));
}

/* A call, perhaps with an argument, perhaps with an action: "socket:AF_NETLINK:EAFNOSUPPORT". */
static problem read_call(const struct list_reader *reader, const char *name, const char *argument,
			 const char *last, uint32_t action)
{
	struct call_rule rule = { .name = name,
				  .number = seccomp_syscall_resolve_name(name),
				  .action = action,
				  .why = reader->why };
	if (rule.number == __NR_SCMP_ERROR && reader->built_in)
		return NULL;
	if (rule.number == __NR_SCMP_ERROR)
		return problem_at(reader->position,
				  "Unknown system call %s (libseccomp %u.%u.%u does not know it)%s",
				  name, seccomp_version()->major, seccomp_version()->minor,
				  seccomp_version()->micro, meant(nearest_call(name)));
	bool argument_is_action = argument && !last && read_action(argument, &rule.action);
	if (last && !read_action(last, &rule.action))
		return unknown_qualifier(reader, name, last);
	if (!argument || argument_is_action)
		add_rule(reader->rules, &rule);
	else if (!add_argument_rules(reader, rule, argument))
		return unknown_qualifier(reader, name, argument);
	if (rule.action && reader->use == USE_ALLOW)
		return problem_at(reader->position,
				  "%s is to be allowed, so it cannot have an error", name);
	if (reader->use == USE_DENY && is_in_list(calls_of_sysv_ipc, name)) {
		rule.name = "ipc";
		rule.number = seccomp_syscall_resolve_name(rule.name);
		add_rule(reader->rules, &rule);
	}
	return NULL;
}

static problem read_group(const struct list_reader *reader, const char *name,
			  const char *action_word, uint32_t action)
{
	if (action_word && !read_action(action_word, &action))
		return unknown_qualifier(reader, name, action_word);
	if (action_word && reader->use == USE_ALLOW)
		return problem_at(reader->position,
				  "%s is to be allowed, so it cannot have an error", name);
	struct list_reader inner = *reader;
	inner.built_in = true;
	/* The table's own errors say how a denial is best answered; they mean nothing where it is
	 * allowed. */
	if (inner.use == USE_ALLOW)
		inner.use = USE_DENY;
	for (size_t i = 0; i < n_call_groups; i++) {
		if (!streq(call_groups[i].name, name))
			continue;
		size_t before = reader->rules->n;
		problem bad = read_list(&inner, call_groups[i].list, action);
		for (size_t r = before; r < reader->rules->n; r++)
			if (action_word || reader->use == USE_ALLOW)
				reader->rules->items[r].action =
					reader->use == USE_ALLOW ? 0 : action;
		return bad;
	}
	return problem_at(reader->position, "Unknown group %s%s", name, meant(nearest_call(name)));
}

static problem read_list(const struct list_reader *reader, const char *list, uint32_t action)
{
	problem bad = NULL;
	for (const char *next = list; !bad && next;) {
		size_t length = strcspn(next, ",");
		char *item = arena_copy(next, length), *words[3] = { item, NULL, NULL };
		next = next[length] ? next + length + 1 : NULL;
		for (size_t i = 1; i < ARRAY_SIZE(words) && words[i - 1] &&
				   (words[i] = strchr(words[i - 1], ':'));
		     i++)
			*words[i]++ = '\0';
		if (!*item)
			return arena_printf("%s: The list \"%s\" has an empty name in it",
					    position_text(reader->position), list);
		if (item[0] == '@' && words[2])
			bad = unknown_qualifier(reader, item, words[2]);
		else
			bad = item[0] == '@' ? read_group(reader, item, words[1], action)
					     : read_call(reader, item, words[1], words[2], action);
	}
	return bad;
}

problem policy_read_list(struct position position, const char *list, enum rule_use use,
			 struct rules *rules)
{
	struct list_reader reader = { .position = position, .use = use, .rules = rules };
	return read_list(&reader, list, 0);
}

/* ---- what it comes to ---- */

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
static struct rules without_repetition(const struct rules *rules, uint32_t deny_action)
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
			add_rule(&result, rule);
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
		add_rule(&ret_layers[layer], rule);
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

static void read_built_in(const char *list, const char *why, uint32_t action, struct rules *rules)
{
	struct list_reader reader = { .rules = rules, .why = why, .built_in = true };
	problem bad = read_list(&reader, list, action);
	if (bad)
		die("%s", bad);
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
	add_rule(rules, &rule);
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
			     uint32_t deny_action)
{
	static const char *const doors[][2] = { { "socket", "socketcall:SOCKET" },
						{ "socketpair", "socketcall:SOCKETPAIR" } };
	for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
		const struct call_rule *socket = find_by_argument(rules, doors[i][0], deny_action);
		if (socket &&
		    !judges_socketcall_for(rules, socket, !only_logs(socket, deny_action),
					   deny_action) &&
		    !policy_judges_socketcall_for(exceptions, socket))
			read_built_in(doors[i][1], "its family cannot be judged", socket->action,
				      rules);
	}
}

/* With the rules that others need beside them. */
static struct rules judged(const struct rules *denied, const struct rules *exceptions,
			   uint32_t deny_action)
{
	struct rules result = without_repetition(denied, deny_action);
	judge_clone3(&result, exceptions, deny_action);
	judge_socketcall(&result, exceptions, deny_action);
	return result;
}

bool policy_is_fallback(const struct call_rule *rule)
{
	return streq(rule->name, "clone3") && rule->action == SCMP_ACT_ERRNO(ENOSYS);
}

static void read_profile_rows(const struct profile *profile, struct rules *rules)
{
	for (size_t i = 0; i < profile->n_rows; i++)
		read_built_in(profile->rows[i].list, profile->rows[i].why, 0, rules);
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
		add_rule(rules, &one);
	}
	rule.value = value + 1;
	rule.word = arena_printf("%u+", rule.value);
	add_rule(rules, &rule);
}

static bool is_within_range(const struct call_rule *range, const struct call_rule *rule)
{
	enum { LONGEST = 256 };
	return is_same_call(range, rule) && range->word && range->mask == 0 && rule->word &&
	       rule->mask == UINT32_MAX && rule->value >= range->value &&
	       rule->value - range->value < LONGEST;
}

/* What is denied without what the caller wants allowed in spite of it. */
static struct rules without_exceptions(const struct rules *denied, const struct rules *allowed)
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
				add_rule(&next, rule);
		}
		left = next;
	}
	return left;
}

static struct rules without_calls_of_init(const struct rules *rules)
{
	struct rules result = { 0 };
	for (size_t i = 0; i < rules->n; i++)
		if (!is_in_list(calls_of_init, rules->items[i].name))
			add_rule(&result, &rules->items[i]);
	return result;
}

static struct verdicts resolve(const struct profile *profile, const struct rules *deny,
			       const struct rules *allow, uint32_t deny_action, enum filtered whom)
{
	struct verdicts verdicts = { .has_allow_list = profile ? profile->allows : allow->n > 0 };
	struct rules denied = { 0 }, allowed = { 0 };
	const struct rules none = { 0 };
	if (profile)
		read_profile_rows(profile, profile->allows ? &allowed : &denied);
	else if (verdicts.has_allow_list)
		read_built_in(calls_always, "execve and the loader", 0, &allowed);
	if (verdicts.has_allow_list)
		for (size_t i = 0; i < allow->n; i++)
			add_rule(&allowed, &allow->items[i]);
	else
		denied = without_exceptions(&denied, allow);
	denied = judged(&denied, allow, deny_action);
	struct rules own =
		judged(deny, &none, deny_action); /* exceptions are made to a profile only */
	for (size_t i = 0; i < own.n; i++)
		add_rule(&denied, &own.items[i]);
	if (whom == FILTER_INIT) {
		denied = without_calls_of_init(&denied);
		if (verdicts.has_allow_list)
			read_built_in(calls_of_init, "pid 1", 0, &allowed);
	}
	verdicts.denied = without_repetition(&denied, deny_action);
	verdicts.allowed = without_repetition(&allowed, 0);
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

/* ---- telling ---- */

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

void policy_explain(const struct plan *plan, void (*line)(struct text *, const char *),
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
				  .has_allow_list = policy->profile ? policy->profile->allows
								    : policy->allow.n > 0 };
	if (policy->profile)
		line(text, arena_printf("the profile %s: %s", policy->profile->name,
					policy->profile->help));
	else if (shown.has_allow_list && policy->dump.fd < 0)
		line(text, "allow what execve and the dynamic loader need");
	if (policy->dump.fd >= 0) /* then call by call */
		shown = policy_resolve(policy, FILTER_COMMAND);
	explain_rules(&shown.denied, policy->deny_action, line, text);
	explain_rules(&shown.allowed, 0, line, text);
	line(text, shown.has_allow_list ? arena_printf("deny everything else with %s",
						       policy_action_text(policy->deny_action))
					: "allow everything else");
	line(text, "answer ENOSYS to calls that libseccomp has no name for, and to unknown "
		   "architectures");
}

/* ---- tracing ---- */

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
	add_rule(used, &rule);
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
			add_rule(used, rule);
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
		add_rule(used, &call);
	return true;
}

static bool is_among(const struct rules *rules, const struct call_rule *rule)
{
	for (size_t i = 0; i < rules->n; i++)
		if (policy_is_same_rule(&rules->items[i], rule) ||
		    (!rules->items[i].word && is_same_call(&rules->items[i], rule)))
			return true;
	return false;
}

static void add_list(struct text *flags, const char *option, const struct rules *rules,
		     uint32_t deny_action, bool with_actions)
{
	struct rules unique = without_repetition(rules, deny_action);
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
	struct rules deny = without_exceptions(&policy->deny, used), allow = policy->allow;
	struct verdicts lists = resolve(policy->profile, &deny, &policy->allow, policy->deny_action,
					FILTER_COMMAND);
	for (size_t i = 0; i < used->n; i++) {
		const struct call_rule *rule = &used->items[i];
		bool in_profile = !lists.has_allow_list && policy->profile;
		if ((in_profile || lists.has_allow_list) && !is_among(&allow, rule))
			add_rule(&allow, rule);
	}
	add_list(&flags, "--seccomp-deny", &deny, policy->deny_action, true);
	add_list(&flags, "--seccomp-allow", &allow, 0, false);
	return flags.bytes ? flags.bytes : "";
}
