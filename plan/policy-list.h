/* policy-list.h - lists of system calls, read. */
#ifndef PLAN_POLICY_LIST_H
#define PLAN_POLICY_LIST_H

#include "plan/plan.h"

enum rule_use { USE_DENY, USE_ALLOW };
/* Reads a LIST as --seccomp-deny and --seccomp-allow take it, behind what is there. */
problem policy_read_list(struct position position, const char *list, enum rule_use use,
			 struct rules *rules);
problem policy_read_action(struct position position, const char *word, uint32_t *ret_action);
problem policy_read_profile(struct position position, const char *word,
			    const struct profile **ret_profile);
/* The same for a list of our own, whose names this libseccomp may not know; `action` is that of what has none. */
problem policy_read_built_in(const char *list, const char *why, uint32_t action,
			     struct rules *rules);
void policy_add_rule(struct rules *rules, const struct call_rule *rule);
/* Whether one of the names between the commas is this one. */
bool policy_list_has(const char *list, const char *name);
/* "socket:AF_NETLINK" and "EPERM"; arena memory. */
const char *policy_rule_text(const struct call_rule *rule);
const char *policy_action_text(uint32_t action);

#endif
