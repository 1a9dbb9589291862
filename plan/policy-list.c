/* policy-list.c - lists of system calls, read: names, arguments, actions, groups.
 *
 * Pure: libseccomp is asked for names and numbers, nothing else.
 */
#include "plan/policy-list.h"

#include "plan/calls.h"
#include "plan/nearest.h"
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
	if (action == POLICY_PRETEND)
		return "0";
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

void policy_add_rule(struct rules *rules, const struct call_rule *rule)
{
	rules->items = arena_grow(rules->items, rules->n, &rules->capacity, sizeof(*rule));
	rules->items[rules->n++] = *rule;
}

bool policy_list_has(const char *list, const char *name)
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
		policy_add_rule(reader->rules, &rule);
		found = true;
	}
	uint64_t value;
	if (found || !takes_numbers || !parse_any_base(value_word, UINT32_MAX, &value))
		return found;
	rule.mask = from ? 0 : UINT32_MAX;
	rule.value = (uint32_t) value;
	policy_add_rule(reader->rules, &rule);
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

/* What a call is to answer, besides: 0, where its success returns nothing that the caller goes on with. */
static bool read_call_action(const char *name, const char *word, uint32_t *ret_action)
{
	if (!streq(word, "0") || has_arguments(name))
		return read_action(word, ret_action);
	*ret_action = POLICY_PRETEND;
	return true;
}

static problem check_pretence(const struct list_reader *reader, const struct call_rule *rule)
{
	if (rule->action != POLICY_PRETEND || policy_list_has(calls_that_may_pretend, rule->name))
		return NULL;
	return problem_at(reader->position,
			  "%s cannot answer 0 without being done; those that can are %s",
			  rule->name, calls_that_may_pretend);
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
	bool argument_is_action =
		argument && !last && read_call_action(name, argument, &rule.action);
	if (last && !read_call_action(name, last, &rule.action))
		return unknown_qualifier(reader, name, last);
	problem bad = check_pretence(reader, &rule);
	if (bad)
		return bad;
	if (!argument || argument_is_action)
		policy_add_rule(reader->rules, &rule);
	else if (!add_argument_rules(reader, rule, argument))
		return unknown_qualifier(reader, name, argument);
	if (rule.action && reader->use == USE_ALLOW)
		return problem_at(reader->position,
				  "%s is to be allowed, so it cannot have an error", name);
	if (reader->use == USE_DENY && policy_list_has(calls_of_sysv_ipc, name)) {
		rule.name = "ipc";
		rule.number = seccomp_syscall_resolve_name(rule.name);
		policy_add_rule(reader->rules, &rule);
	}
	return NULL;
}

static problem read_group(const struct list_reader *reader, const char *name,
			  const char *action_word, uint32_t action)
{
	if (action_word && !read_call_action(name, action_word, &action))
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
		for (size_t r = before; !bad && r < reader->rules->n; r++)
			bad = check_pretence(reader, &reader->rules->items[r]);
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

problem policy_read_built_in(const char *list, const char *why, uint32_t action,
			     struct rules *rules)
{
	struct list_reader reader = { .rules = rules, .why = why, .built_in = true };
	return read_list(&reader, list, action);
}
