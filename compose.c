/* compose.c - rules to BPF, by libseccomp.
 *
 * Also part of the generator that makes the built-in profiles when bwrapish is built, so it knows nothing of a run.
 * Every architecture that a kernel of this one accepts is covered; anything else is answered with ENOSYS.
 */
#include "policy.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
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
	scmp_filter_ctx context = seccomp_init(default_action);
	if (!context)
		die_composing(ENOMEM, "libseccomp has no memory");
	if (native != seccomp_arch_native() && (seccomp_arch_add(context, native) < 0 ||
						seccomp_arch_remove(context, SCMP_ARCH_NATIVE) < 0))
		die_composing(EINVAL, "libseccomp does not know the architecture");
	int error = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	/* 2: a binary tree over the numbers, instead of one comparison after the other. */
	if (!error && !linear)
		error = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (error)
		die_composing(error, "libseccomp is older than 2.5");
	return context;
}

static void add_arch(scmp_filter_ctx context, uint32_t arch)
{
	int error = seccomp_arch_add(context, arch);
	if (error)
		die_composing(error, "an architecture cannot be added");
}

static struct program export_and_release(scmp_filter_ctx context)
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
	program.code = code;
	return program;
}

static void add_rule(scmp_filter_ctx context, const struct call_rule *rule, uint32_t action)
{
	struct scmp_arg_cmp compare = { .arg = rule->index, .op = rule->mask ? SCMP_CMP_MASKED_EQ : SCMP_CMP_GE,
					.datum_a = rule->mask ? rule->mask : rule->value, .datum_b = rule->value };
	int error = seccomp_rule_add_array(context, action, rule->number, rule->word ? 1 : 0, &compare);
	/* -EDOM: the call does not exist on any architecture here */
	if (error && error != -EDOM)
		die_composing(error, policy_rule_words(rule));
}

struct program compose_denied(const struct rules *denied, uint32_t deny_action, uint32_t native, bool linear)
{
	scmp_filter_ctx context = make_context(SCMP_ACT_ALLOW, native, linear);
	if (native == SCMP_ARCH_X86_64) {
		add_arch(context, SCMP_ARCH_X86);
		add_arch(context, SCMP_ARCH_X32);
	} else if (native == SCMP_ARCH_AARCH64) {
		add_arch(context, SCMP_ARCH_ARM);
	}
	for (size_t i = 0; i < denied->n; i++)
		add_rule(context, &denied->items[i], denied->items[i].action ? denied->items[i].action : deny_action);
	return export_and_release(context);
}

/* A rule that libseccomp would widen on i386: it reaches socket also through socketcall(2), whose arguments are in
 * memory, and allows it there whatever the family. */
static bool is_wider_on_i386(const struct call_rule *rule)
{
	return rule->word && (streq(rule->name, "socket") || streq(rule->name, "socketpair"));
}

static scmp_filter_ctx make_allow_context(const struct rules *allowed, uint32_t deny_action, uint32_t native, bool linear,
					  uint32_t second, bool is_i386)
{
	scmp_filter_ctx context = make_context(deny_action, native, linear);
	if (second)
		add_arch(context, second);
	for (size_t i = 0; i < allowed->n; i++) {
		const struct call_rule *rule = &allowed->items[i];
		if (!is_i386 || !is_wider_on_i386(rule))
			add_rule(context, rule, rule->action ? rule->action : SCMP_ACT_ALLOW);
	}
	return context;
}

struct program compose_allowed(const struct rules *allowed, uint32_t deny_action, uint32_t native, bool linear)
{
	uint32_t second = native == SCMP_ARCH_X86_64 ? SCMP_ARCH_X32 : native == SCMP_ARCH_AARCH64 ? SCMP_ARCH_ARM : 0;
	scmp_filter_ctx context = make_allow_context(allowed, deny_action, native, linear, second, false);
	if (native == SCMP_ARCH_X86_64) {
		scmp_filter_ctx i386 = make_allow_context(allowed, deny_action, SCMP_ARCH_X86, linear, 0, true);
		int error = seccomp_merge(context, i386);
		if (error)
			die_composing(error, "i386 cannot be added");
	}
	return export_and_release(context);
}

uint32_t compose_newest_call(uint32_t native)
{
	/* 424 is the first number that all architectures share; a few have gaps behind it. */
	enum { FIRST = 424, GAP = 8 };
	int newest = FIRST;
	for (int number = FIRST; number < newest + GAP; number++) {
		char *name = seccomp_syscall_resolve_num_arch(native, number);
		if (name)
			newest = number;
		free(name);
	}
	return (uint32_t) newest;
}
