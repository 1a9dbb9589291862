/* filters.c - filters in force: the guards of the caller's keys and terminal, the caller's
 * programs, and what the lists and profiles of policy.c come to.
 *
 * What may deny anything comes last: between loading it and exec there is nothing but exec, so it
 * may deny whatever setup needs. The guards deny nothing that setup needs and come as soon as it is
 * clear who needs them. They are read back, by asking for what they deny. Of the others it is made
 * sure that the kernel answers the call that loads them: whatever else asks could itself be what a
 * filter kills.
 */
#include "filter/filters.h"

#include "filter/compose.h"
#include "filter/trace.h"
#include "plan/calls.h"
#include "plan/filter-options.h"
#include "plan/plan.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "utils.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "built-profiles.h" /* made by tools/profiles.c */

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

struct late_program {
	size_t length;
	char bytes[BPF_MAXINSNS * sizeof(struct sock_filter) +
		   1]; /* one more shows what is too long */
};

struct composed {
	struct program programs[2]; /* by enum filtered */
	bool traced;
};

/* ---- the caller's programs ---- */

static bool is_late(const struct plan *plan)
{
	return plan->filter.n_seccomp && !plan->filter.seccomp[0].bytes;
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
	const struct fd_at *at = &run->plan->filter.seccomp[0].at;
	struct late_program *program = run->late_program;
	while (program->length < sizeof(program->bytes)) {
		ssize_t n = read(at->fd, program->bytes + program->length,
				 sizeof(program->bytes) - program->length);
		if (n < 0 && errno != EINTR)
			die_errno(errno, "%s: Can't read descriptor %d",
				  position_text(at->position), at->fd);
		if (n == 0)
			break;
		program->length += n > 0 ? (size_t) n : 0;
	}
	problem bad = filters_check(at->position, program->bytes, program->length);
	if (bad)
		die("%s", bad);
}

enum { ANSWERED_BY_A_FILTER = -1 };

/* Returns the error; 0 for none. A filter in force, one of the caller's too, may answer in the kernel's
 * place that a program is loaded. It sees the arguments, and not what they point to, so that it lets
 * both of these calls pass or none; the kernel says EINVAL to the first, whose program is empty. */
static int try_load(bool by_prctl, const struct sock_filter *code, size_t n, unsigned long flags)
{
	struct sock_fprog program = { .filter = (struct sock_filter *) (uintptr_t) code };
	for (;;) {
		long result =
			by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
				 : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
		if (program.len || (result < 0 && errno != EINVAL))
			return result < 0 ? errno : 0;
		if (result >= 0)
			return ANSWERED_BY_A_FILTER;
		program.len = (unsigned short) n;
	}
}

static const char *load_error(int error)
{
	if (error == ANSWERED_BY_A_FILTER)
		return "a filter that is already in force answers in the kernel's place that it is "
		       "loaded, and it does not hold";
	return arena_printf("%s%s", errno_text(error),
			    error == ENOSYS
				    ? "; this kernel has no seccomp filters, or one forbids "
				      "more"
			    : error == EACCES || error == EPERM
				    ? "; a filter that is already in force forbids it"
				    : "");
}

static void require_loaded(int error, const char *what)
{
	if (error)
		die("%s: Can't load the seccomp program: %s%s", what, load_error(error),
		    error == EINVAL ? "; it is no valid classic BPF for seccomp" : "");
}

/* One of the caller's: by prctl(2) if possible, as bubblewrap does it. An allow list that stands before
 * it may know no seccomp(2). */
static void load_given(const char *bytes, size_t length, struct position position)
{
	/* arena and mmap(2) memory is aligned for it */
	const struct sock_filter *code =
		__builtin_assume_aligned(bytes, _Alignof(struct sock_filter));
	size_t n = length / sizeof(*code);
	int error = try_load(true, code, n, 0);
	if (error && error != ANSWERED_BY_A_FILTER)
		error = try_load(false, code, n, 0);
	require_loaded(error, position_text(position));
}

/* ---- the guards ---- */

#define FIELD(name) ((uint32_t) offsetof(struct seccomp_data, name))
/* The low 32 bits of an argument: the kernel takes the request of ioctl(2) and the command of fcntl(2)
 * as an unsigned int, so comparing all 64 would let 0x100005412 through (CVE-2019-10063). */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF(argument) (FIELD(argument))
#else
#define LOW_HALF(argument) (FIELD(argument) + 4)
#endif

/* The architecture that this is built for, and the other one that its kernels may take: a guard
 * that knew one of them only would be no guard, or keep the other's programs from running. OTHER_...
 * are a second set of numbers of the first: x32's. */
#define X32 0x40000000u
#if defined(__x86_64__) || defined(__i386__)
#define FIRST_ARCH     AUDIT_ARCH_X86_64
#define FIRST_IOCTL    16
#define FIRST_FCNTL    72
#define FIRST_ADD_KEY  248
#define OTHER_IOCTL    (X32 + 514)
#define OTHER_ADD_KEY  (X32 + FIRST_ADD_KEY)
#define OTHER_FCNTL    (X32 + FIRST_FCNTL)
#define SECOND_ARCH    AUDIT_ARCH_I386
#define SECOND_IOCTL   54
#define SECOND_FCNTL   55
#define SECOND_FCNTL64 221
#define SECOND_ADD_KEY 286
#elif defined(__aarch64__) || defined(__arm__)
#define FIRST_ARCH     AUDIT_ARCH_AARCH64
#define FIRST_IOCTL    29
#define FIRST_FCNTL    25
#define FIRST_ADD_KEY  217
#define SECOND_ARCH    AUDIT_ARCH_ARM
#define SECOND_IOCTL   54
#define SECOND_FCNTL   55
#define SECOND_FCNTL64 221
#define SECOND_ADD_KEY 309
#elif defined(__riscv) && __riscv_xlen == 64
#define FIRST_ARCH  AUDIT_ARCH_RISCV64
#define SECOND_ARCH AUDIT_ARCH_RISCV32
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_ARCH     AUDIT_ARCH_PPC64LE
#define SECOND_ARCH    (AUDIT_ARCH_PPC | __AUDIT_ARCH_LE)
#define SECOND_FCNTL64 204
#elif defined(__s390x__)
#define FIRST_ARCH     AUDIT_ARCH_S390X
#define SECOND_ARCH    AUDIT_ARCH_S390
#define SECOND_FCNTL64 221
#elif defined(__loongarch64)
#define FIRST_ARCH  AUDIT_ARCH_LOONGARCH64
#define SECOND_ARCH AUDIT_ARCH_LOONGARCH32
#else
#error "name this architecture for the guards"
#endif
#ifndef FIRST_IOCTL /* both have the same numbers */
#define FIRST_IOCTL    SYS_ioctl
#define FIRST_FCNTL    SYS_fcntl
#define FIRST_ADD_KEY  SYS_add_key
#define SECOND_IOCTL   SYS_ioctl
#define SECOND_FCNTL   SYS_fcntl
#define SECOND_ADD_KEY SYS_add_key
#endif
#ifndef OTHER_IOCTL
#define OTHER_IOCTL   FIRST_IOCTL
#define OTHER_ADD_KEY FIRST_ADD_KEY
#define OTHER_FCNTL   FIRST_FCNTL
#endif
#ifndef SECOND_FCNTL64
#define SECOND_FCNTL64 SECOND_FCNTL
#endif
_Static_assert((SYS_ioctl == FIRST_IOCTL && SYS_fcntl == FIRST_FCNTL &&
		SYS_add_key == FIRST_ADD_KEY) ||
		       (SYS_ioctl == SECOND_IOCTL && SYS_fcntl == SECOND_FCNTL &&
			SYS_add_key == SECOND_ADD_KEY),
	       "this architecture is one of the two");
_Static_assert(SYS_request_key == SYS_add_key + 1 && SYS_keyctl == SYS_add_key + 2,
	       "the key guard denies the three from add_key(2) on");

#define LOAD(at)              BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF_IS(k, yes, no)     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define IF_GE(k, yes, no)     BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, yes, no)
#define IF_HAS(bits, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, yes, no)
#define ANSWER(action)        BPF_STMT(BPF_RET | BPF_K, action)

/* No key, whoever's. A session keyring of one's own separates nothing: the caller's keyrings belong
 * to the same user, and KEYCTL_LINK brings them into it. add_key(2), request_key(2) and keyctl(2)
 * have consecutive numbers everywhere. ENOSYS as on a kernel without keys: for that, and nothing
 * else, container engines inside go on without.
 *
 * Every other call passes, and the kernel's per-call bitmap (5.11) lets them pass without running
 * the program: all that comes before the answer has to be what it understands. The kernel compiles
 * it anew for each sandbox and runs it for every number there is, so it is short, and shortest for
 * most of them. */
static const struct sock_filter key_guard[] = {
	LOAD(FIELD(arch)),
	IF_IS(FIRST_ARCH, 1, 0),
	IF_IS(SECOND_ARCH, 5, 8),
	LOAD(FIELD(nr)), /* first */
	IF_GE(FIRST_ADD_KEY, 0, 7),
	IF_GE(FIRST_ADD_KEY + 3, 0, 5),
	IF_GE(OTHER_ADD_KEY, 0, 5),
	IF_GE(OTHER_ADD_KEY + 3, 4, 3),
	LOAD(FIELD(nr)), /* second */
	IF_GE(SECOND_ADD_KEY, 0, 2),
	IF_GE(SECOND_ADD_KEY + 3, 1, 0),
	ANSWER(SECCOMP_RET_ERRNO | ENOSYS), /* an architecture that is not known here, too */
	ANSWER(SECCOMP_RET_ALLOW),
};

/* Nothing puts bytes into the input of a terminal: TIOCSTI types, TIOCLINUX pastes on a console.
 * And nothing has a signal sent where its input comes: with O_ASYNC the kernel makes the terminal's
 * foreground process group the one that gets it (tty_fasync()), whoever that is, in whatever pid
 * namespace, and F_SETSIG makes it SIGKILL. A filter cannot tell a terminal from a socket.
 * Most calls pass after a few comparisons, as in the key guard. */
static const struct sock_filter tty_guard[] = {
	LOAD(FIELD(arch)),
	IF_IS(FIRST_ARCH, 1, 0),
	IF_IS(SECOND_ARCH, 5, 18),
	LOAD(FIELD(nr)), /* first */
	IF_IS(FIRST_IOCTL, 7, 0),
	IF_IS(FIRST_FCNTL, 10, 0),
	IF_IS(OTHER_IOCTL, 5, 0),
	IF_IS(OTHER_FCNTL, 8, 15),
	LOAD(FIELD(nr)), /* second */
	IF_IS(SECOND_IOCTL, 2, 0),
	IF_IS(SECOND_FCNTL, 5, 0),
	IF_IS(SECOND_FCNTL64, 4, 11),
	LOAD(LOW_HALF(args[1])), /* the request of ioctl(2) */
	IF_IS(TIOCSTI, 8, 0),
	IF_IS(TIOCLINUX, 7, 0),
	IF_IS(FIOASYNC, 6, 7),
	LOAD(LOW_HALF(args[1])), /* the command of fcntl(2) */
	IF_IS(F_SETSIG, 4, 0),
	IF_IS(F_SETFL, 0, 4),
	LOAD(LOW_HALF(args[2])),
	IF_HAS(O_ASYNC, 1, 2),
	ANSWER(SECCOMP_RET_ERRNO | ENOSYS), /* an architecture that is not known here */
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	ANSWER(SECCOMP_RET_ALLOW),
};
enum { N_GUARDS = 2 };

/* Returns how many are due. `denies_keys`: what they are to be part of does already. */
static size_t list_guards(const struct run *run, bool denies_keys, struct program *guards)
{
	size_t n = 0;
	if (!run->plan->filter.allow_keys && !denies_keys)
		guards[n++] = (struct program){ key_guard, ARRAY_SIZE(key_guard) };
	if (run->host->has_tty)
		guards[n++] = (struct program){ tty_guard, ARRAY_SIZE(tty_guard) };
	return n;
}

/* Neither call does anything, guarded or not. */
static bool guards_hold(const struct run *run)
{
	bool keys_held =
		run->plan->filter.allow_keys ||
		(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) < 0 &&
		 errno == ENOSYS);
	bool tty_held = !run->host->has_tty || (ioctl(-1, TIOCSTI, NULL) < 0 && errno == EPERM);
	return keys_held && tty_held;
}

void filters_load_guards(struct run *run)
{
	struct program guards[N_GUARDS];
	size_t n = list_guards(run, false, guards);
	bool in_composed = run->composed && !run->composed->traced;
	if (!n || in_composed || run->guarded)
		return;
	struct program program = n == 1 ? guards[0] : compose_joined(guards, n);
	/* Not for the speculation mitigation's sake: no other call shall become slower. */
	int error = try_load(false, program.code, program.n, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	const char *options = !run->host->has_tty            ? "--allow-keys does"
			      : run->plan->filter.allow_keys ? "--no-tty-guard does"
							     : "--allow-keys and --no-tty-guard do";
	if (error)
		die("Can't keep COMMAND from the caller's %s%s%s: Can't load a seccomp program: "
		    "%s; %s without",
		    run->plan->filter.allow_keys ? "" : "kernel keys", n == 2 ? " and " : "",
		    run->host->has_tty ? "terminal" : "", load_error(error), options);
	if (!guards_hold(run))
		die("A seccomp program is loaded and does not hold; %s without", options);
	run->guarded = true;
}

/* ---- what the lists and profiles come to ---- */

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

/* `guards` come before whatever may only log, which lets a call pass without asking further. */
static struct program compose(const struct policy *policy, enum filtered whom, bool traced,
			      const struct program *guards, size_t n_guards)
{
	uint32_t native = seccomp_arch_native();
	uint32_t deny_action = traced ? SECCOMP_RET_USER_NOTIF : policy->deny_action;
	bool built = policy_uses_built_profile(policy) && !traced;
	struct policy lists = { .deny = policy->deny, .deny_action = policy->deny_action };
	struct verdicts verdicts = policy_resolve(built ? &lists : policy, whom);
	if (verdicts.bad)
		die("%s", verdicts.bad);
	struct rules layers[N_DENIED_LAYERS];
	policy_split_denied(&verdicts.denied, policy->deny_action, layers);

	struct program parts[2 + N_DENIED_LAYERS + N_GUARDS];
	size_t n = 0;
	if (!built) /* which has one of its own */
		parts[n++] = built_prologue;
	for (size_t i = 0; i < N_DENIED_LAYERS; i++) {
		for (size_t g = 0; i == DENIED_LOGGED && g < n_guards; g++)
			parts[n++] = guards[g];
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
	const struct policy *policy = &run->plan->filter.policy;
	if (!policy_is_given(policy))
		return;
	run->composed = arena_alloc(sizeof(*run->composed));
	run->composed->traced = policy->trace.fd >= 0;
	if (policy->dump.fd >= 0) { /* what the options say, and not what is always there */
		struct program program = compose(policy, FILTER_COMMAND, false, NULL, 0);
		if (!write_all(policy->dump.fd, program.code, program.n * sizeof(*program.code)))
			die_errno(errno, "%s: Can't write to descriptor %d",
				  position_text(policy->dump.position), policy->dump.fd);
		if (policy->dump.fd > STDERR_FILENO)
			close(policy->dump.fd);
	}
	if (run->composed->traced) {
		run->composed->programs[FILTER_COMMAND] =
			compose(policy, FILTER_COMMAND, true, NULL, 0);
		return;
	}
	struct program guards[N_GUARDS];
	/* every built-in profile denies keys; tools/profiles.c makes no other */
	size_t n = list_guards(run, policy_uses_built_profile(policy), guards);
	run->composed->programs[FILTER_COMMAND] = compose(policy, FILTER_COMMAND, false, guards, n);
	if (run->shape.topology == RUN_WITH_INIT)
		run->composed->programs[FILTER_INIT] =
			compose(policy, FILTER_INIT, false, guards, n);
}

/* ---- loading ---- */

bool filters_are_asked_for(const struct run *run)
{
	return run->plan->filter.n_seccomp || run->composed;
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
	unsigned long flags = run->plan->filter.policy.log ? SECCOMP_FILTER_FLAG_LOG : 0;
	require_loaded(try_load(false, program->code, program->n, flags), "seccomp lists");
}

void filters_load(struct run *run, enum filtered whom)
{
	const struct plan *plan = run->plan;
	filters_load_guards(run);
	for (size_t i = 0; i < plan->filter.n_seccomp; i++) {
		const struct seccomp_source *source = &plan->filter.seccomp[i];
		const char *bytes = source->bytes ? source->bytes : run->late_program->bytes;
		size_t length = source->bytes ? source->length : run->late_program->length;
		load_given(bytes, length, source->at.position);
	}
	if (run->composed)
		load_composed(run, whom);
}
