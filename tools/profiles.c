/* profiles.c - makes built-profiles.h when bwrapish is built: the built-in profiles as BPF, so that they cost
 * nothing at start-up (libseccomp takes milliseconds for a few hundred rules).
 *
 *   profiles ARCHITECTURE >built-profiles.h
 *   profiles --manual                the part of the man page that lists them call by call
 *   profiles --calls PROFILE         each rule of a profile: "deny NAME WORD INDEX MASK VALUE ACTION"
 *   profiles --linear PROFILE        as BPF, one comparison after the other, for the benchmark
 *   profiles --numbers               each call libseccomp knows: "ARCHITECTURE NAME NUMBER", for the tests
 *
 * ARCHITECTURE is libseccomp's name of the one that bwrapish will run on. Runs on the machine that builds.
 */
#include "../policy.h"

#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_program(const struct program *program)
{
	printf("\t\t{ (const struct sock_filter[]) {");
	for (size_t i = 0; i < program->n; i++)
		printf("%s{ 0x%02x, %u, %u, 0x%08x },", i % 4 ? " " : "\n\t\t\t",
		       program->code[i].code, program->code[i].jt, program->code[i].jf,
		       program->code[i].k);
	printf("\n\t\t}, %zu },\n", program->n);
}

static struct program compile(const struct profile *profile, enum filtered whom, uint32_t native,
			      bool linear)
{
	struct verdicts verdicts = profile_resolve(profile, whom);
	return profile->allows
		       ? compose_allowed(&verdicts.allowed, POLICY_DEFAULT_ACTION, native, linear)
		       : compose_denied(&verdicts.denied, POLICY_DEFAULT_ACTION, native, linear);
}

/* Where a built-in profile is loaded no key guard is (seccomp.c). */
static void check_keys(const struct profile *profile)
{
	static const char *const calls[] = { "add_key", "request_key", "keyctl" };
	static const uint64_t arguments[6];
	struct verdicts verdicts = profile_resolve(profile, FILTER_COMMAND);
	struct rules used = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (!policy_find_denial(&verdicts, calls[i], arguments, &used))
			die("The profile %s lets %s pass", profile->name, calls[i]);
}

static void print_header(uint32_t native)
{
	printf("/* Made by tools/profiles.c; change calls.c. */\n"
	       "static const struct program built_profiles[][2] = {\n");
	for (size_t i = 0; i < n_profiles; i++) {
		check_keys(&profiles[i]);
		printf("\t{ /* %s: COMMAND, pid 1 */\n", profiles[i].name);
		for (enum filtered whom = FILTER_COMMAND; whom <= FILTER_INIT; whom++) {
			struct program parts[] = { compose_prologue(native),
						   compile(&profiles[i], whom, native, false) };
			struct program joined = compose_joined(parts, ARRAY_SIZE(parts));
			struct program program = flatten(&joined, native);
			print_program(&program);
		}
		printf("\t},\n");
	}
	printf("};\n");
}

static void print_calls(const struct profile *profile)
{
	struct verdicts verdicts = profile_resolve(profile, FILTER_COMMAND);
	const struct rules *lists[] = { &verdicts.denied, &verdicts.allowed };
	for (size_t list = 0; list < ARRAY_SIZE(lists); list++)
		for (size_t i = 0; i < lists[list]->n; i++) {
			const struct call_rule *rule = &lists[list]->items[i];
			printf("%s %s %s %u %#x %#x %s\n", list && !rule->action ? "allow" : "deny",
			       rule->name, rule->word ? rule->word : "-", rule->index, rule->mask,
			       rule->value,
			       policy_action_words(rule->action ? rule->action
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
	} arches[] = { { "x86_64", SCMP_ARCH_X86_64, 0 },
		       { "i386", SCMP_ARCH_X86, 0 },
		       { "x32", SCMP_ARCH_X32, 0x40000000 },
		       { "aarch64", SCMP_ARCH_AARCH64, 0 },
		       { "arm", SCMP_ARCH_ARM, 0 } };
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
		print_calls(profile);
	else if (profile && streq(mode, "--linear"))
		print_linear(profile);
	else if (streq(mode, "--manual"))
		print_manual();
	else if (streq(mode, "--numbers"))
		print_numbers();
	else if (native)
		print_header(native);
	else
		die("usage: profiles ARCHITECTURE | --manual | --numbers | --calls PROFILE | "
		    "--linear PROFILE");
	return fflush(stdout) != 0;
}
