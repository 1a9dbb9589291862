/* compose.c - rules to BPF, by libseccomp.
 *
 * Also part of the generator that makes the built-in profiles when bwrapish is built, so it knows
 * nothing of a run. Every architecture that a kernel of this one accepts is covered; anything else
 * is answered with ENOSYS.
 */
#include "filter/compose.h"

#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy.h"
#include "utils.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Noreturn void die_composing(int error, const char *what)
{
	die_errno(error < 0 ? -error : error, "Can't compose a seccomp program: %s", what);
}

static scmp_filter_ctx make_context(uint32_t default_action, uint32_t native, bool linear)
{
	/* 5: all that is used here. Otherwise libseccomp tries seccomp(2) out, and what a filter
	 * outside answers would change what is composed. */
	seccomp_api_set(5);
	scmp_filter_ctx context = seccomp_init(default_action);
	if (!context)
		die_composing(ENOMEM, "libseccomp has no memory");
	/* in this order: a context is of one byte order */
	if (native != seccomp_arch_native() &&
	    (seccomp_arch_remove(context, SCMP_ARCH_NATIVE) < 0 ||
	     seccomp_arch_add(context, native) < 0))
		die_composing(EINVAL, "libseccomp does not know the architecture");
	int error = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	/* 2: a binary tree over the numbers, instead of one comparison after the other. */
	if (!error && !linear)
		error = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error)
		die_composing(error, "libseccomp is older than 2.5");
	return context;
}

/* libseccomp writes for the architecture's byte order. */
static void turn_round(struct sock_filter *code, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		code[i].code = __builtin_bswap16(code[i].code);
		code[i].k = __builtin_bswap32(code[i].k);
	}
}

static struct program export_and_release(scmp_filter_ctx context, uint32_t native)
{
	int fd = memfd_create("seccomp", MFD_CLOEXEC);
	if (fd < 0)
		die_composing(errno, "no memory file");
	int error = seccomp_export_bpf(context, fd);
	char *bytes;
	size_t length;
	if (error || lseek(fd, 0, SEEK_SET) < 0 || !read_all(fd, SIZE_MAX / 4, &bytes, &length))
		die_composing(error ? error : errno, "libseccomp cannot write it");
	close(fd);
	seccomp_release(context);
	struct program program = { .n = length / sizeof(struct sock_filter) };
	struct sock_filter *code = arena_alloc(length);
	memcpy(code, bytes, length);
	bool is_little = native & __AUDIT_ARCH_LE;
	if (is_little != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__))
		turn_round(code, program.n);
	program.code = code;
	return program;
}

static void add_rule(scmp_filter_ctx context, const struct call_rule *general, uint32_t action,
		     uint32_t arch)
{
	struct call_rule rule_there = policy_rule_on(general, arch);
	const struct call_rule *rule = &rule_there;
	const struct scmp_arg_cmp compare[] = {
		{ .arg = rule->index,
		  .op = rule->mask ? SCMP_CMP_MASKED_EQ : SCMP_CMP_GE,
		  .datum_a = rule->mask ? rule->mask : rule->value,
		  .datum_b = rule->value },
		{ .arg = rule->index + 1u, .op = SCMP_CMP_MASKED_EQ, .datum_a = rule->clear },
	};
	unsigned n = rule->word ? rule->clear ? 2 : 1 : 0;
	int error = seccomp_rule_add_array(context, action, rule->number, n, compare);
	if (error)
		die_composing(error, policy_rule_text(rule));
}

static bool has_socketcall(uint32_t arch)
{
	return seccomp_syscall_resolve_name_rewrite(arch, "socketcall") >= 0;
}

/* socketcall(2) is another door to sockets on i386 and some others. Beside a rule of socket(2) or
 * socketpair(2) libseccomp puts one for it, which means every socket when a family is judged. To
 * deny too much is safe, unless the caller wants that door open, and then there is nothing left to
 * judge. To allow too much is not. */
static bool is_left_out(const struct call_rule *rule, const struct rules *rules, bool allow,
			uint32_t arch)
{
	if (!has_socketcall(arch))
		return false;
	if (policy_is_family(rule))
		return allow || !policy_judges_socketcall_for(rules, rule);
	for (size_t i = 0; i < rules->n; i++) { /* where libseccomp's own is there */
		const struct call_rule *other = &rules->items[i];
		if (rule->word && policy_is_socketcall_for(rule, other) &&
		    !(allow && policy_is_family(other)))
			return true;
	}
	return false;
}

/* Of several answers to families, socketcall(2) there can give but one, and libseccomp wants all
 * the same: the one that the kernel would put first. */
static uint32_t action_of(const struct call_rule *rule, const struct rules *rules,
			  uint32_t default_action, uint32_t arch)
{
	uint32_t action = rule->action ? rule->action : default_action;
	if (!policy_is_family(rule) || !has_socketcall(arch))
		return action;
	for (size_t i = 0; i < rules->n; i++) {
		const struct call_rule *other = &rules->items[i];
		uint32_t its = other->action ? other->action : default_action;
		if (policy_is_family(other) && streq(other->name, rule->name) &&
		    (int32_t) its < (int32_t) action)
			action = its;
	}
	return action;
}

/* Each architecture apart, with the calls that exist there: libseccomp would compare with
 * impossible numbers for the others, and every instruction costs time when the program is loaded.
 */
static struct program compose(const struct rules *rules, bool allow, uint32_t deny_action,
			      uint32_t native, bool linear)
{
	uint32_t arches[3] = { native, 0, 0 };
	if (native == SCMP_ARCH_X86_64) {
		arches[1] = SCMP_ARCH_X86;
		arches[2] = SCMP_ARCH_X32;
	} else if (native == SCMP_ARCH_AARCH64) {
		arches[1] = SCMP_ARCH_ARM;
	}
	scmp_filter_ctx whole = NULL;
	for (size_t a = 0; a < ARRAY_SIZE(arches) && arches[a]; a++) {
		scmp_filter_ctx context =
			make_context(allow ? deny_action : SCMP_ACT_ALLOW, arches[a], linear);
		for (size_t i = 0; i < rules->n; i++) {
			const struct call_rule *rule = &rules->items[i];
			if (seccomp_syscall_resolve_name_rewrite(arches[a], rule->name) >= 0 &&
			    !is_left_out(rule, rules, allow, arches[a]))
				add_rule(context, rule,
					 action_of(rule, rules,
						   allow ? SCMP_ACT_ALLOW : deny_action, arches[a]),
					 arches[a]);
		}
		int error = whole ? seccomp_merge(whole, context) : 0;
		if (error)
			die_composing(error, "an architecture cannot be added");
		whole = whole ? whole : context;
	}
	return export_and_release(whole, native);
}

struct program compose_denied(const struct rules *denied, uint32_t deny_action, uint32_t native,
			      bool linear)
{
	return compose(denied, false, deny_action, native, linear);
}

struct program compose_allowed(const struct rules *allowed, uint32_t deny_action, uint32_t native,
			       bool linear)
{
	return compose(allowed, true, deny_action, native, linear);
}

static bool is_allow(const struct sock_filter *instruction)
{
	return instruction->code == (BPF_RET | BPF_K) && instruction->k == SECCOMP_RET_ALLOW;
}

/* One program that lets pass what each of them lets pass: where one allows, the next goes on. A
 * single program is loaded by a single seccomp(2), so it may well deny that call. */
struct program compose_joined(const struct program *parts, size_t n_parts)
{
	size_t capacity = 0;
	for (size_t i = 0; i < n_parts; i++)
		capacity += parts[i].n;
	if (capacity > BPF_MAXINSNS)
		die("The lists of system calls come to %zu instructions; the kernel takes %d",
		    capacity, BPF_MAXINSNS);
	struct sock_filter *code = arena_alloc(capacity * sizeof(*code)), *next = code;
	for (size_t i = 0; i < n_parts; i++) {
		bool is_last = i + 1 == n_parts;
		/* What jumps to an allowing end jumps to the next part's beginning. */
		size_t n = parts[i].n - (!is_last && is_allow(&parts[i].code[parts[i].n - 1]));
		memcpy(next, parts[i].code, n * sizeof(*next));
		for (size_t left = n; left > 0; left--, next++)
			if (!is_last && is_allow(next))
				*next = (struct sock_filter) BPF_STMT(BPF_JMP | BPF_JA,
								      (uint32_t) left - 1);
	}
	return (struct program){ code, (size_t) (next - code) };
}
