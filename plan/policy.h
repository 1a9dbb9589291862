/* policy.h - what the lists and the profile come to: which calls are denied, which allowed. */
#ifndef PLAN_POLICY_H
#define PLAN_POLICY_H

#include "plan/plan.h"

/* Anything beside the caller's own programs. */
bool policy_is_given(const struct policy *policy);
/* Whether only what is allowed passes. */
bool policy_has_allow_list(const struct policy *policy);
/* Whose calls are judged: pid 1 runs under the same filters, but for what it needs itself. */
enum filtered { FILTER_COMMAND, FILTER_INIT };

/* What a policy comes to. A call passes when no rule in `denied` means it and, with an allow list,
 * one in `allowed` does. Rules in `allowed` may carry an action of their own. */
struct verdicts {
	struct rules denied, allowed;
	bool has_allow_list;
	problem bad; /* of a table of bwrapish's own, which then must not be used; NULL: none */
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
bool policy_is_same_rule(const struct call_rule *a, const struct call_rule *b);
/* Each rule once, the last word of the caller. */
struct rules policy_without_repetition(const struct rules *rules, uint32_t deny_action);
/* What is denied without what the caller wants allowed in spite of it. */
struct rules policy_without_exceptions(const struct rules *denied, const struct rules *allowed);

#endif
