/* trace.c - --seccomp-trace: what a policy would deny, without denying it.
 *
 * In the supervisor, which is notified of such a call (filter/notify.c) and writes a line for each new kind.
 */
#include "filter/trace.h"

#include "filter/notify.h"
#include "filter/state.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy-trace.h"
#include "plan/policy.h"
#include "run/run.h"
#include "utils.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>

/* What COMMAND does must not fill the memory, of which its own limits do not count this. */
enum { MOST_KINDS = 1000 };

struct trace {
	bool truncated, is_unheard;
	struct verdicts verdicts;
	struct rules used;           /* what has been seen, as --seccomp-allow would take it */
	uint32_t arches[MOST_KINDS]; /* of each in `used` */
	struct rules broken;         /* by the call at hand */
};

static struct trace *trace_of(const struct run *run)
{
	struct filters *filters = run->filters;
	if (!filters->trace) {
		filters->trace = arena_alloc(sizeof(*filters->trace));
		filters->trace->verdicts =
			policy_resolve(&run->plan->filter.policy, FILTER_COMMAND);
	}
	return filters->trace;
}

static uint32_t arch_of(const struct seccomp_data *data)
{
#if defined(__x86_64__)
	if (data->arch == AUDIT_ARCH_X86_64 && data->nr & 0x40000000)
		return SCMP_ARCH_X32;
#endif
	return data->arch;
}

static const char *arch_name(uint32_t arch)
{
	switch (arch) {
	case SCMP_ARCH_X86_64:
		return "x86_64";
	case SCMP_ARCH_X32:
		return "x32";
	case SCMP_ARCH_X86:
		return "i386";
	case SCMP_ARCH_AARCH64:
		return "aarch64";
	case SCMP_ARCH_ARM:
		return "arm";
	default:
		return "native";
	}
}

static bool is_known(const struct trace *trace, const struct call_rule *rule, uint32_t arch)
{
	for (size_t i = 0; i < trace->used.n; i++)
		if (trace->arches[i] == arch && policy_is_same_rule(&trace->used.items[i], rule))
			return true;
	return false;
}

static void tell_kind(const struct run *run, const struct call_rule *rule,
		      const struct seccomp_notif *call, uint32_t arch)
{
	struct text json = { 0 };
	text_add(&json, "{ \"call\": \"%s\", \"arch\": \"%s\", \"number\": %u, \"arguments\": [",
		 policy_rule_text(rule), arch_name(arch), (unsigned) call->data.nr);
	for (size_t i = 0; i < ARRAY_SIZE(call->data.args); i++)
		text_add(&json, "%s\"%#llx\"", i ? ", " : "",
			 (unsigned long long) call->data.args[i]);
	text_add(&json, "], \"pid\": %u }\n", call->pid);
	notify_write_line(&run->plan->filter.policy.trace, &trace_of(run)->is_unheard, json.bytes);
}

/* One line for each kind: the same call, argument as far as it is judged, and architecture. */
void trace_note(const struct run *run, const struct seccomp_notif *call)
{
	struct trace *trace = trace_of(run);
	if (trace->truncated)
		return;
	uint32_t arch = arch_of(&call->data);
	char *name = seccomp_syscall_resolve_num_arch(arch, call->data.nr);
	if (trace->verdicts.bad)
		die("%s", trace->verdicts.bad);
	uint64_t arguments[6];
	for (size_t i = 0; i < ARRAY_SIZE(arguments); i++)
		arguments[i] = call->data.args[i];

	trace->broken.n = 0;
	policy_find_denial(&trace->verdicts, name ? name : "?", arch, arguments, &trace->broken);
	for (size_t i = 0; i < trace->broken.n; i++) {
		struct call_rule *rule = &trace->broken.items[i];
		if (is_known(trace, rule, arch))
			continue;
		trace->truncated = trace->used.n == MOST_KINDS;
		if (trace->truncated)
			break;
		policy_keep_found(rule);
		trace->used.items = arena_grow(trace->used.items, trace->used.n,
					       &trace->used.capacity, sizeof(*trace->used.items));
		trace->arches[trace->used.n] = arch;
		trace->used.items[trace->used.n++] = *rule;
		tell_kind(run, rule, call, arch);
	}
	free(name);
}

void trace_finish(const struct run *run)
{
	struct trace *trace = trace_of(run);
	notify_write_line(
		&run->plan->filter.policy.trace, &trace->is_unheard,
		arena_printf("{ \"flags\": \"%s\"%s }\n",
			     policy_flags_that_allow(&run->plan->filter.policy, &trace->used),
			     trace->truncated ? ", \"truncated\": true" : ""));
}
