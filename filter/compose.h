/* compose.h - verdicts to BPF, by libseccomp. */
#ifndef FILTER_COMPOSE_H
#define FILTER_COMPOSE_H

#include "plan/policy.h"

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

#endif
