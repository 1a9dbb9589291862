/* guards.c - the guards of the caller's keys and terminal: what they are, and whether they hold; and the one of the
 * helper that relays a terminal.
 *
 * Those deny nothing that setup needs, whoever asks for how much.
 */
#include "filter/guards.h"

#include "plan/plan.h"
#include "utils.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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

size_t guards_list(const struct run *run, bool denies_keys, struct program *guards)
{
	size_t n = 0;
	if (!run->plan->filter.allow_keys && !denies_keys)
		guards[n++] = (struct program){ key_guard, ARRAY_SIZE(key_guard) };
	if (run->host->has_tty)
		guards[n++] = (struct program){ tty_guard, ARRAY_SIZE(tty_guard) };
	return n;
}

/* Neither call does anything, guarded or not. */
bool guards_hold(const struct run *run)
{
	bool keys_held =
		run->plan->filter.allow_keys ||
		(syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) < 0 &&
		 errno == ENOSYS);
	bool tty_held = !run->host->has_tty || (ioctl(-1, TIOCSTI, NULL) < 0 && errno == EPERM);
	return keys_held && tty_held;
}

/* FIRST_ARCH is the one with the longer pointers. */
#define OWN_ARCH       (sizeof(void *) == 8 ? FIRST_ARCH : SECOND_ARCH)
#define PASSES(number) IF_IS(number, 0, 1), ANSWER(SECCOMP_RET_ALLOW)

/* An allow list: whoever took the relay over by what COMMAND writes would have two terminals, and no file, no
 * process and no key that it can type for the caller. */
static const struct sock_filter relay_filter[] = {
	LOAD(FIELD(arch)),
	IF_IS(OWN_ARCH, 1, 0),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	LOAD(FIELD(nr)),
	PASSES(SYS_read),
	PASSES(SYS_write),
	PASSES(SYS_close),
#ifdef SYS_poll
	PASSES(SYS_poll),
#endif
#ifdef SYS_ppoll
	PASSES(SYS_ppoll),
#endif
#ifdef SYS_ppoll_time64
	PASSES(SYS_ppoll_time64),
#endif
	PASSES(SYS_rt_sigprocmask),
	PASSES(SYS_restart_syscall), /* of poll(2), when it was stopped */
	PASSES(SYS_exit_group),
	IF_IS(SYS_ioctl, 1, 0),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	LOAD(LOW_HALF(args[1])),
	PASSES(TCGETS),
	PASSES(TCSETS),
#ifdef TCGETS2 /* glibc 2.42 */
	PASSES(TCGETS2),
	PASSES(TCSETS2),
#endif
	PASSES(TIOCGPGRP),
	PASSES(TIOCGWINSZ),
	PASSES(TIOCSWINSZ),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
};

bool guards_confine_relay(void)
{
	const struct sock_fprog program = {
		.len = ARRAY_SIZE(relay_filter),
		.filter = (struct sock_filter *) (uintptr_t) relay_filter,
	};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		    &program) < 0)
		return false;
	/* A filter around us may have answered instead. */
	return syscall(SYS_getppid) < 0 && errno == EPERM;
}
