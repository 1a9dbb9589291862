/* policy.h - which system calls a filter denies: the words of calls.c, policy.c, compose.c and of
 * the generator of the built-in profiles. */
#ifndef POLICY_H
#define POLICY_H

#include "bwrapish.h"

/* What a word behind the name of a call stands for. One word may have several rows: each makes a
 * rule. */
struct call_argument {
	char name[16], word[24]; /* not pointers: see struct option_row */
	uint8_t index;
	uint32_t mask, value;
	uint32_t clear; /* bits that must not be in the argument after it */
};
extern const struct call_argument call_arguments[];
extern const size_t n_call_arguments;
/* What is different on one architecture, AUDIT_ARCH_.... `word` "": whatever the word. */
struct call_difference {
	uint32_t arch;
	char name[16], word[24];
	uint8_t index;
	uint32_t value; /* with a word */
};
extern const struct call_difference call_differences[];
extern const size_t n_call_differences;

struct call_group {
	const char *name, *list, *help;
};
extern const struct call_group call_groups[];
extern const size_t n_call_groups;

extern const char calls_always[];  /* execve(2) and the dynamic loader; part of every allow list */
extern const char calls_of_init[]; /* pid 1, once its filter is loaded */
extern const char calls_of_sysv_ipc[]; /* i386 reaches these through ipc(2) as well */

struct profile_row {
	const char *list, *why;
};
struct profile {
	const char *name, *help;
	bool allows; /* the rows are what is allowed, not what is denied */
	const struct profile_row *rows;
	size_t n_rows;
};
extern const struct profile profiles[];
extern const size_t n_profiles;
const struct profile *profile_find(const char *name);

/* ---- the policy of a plan ---- */

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
const char *policy_rule_words(const struct call_rule *rule);
const char *policy_action_words(uint32_t action);
/* Adds to `used` the rules that a call of `arch` breaks, or the call itself where an allow list lacks it: as words that
 * --seccomp-allow takes. False when nothing denies it. Makes no words, so that asking often costs
 * no memory: they live as long as `name`, and a number has none until the rule is kept. */
bool policy_find_denial(const struct verdicts *verdicts, const char *name, uint32_t arch,
			const uint64_t *arguments, struct rules *used);
void policy_keep_found(struct call_rule *rule);
bool policy_is_same_rule(const struct call_rule *a, const struct call_rule *b);
/* The --seccomp-* options that would let the calls in `used` pass, in place of those given. */
const char *policy_flags_that_allow(const struct policy *policy, const struct rules *used);

/* ---- compose.c: verdicts to BPF, by libseccomp ---- */
struct sock_filter;
struct program {
	const struct sock_filter *code;
	size_t n;
};
/* `native` is libseccomp's token of the architecture (0: the running one); those that its kernels
 * also take are covered with it. `part` of the verdicts becomes one program. What is denied without
 * an action of its own is answered by `deny_action`. */
struct program compose_denied(const struct rules *denied, uint32_t deny_action, uint32_t native,
			      bool linear);
struct program compose_allowed(const struct rules *allowed, uint32_t deny_action, uint32_t native,
			       bool linear);
/* One program that lets pass what each of them lets pass. */
struct program compose_joined(const struct program *parts, size_t n_parts);

/* ---- tools/flatten.c, at build time: the same answers in fewer instructions ---- */
struct program flatten(const struct program *program, uint32_t native);

#endif
