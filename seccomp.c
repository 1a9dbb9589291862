/* seccomp.c - filters in force: the guards of the terminal and of keys where there is no keyring,
 * the caller's programs, and what the lists and profiles of policy.c come to.
 *
 * Filters come last: between loading and exec there is nothing but exec, so a filter may deny
 * whatever setup needs. seccomp(2) returning 0 is the only witness: a read-back by prctl(2) could
 * itself be what a filter kills.
 */
#include "bwrapish.h"

#include "kernel.h"
#include "policy.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "built-profiles.h" /* made by tools/profiles.c */

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

struct late_program {
	size_t length;
	char bytes[BPF_MAXINSNS * sizeof(struct sock_filter) +
		   1]; /* one more shows what is too long */
};

/* ---- the caller's programs ---- */

problem filters_check(struct place place, const char *bytes, size_t length)
{
	const char *why = NULL;
	size_t n_printable = 0;
	while (n_printable < length &&
	       (strchr("\t\n\r", bytes[n_printable]) ? bytes[n_printable] != '\0'
						     : bytes[n_printable] >= ' '))
		n_printable++;
	if (length == 0)
		why = "it is empty";
	else if (length >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
		why = "it is an ELF file";
	else if (n_printable == length) /* no program is: its first instruction has zeros in it */
		why = "it is text";
	else if (length % sizeof(struct sock_filter))
		why = arena_printf(
			"%zu bytes are not a whole number of instructions, of %zu bytes each",
			length, sizeof(struct sock_filter));
	else if (length / sizeof(struct sock_filter) > BPF_MAXINSNS)
		why = arena_printf("it has more than the %d instructions that the kernel takes",
				   BPF_MAXINSNS);
	return why ? arena_printf("%s: Not a seccomp program: %s", place_name(place), why) : NULL;
}

static bool is_late(const struct plan *plan)
{
	return plan->n_seccomp && !plan->seccomp[0].bytes;
}

void filters_prepare(struct run *run)
{
	if (!is_late(run->plan))
		return;
	run->late_program = mmap(NULL, sizeof(*run->late_program), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->late_program == MAP_FAILED)
		die_errno(errno, "Can't reserve memory for a seccomp program");
}

void filters_read(struct run *run)
{
	if (!is_late(run->plan))
		return;
	const struct fd_at *at = &run->plan->seccomp[0].at;
	struct late_program *program = run->late_program;
	while (program->length < sizeof(program->bytes)) {
		ssize_t n = read(at->fd, program->bytes + program->length,
				 sizeof(program->bytes) - program->length);
		if (n < 0 && errno != EINTR)
			die_errno(errno, "%s: Can't read descriptor %d", place_name(at->place),
				  at->fd);
		if (n == 0)
			break;
		program->length += n > 0 ? (size_t) n : 0;
	}
	problem bad = filters_check(at->place, program->bytes, program->length);
	if (bad)
		die("%s", bad);
}

static void load(const char *bytes, size_t length, unsigned long flags, const char *what)
{
	struct sock_fprog program = { .len = (unsigned short) (length /
							       sizeof(struct sock_filter)) };
	/* arena, mmap and static memory are aligned for it */
	program.filter =
		__builtin_assume_aligned((void *) (uintptr_t) bytes, _Alignof(struct sock_filter));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0)
		die("%s: Can't load the seccomp program: %s%s", what, errno_text(errno),
		    errno == EINVAL ? "; it is no valid classic BPF for seccomp"
		    : errno == EACCES || errno == EPERM
			    ? "; a filter that is already in force forbids it"
			    : "");
}

/* ---- the guards ---- */

#define FIELD(name) ((uint32_t) offsetof(struct seccomp_data, name))
/* The low 32 bits of an argument: the kernel takes the request of ioctl(2) as an unsigned int, so
 * comparing all 64 would let 0x100005412 through (CVE-2019-10063). */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define REQUEST_LOW (FIELD(args[1]))
#else
#define REQUEST_LOW (FIELD(args[1]) + 4)
#endif

#if defined(__x86_64__)
#define NATIVE_ARCH          AUDIT_ARCH_X86_64
#define FOREIGN_ARCH         AUDIT_ARCH_I386
#define FOREIGN_IOCTL        54
#define FOREIGN_ADD_KEY      286
#define OTHER_NATIVE_IOCTL   (0x40000000 + 514) /* x32 */
#define OTHER_NATIVE_ADD_KEY (0x40000000 + 248)
#elif defined(__aarch64__)
#define NATIVE_ARCH     AUDIT_ARCH_AARCH64
#define FOREIGN_ARCH    AUDIT_ARCH_ARM
#define FOREIGN_IOCTL   54
#define FOREIGN_ADD_KEY 309
#elif defined(__i386__)
#define NATIVE_ARCH AUDIT_ARCH_I386
#elif defined(__arm__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE_ARCH AUDIT_ARCH_S390X
#elif defined(__loongarch64)
#define NATIVE_ARCH AUDIT_ARCH_LOONGARCH64
#else
#error "name this architecture for the terminal guard"
#endif
#ifndef FOREIGN_ARCH
#define FOREIGN_ARCH    NATIVE_ARCH
#define FOREIGN_IOCTL   SYS_ioctl
#define FOREIGN_ADD_KEY SYS_add_key
#endif
#ifndef OTHER_NATIVE_IOCTL
#define OTHER_NATIVE_IOCTL   SYS_ioctl
#define OTHER_NATIVE_ADD_KEY SYS_add_key
#endif

/* No ioctl can put bytes into the input of a terminal: TIOCSTI types, TIOCLINUX pastes on a
 * console. All other calls pass, and the kernel's per-call bitmap (5.11) lets them pass without
 * running the program. A foreign architecture that is not known here is refused. */
static const struct sock_filter tty_guard[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOREIGN_ARCH, 4, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)), /* native */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OTHER_NATIVE_IOCTL, 2, 5),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)), /* foreign */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOREIGN_IOCTL, 0, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, REQUEST_LOW),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCLINUX, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

/* No key, whoever's: add_key(2), request_key(2) and keyctl(2) have consecutive numbers everywhere.
 */
static const struct sock_filter key_guard[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(arch)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FOREIGN_ARCH, 6, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)), /* native */
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, OTHER_NATIVE_ADD_KEY + 2, 6, 0),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_NATIVE_ADD_KEY, 6, 0),
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_add_key + 2, 4, 0),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_add_key, 4, 3),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)), /* foreign */
	BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, FOREIGN_ADD_KEY + 2, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, FOREIGN_ADD_KEY, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS), /* as on a kernel without keys */
};

/* ---- what the lists and profiles come to ---- */

struct composed {
	struct program programs[2]; /* by enum filtered */
	bool traced;
};

/* In a trace everything that would be denied is notified instead, but clone3 where it makes
 * programs fall back to clone: the policy itself would cost them nothing there. */
static struct rules notified(const struct rules *rules)
{
	struct rules result = { .n = rules->n,
				.items = arena_alloc((rules->n + 1) * sizeof(*rules->items)) };
	for (size_t i = 0; i < rules->n; i++) {
		result.items[i] = rules->items[i];
		if (!policy_is_fallback(&rules->items[i]))
			result.items[i].action = SECCOMP_RET_USER_NOTIF;
	}
	return result;
}

static struct program compose(const struct policy *policy, enum filtered whom, bool traced)
{
	uint32_t native = seccomp_arch_native();
	uint32_t deny_action = traced ? SECCOMP_RET_USER_NOTIF : policy->deny_action;
	bool built = policy_uses_built_profile(policy) && !traced;
	struct policy lists = { .deny = policy->deny, .deny_action = policy->deny_action };
	struct verdicts verdicts = policy_resolve(built ? &lists : policy, whom);
	struct rules layers[N_DENIED_LAYERS];
	policy_split_denied(&verdicts.denied, policy->deny_action, layers);

	struct program parts[2 + N_DENIED_LAYERS];
	size_t n = 0;
	if (!built) /* which has one of its own */
		parts[n++] = compose_prologue(native);
	for (size_t i = 0; i < N_DENIED_LAYERS; i++) {
		if (i == DENIED_LOGGED && built)
			parts[n++] = built_profiles[policy->profile - profiles][whom];
		else if (i == DENIED_LOGGED && verdicts.has_allow_list)
			parts[n++] = compose_allowed(&verdicts.allowed, deny_action, native, false);
		if (traced)
			layers[i] = notified(&layers[i]);
		if (layers[i].n)
			parts[n++] = compose_denied(&layers[i], deny_action, native, false);
	}
	return compose_joined(parts, n);
}

void filters_compose(struct run *run)
{
	const struct policy *policy = &run->plan->policy;
	if (!policy_is_given(policy))
		return;
	run->composed = arena_alloc(sizeof(*run->composed));
	struct program program = compose(policy, FILTER_COMMAND, false);
	if (policy->dump.fd >= 0) {
		if (!write_all(policy->dump.fd, program.code, program.n * sizeof(*program.code)))
			die_errno(errno, "%s: Can't write to descriptor %d",
				  place_name(policy->dump.place), policy->dump.fd);
		if (policy->dump.fd > STDERR_FILENO)
			close(policy->dump.fd);
	}
	run->composed->traced = policy->trace.fd >= 0;
	if (run->composed->traced)
		program = compose(policy, FILTER_COMMAND, true);
	run->composed->programs[FILTER_COMMAND] = program;
	if (run->shape.topology == RUN_WITH_INIT && !run->composed->traced)
		run->composed->programs[FILTER_INIT] = compose(policy, FILTER_INIT, false);
}

/* ---- loading ---- */

bool filters_is_due(const struct run *run)
{
	return run->has_tty || run->deny_keys || run->plan->n_seccomp || run->composed;
}

/* Behind the caller's own programs, whose author counted on loading some: an allow list, and more
 * so a profile, seldom leaves seccomp(2) to anybody. */
static void load_composed(const struct run *run, enum filtered whom)
{
	const struct program *program = &run->composed->programs[whom];
	if (run->composed->traced) {
		if (whom == FILTER_COMMAND)
			trace_load(run, program->code, program->n);
		return;
	}
	load((const char *) program->code, program->n * sizeof(*program->code),
	     run->plan->policy.log ? SECCOMP_FILTER_FLAG_LOG : 0, "seccomp lists");
}

void filters_load(const struct run *run, enum filtered whom)
{
	const struct plan *plan = run->plan;
	if (run->has_tty)
		/* Not for the speculation mitigation's sake: no other call shall become slower. */
		load((const char *) tty_guard, sizeof(tty_guard), SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		     "terminal guard");
	if (run->deny_keys)
		load((const char *) key_guard, sizeof(key_guard), SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		     "key guard");
	for (size_t i = 0; i < plan->n_seccomp; i++) {
		const struct seccomp_source *source = &plan->seccomp[i];
		const char *bytes = source->bytes ? source->bytes : run->late_program->bytes;
		load(bytes, source->bytes ? source->length : run->late_program->length, 0,
		     place_name(source->at.place));
	}
	if (run->composed)
		load_composed(run, whom);
}
