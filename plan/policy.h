/* policy.h - which system calls a filter denies: lists read, put together, told. */
#ifndef PLAN_POLICY_H
#define PLAN_POLICY_H

#include "plan/plan.h"

enum rule_use { USE_DENY, USE_ALLOW };
/* Reads a LIST as --seccomp-deny and --seccomp-allow take it, behind what is there. */
problem policy_read_list(struct position position, const char *list, enum rule_use use,
			 struct rules *rules);
problem policy_read_action(struct position position, const char *word, uint32_t *ret_action);
problem policy_read_profile(struct position position, const char *word,
			    const struct profile **ret_profile);
/* Anything beside the caller's own programs. */
bool policy_is_given(const struct policy *policy);
/* Lines of --dry-run, each handed to `line`. */
void policy_explain(const struct plan *plan, void (*line)(struct text *, const char *),
		    struct text *text);

/* Whose calls are judged: pid 1 runs under the same filters, but for what it needs itself. */
enum filtered { FILTER_COMMAND, FILTER_INIT };

/* What a policy comes to. A call passes when no rule in `denied` means it and, with an allow list,
 * one in `allowed` does. Rules in `allowed` may carry an action of their own. */
struct verdicts {
	struct rules denied, allowed;
	bool has_allow_list;
};
struct verdicts policy_resolve(const struct policy *policy, enum filtered whom);
/* The same for a profile alone. */
struct verdicts profile_resolve(const struct profile *profile, enum filtered whom);
/* What is denied in parts of which each decides before the next: a rule for one argument beside one
 * for the whole call; all others; what passes and is logged, which comes behind everything, the
 * allow list and the profile included. */
enum denied_layer { DENIED_BY_ARGUMENT, DENIED_WHOLE, DENIED_LOGGED, N_DENIED_LAYERS };
void policy_split_denied(const struct rules *denied, uint32_t deny_action,
			 struct rules ret_layers[N_DENIED_LAYERS]);
/* True when what the profile was compiled to when bwrapish was built may be used: --seccomp-deny
 * may stand beside it, but nothing that changes it. */
bool policy_uses_built_profile(const struct policy *policy);
/* clone3 where it answers ENOSYS so that clone is used, whose flags can be judged. */
bool policy_is_fallback(const struct call_rule *rule);
/* The rule as it has to be put for one architecture (libseccomp's token). */
struct call_rule policy_rule_on(const struct call_rule *rule, uint32_t arch);
/* A rule of socket(2) or socketpair(2) that judges the family. */
bool policy_is_family(const struct call_rule *rule);
/* Whether `rule` is of socketcall(2) and means what one of socket(2) or socketpair(2) does. */
bool policy_is_socketcall_for(const struct call_rule *rule, const struct call_rule *socket);
bool policy_judges_socketcall_for(const struct rules *rules, const struct call_rule *socket);
/* "socket:AF_NETLINK" and "EPERM"; arena memory. */
const char *policy_rule_text(const struct call_rule *rule);
const char *policy_action_text(uint32_t action);
/* Adds to `used` the rules that a call of `arch` breaks, or the call itself where an allow list lacks it: as words that
 * --seccomp-allow takes. False when nothing denies it. Makes no words, so that asking often costs
 * no memory: they live as long as `name`, and a number has none until the rule is kept. */
bool policy_find_denial(const struct verdicts *verdicts, const char *name, uint32_t arch,
			const uint64_t *arguments, struct rules *used);
void policy_keep_found(struct call_rule *rule);
bool policy_is_same_rule(const struct call_rule *a, const struct call_rule *b);
/* The --seccomp-* options that would let the calls in `used` pass, in place of those given. */
const char *policy_flags_that_allow(const struct policy *policy, const struct rules *used);

#endif
