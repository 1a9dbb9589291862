/* profiles.c - makes built-profiles.h when bwrapish is built: the built-in profiles as BPF, so that they cost
 * nothing at start-up (libseccomp takes milliseconds for a few hundred rules).
 *
 *   profiles ARCHITECTURE >built-profiles.h
 *   profiles --manual                the part of the man page that lists them call by call
 *   profiles --calls PROFILE [ARCHITECTURE]
 *                                    each rule of a profile: "deny NAME WORD INDEX MASK VALUE CLEAR ACTION"
 *   profiles --linear PROFILE        as BPF, one comparison after the other, for the benchmark
 *   profiles --numbers               each call libseccomp knows: "ARCHITECTURE NAME NUMBER", for the tests
 *
 * ARCHITECTURE is libseccomp's name of the one that bwrapish will run on. Runs on the machine that builds.
 */
#include "filter/compose.h"
#include "plan/calls.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy-trace.h"
#include "plan/policy.h"
#include "tools/flatten.h"
#include "utils.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_program(const struct program *program)
{
	printf("{ (const struct sock_filter[]) {");
	for (size_t i = 0; i < program->n; i++)
		printf("%s{ 0x%02x, %u, %u, 0x%08x },", i % 4 ? " " : "\n\t\t\t",
		       program->code[i].code, program->code[i].jt, program->code[i].jf,
		       program->code[i].k);
	printf("\n\t\t}, %zu }", program->n);
}

/* ---- what libseccomp has no name for ---- */

struct part {
	struct sock_filter code[256];
	size_t n;
};

static void put(struct part *part, struct sock_filter instruction)
{
	if (part->n == ARRAY_SIZE(part->code))
		die("Too many system calls have no name");
	part->code[part->n++] = instruction;
}

/* ENOSYS for what has a number from `first` on and below `end`; 0: for all from `first` on. */
static void put_unnamed(struct part *part, uint32_t first, uint32_t end)
{
	if (first == end)
		return;
	if (end)
		put(part, (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, end, 2, 0));
	put(part, (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 1));
	put(part, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
}

static bool has_name(uint32_t arch, uint32_t number)
{
	char *name = seccomp_syscall_resolve_num_arch(arch, (int) number);
	bool has = name != NULL;
	free(name);
	return has;
}

/* Below are numbers that the kernel gave up long ago and answers so itself; it gives out those
 * above. */
enum { FIRST_NEW = 244, END_OF_NUMBERS = 512, X32_END = 548 };

static void put_unnamed_of(struct part *part, uint32_t arch)
{
	uint32_t first = FIRST_NEW;
	for (uint32_t number = FIRST_NEW; number < END_OF_NUMBERS; number++) {
		if (!has_name(arch, number))
			continue;
		put_unnamed(part, first, number);
		first = number + 1;
	}
	if (arch == SCMP_ARCH_X86_64) { /* x32's own are between */
		put_unnamed(part, first, END_OF_NUMBERS);
		first = X32_END;
	} else if (arch == SCMP_ARCH_ARM) { /* and arm's private ones */
		put_unnamed(part, first, 0x0f0001);
		first = 0x0f0007;
	}
	put_unnamed(part, first, 0);
}

/* What libseccomp has no name for could not be named in any list. ENOSYS makes programs fall back to
 * older calls, which are judged; a denial would stop them. Another architecture passes: the others
 * answer it. */
static struct program prologue(uint32_t native)
{
	const uint32_t x32 = 0x40000000;
	uint32_t arches[] = { native, native == SCMP_ARCH_X86_64    ? SCMP_ARCH_X86
				      : native == SCMP_ARCH_AARCH64 ? SCMP_ARCH_ARM
								    : 0 };
	struct part *whole = arena_alloc(sizeof(*whole));
	whole->n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(arches) && arches[i]; i++) {
		put(whole, (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							 offsetof(struct seccomp_data, arch)));
		size_t question = whole->n;
		put(whole,
		    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arches[i], 0, 0));
		put(whole, (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
							 offsetof(struct seccomp_data, nr)));
		if (arches[i] == SCMP_ARCH_X86_64)
			put(whole, (struct sock_filter) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~x32));
		put_unnamed_of(whole, arches[i]);
		put(whole, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
		whole->code[question].jf = (uint8_t) (whole->n - question - 1);
	}
	put(whole, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	return (struct program){ whole->code, whole->n };
}

static struct program compile(const struct profile *profile, enum filtered whom, uint32_t native,
			      bool linear)
{
	struct verdicts verdicts = profile_resolve(profile, whom);
	if (verdicts.bad)
		die("%s", verdicts.bad);
	return profile->allows
		       ? compose_allowed(&verdicts.allowed, POLICY_DEFAULT_ACTION, native, linear)
		       : compose_denied(&verdicts.denied, POLICY_DEFAULT_ACTION, native, linear);
}

/* Where a built-in profile is loaded no key guard is (filters.c). */
static void check_keys(const struct profile *profile)
{
	static const char *const calls[] = { "add_key", "request_key", "keyctl" };
	static const uint64_t arguments[6];
	struct verdicts verdicts = profile_resolve(profile, FILTER_COMMAND);
	if (verdicts.bad)
		die("%s", verdicts.bad);
	struct rules used = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!policy_find_denial(&verdicts, calls[i], 0, arguments, &used))
			die("The profile %s lets %s pass", profile->name, calls[i]);
}

static void print_header(uint32_t native)
{
	struct program unnamed = prologue(native), start = flatten(&unnamed, native);
	printf("/* Made by tools/profiles.c; change calls.c. */\n"
	       "static const struct program built_prologue = ");
	print_program(&start);
	printf(";\nstatic const struct program built_profiles[][2] = {\n");
	for (size_t i = 0; i < n_profiles; i++) {
		check_keys(&profiles[i]);
		printf("\t{ /* %s: COMMAND, pid 1 */\n", profiles[i].name);
		for (enum filtered whom = FILTER_COMMAND; whom <= FILTER_INIT; whom++) {
			struct program parts[] = { unnamed,
						   compile(&profiles[i], whom, native, false) };
			struct program joined = compose_joined(parts, ARRAY_SIZE(parts));
			struct program program = flatten(&joined, native);
			printf("\t\t");
			print_program(&program);
			printf(",\n");
		}
		printf("\t},\n");
	}
	printf("};\n");
}

static void print_calls(const struct profile *profile, uint32_t arch)
{
	struct verdicts verdicts = profile_resolve(profile, FILTER_COMMAND);
	if (verdicts.bad)
		die("%s", verdicts.bad);
	const struct rules *lists[] = { &verdicts.denied, &verdicts.allowed };
	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		for (size_t i = 0; i < lists[list]->n; i++) {
			struct call_rule there = policy_rule_on(&lists[list]->items[i], arch);
			const struct call_rule *rule = &there;
			printf("%s %s %s %u %#x %#x %#x %s\n",
			       list && !rule->action ? "allow" : "deny", rule->name,
			       rule->word ? rule->word : "-", rule->index, rule->mask, rule->value,
			       rule->clear,
			       policy_action_text(rule->action ? rule->action
							       : POLICY_DEFAULT_ACTION));
		}
}

/* The calls in a list, groups replaced by what they hold; whatever this libseccomp knows. */
static void print_expanded(const char *list, size_t *column)
{
	enum { WIDTH = 110 };
	for (const char *item = list; *item;) {
		size_t length = strcspn(item, ",");
		const char *name = arena_copy(item, length);
		bool ends_line = *column + length > WIDTH;
		item += length + (item[length] == ',');
		if (name[0] != '@') {
			printf("%s%s", *column ? ends_line ? ",\n" : ", " : "", name);
			*column = (ends_line ? 0 : *column) + length + 2;
			continue;
		}
		for (size_t i = 0; i < n_call_groups; i++)
			if (streq(call_groups[i].name, name))
				print_expanded(call_groups[i].list, column);
	}
}

static void print_item(const char *head, const char *list)
{
	printf(".It \"");
	for (const char *c = head; *c; c++)
		printf(*c == '"' ? "\\(dq" : "%c",
		       c == head && *c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
	printf("\"\n");
	size_t column = 0;
	print_expanded(list, &column);
	printf(".\n");
}

static void print_manual(void)
{
	printf(".Ss Groups of system calls\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < n_call_groups; i++)
		print_item(arena_printf("%s: %s", call_groups[i].name, call_groups[i].help),
			   call_groups[i].list);
	printf(".El\n");
	for (size_t p = 0; p < n_profiles; p++) {
		printf(".Ss The profile %s\n%s %s.\n.Bl -tag -width Ds\n", profiles[p].name,
		       profiles[p].allows ? "Allows" : "Denies", profiles[p].help);
		for (size_t i = 0; i < profiles[p].n_rows; i++)
			print_item(profiles[p].rows[i].why, profiles[p].rows[i].list);
		printf(".El\n");
	}
}

static void print_numbers(void)
{
	static const struct {
		const char *name;
		uint32_t token;
		int first;
	} arches[] = { { "x86_64", SCMP_ARCH_X86_64, 0 },    { "i386", SCMP_ARCH_X86, 0 },
		       { "x32", SCMP_ARCH_X32, 0x40000000 }, { "aarch64", SCMP_ARCH_AARCH64, 0 },
		       { "arm", SCMP_ARCH_ARM, 0 },          { "riscv64", SCMP_ARCH_RISCV64, 0 },
		       { "ppc64le", SCMP_ARCH_PPC64LE, 0 },  { "s390x", SCMP_ARCH_S390X, 0 } };
	for (size_t i = 0; i < ARRAY_SIZE(arches); i++)
		for (int number = 0; number < 1024; number++) {
			char *name = seccomp_syscall_resolve_num_arch(arches[i].token,
								      arches[i].first + number);
			if (name)
				printf("%s %s %d\n", arches[i].name, name,
				       arches[i].first + number);
			free(name);
		}
}

static void print_linear(const struct profile *profile)
{
	struct program program = compile(profile, FILTER_COMMAND, seccomp_arch_native(), true);
	fwrite(program.code, sizeof(*program.code), program.n, stdout);
}

int main(int argc, char **argv)
{
	say_set_prefix("profiles");
	const char *mode = argc > 1 ? argv[1] : "";
	const struct profile *profile = argc > 2 ? profile_find(argv[2]) : NULL;
	uint32_t native = seccomp_arch_resolve_name(mode);
	if (profile && streq(mode, "--calls"))
		print_calls(profile, argc > 3 ? seccomp_arch_resolve_name(argv[3]) : 0);
	else if (profile && streq(mode, "--linear"))
		print_linear(profile);
	else if (streq(mode, "--manual"))
		print_manual();
	else if (streq(mode, "--numbers"))
		print_numbers();
	else if (native)
		print_header(native);
	else
		die("usage: profiles ARCHITECTURE | --manual | --numbers | --calls PROFILE [ARCHITECTURE] | --linear PROFILE");
	return fflush(stdout) != 0;
}
