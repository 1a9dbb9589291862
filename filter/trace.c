/* trace.c - --seccomp-trace: what a policy would deny, without denying it.
 *
 * The kernel stops the caller of such a call and asks the supervisor (seccomp_unotify(2)), which
 * writes a line for each new kind and lets the call go on. That is a diagnosis and no sandbox:
 * nothing is denied, and even a supervisor that meant to deny would look at arguments that may have
 * changed since.
 */
#include "filter/trace.h"

#include "filter/state.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy-trace.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "run/run.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1
#endif

#define FIELD(name) ((uint32_t) offsetof(struct seccomp_data, name))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW  0
#define HIGH 4
#else
#define LOW  4
#define HIGH 0
#endif

/* ---- in COMMAND's process ---- */

/* Handing over the listener must not itself be stopped: nobody would answer yet. The exception
 * means this very message and is gone with our memory at exec. */
static size_t add_exception(struct sock_filter *code, const struct fd_letter *letter)
{
	uint64_t address = (uintptr_t) channel_letter_address(letter);
	const struct sock_filter exception[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[1]) + LOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) address, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[1]) + HIGH),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t) (address >> 32), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	memcpy(code, exception, sizeof(exception));
	return ARRAY_SIZE(exception);
}

void trace_load(const struct run *run, const struct sock_filter *code, size_t n)
{
	struct fd_letter *letter = arena_alloc(sizeof(*letter));
	struct sock_filter *whole = arena_alloc((n + 16) * sizeof(*whole));
	size_t n_exception = add_exception(whole, letter);
	memcpy(whole + n_exception, code, n * sizeof(*code));
	struct sock_fprog program = { .len = (unsigned short) (n + n_exception), .filter = whole };
	channel_write_letter(letter, MESSAGE_LISTENER);
	int listener = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				     SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (listener < 0)
		die_because(
			errno, "%s: Can't be notified of system calls: %s%s",
			position_text(run->plan->filter.policy.trace.position), errno_text(errno),
			errno == EBUSY
				? "; a filter that is in force outside has a listener of its own, and the kernel allows one"
			: errno == EINVAL ? "; this kernel is too old for it or the list too long"
			: errno == EACCES || errno == EPERM || errno == ENOSYS
				? "; a filter that is in force outside forbids it"
				: "");
	channel_send_letter(run->supervisor_fd, letter, listener);
	close(listener);
}

/* ---- in the supervisor ---- */

/* What COMMAND does must not fill the memory, of which its own limits do not count this. */
enum { MOST_KINDS = 1000 };

struct trace {
	bool truncated;
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

/* Where it may not wait any longer, since the run is to end, the line is lost. */
static void write_line(const struct run *run, const char *line)
{
	const struct fd_at *to = &run->plan->filter.policy.trace;
	if (!write_all(to->fd, line, strlen(line)) && errno != ETIMEDOUT)
		die_errno(errno, "%s: Can't write to descriptor %d", position_text(to->position),
			  to->fd);
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
	write_line(run, json.bytes);
}

/* One line for each kind: the same call, argument as far as it is judged, and architecture. */
static void note_call(const struct run *run, const struct seccomp_notif *call)
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

void trace_hear(const struct run *run, int listener)
{
	/* The kernel may know more of these structures than its header here did. */
	union {
		char capacity[512];
		struct seccomp_notif call;
	} received = { 0 };
	union {
		char capacity[512];
		struct seccomp_notif_resp answer;
	} sent = { 0 };
	if (sys_ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &received.call) < 0) {
		if (errno == EINTR ||
		    errno == ENOENT) /* ENOENT: it was interrupted or killed meanwhile */
			return;
		die_errno(errno, "%s: Can't receive what is notified",
			  position_text(run->plan->filter.policy.trace.position));
	}
	note_call(run, &received.call);
	sent.answer.id = received.call.id;
	sent.answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (sys_ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &sent.answer) < 0 && errno != ENOENT)
		die_errno(errno, "%s: Can't let a system call through",
			  position_text(run->plan->filter.policy.trace.position));
}

void trace_finish(const struct run *run)
{
	if (run->plan->filter.policy.trace.fd < 0)
		return;
	const struct trace *trace = trace_of(run);
	write_line(run,
		   arena_printf("{ \"flags\": \"%s\"%s }\n",
				policy_flags_that_allow(&run->plan->filter.policy, &trace->used),
				trace->truncated ? ", \"truncated\": true" : ""));
}
