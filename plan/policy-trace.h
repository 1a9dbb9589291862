/* policy-trace.h - what a call breaks, and which options would let it pass. */
#ifndef PLAN_POLICY_TRACE_H
#define PLAN_POLICY_TRACE_H

#include "plan/policy.h"

/* Adds to `used` the rules that a call of `arch` breaks, or the call itself where an allow list lacks it: as words that
 * --seccomp-allow takes. False when nothing denies it. Makes no words, so that asking often costs
 * no memory: they live as long as `name`, and a number has none until the rule is kept. */
bool policy_find_denial(const struct verdicts *verdicts, const char *name, uint32_t arch,
			const uint64_t *arguments, struct rules *used);
void policy_keep_found(struct call_rule *rule);
/* The --seccomp-* options that would let the calls in `used` pass, in place of those given. */
const char *policy_flags_that_allow(const struct policy *policy, const struct rules *used);

#endif
