/* guards.c - the guards of the caller's keys and terminal, of TCP and btrfs: what they are, and whether they hold; and those of the
 * helpers that relay a terminal and carry connections.
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
#include <linux/btrfs.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
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
#define FIRST_ARCH        AUDIT_ARCH_X86_64
#define FIRST_IOCTL       16
#define FIRST_FCNTL       72
#define FIRST_ADD_KEY     248
#define FIRST_SOCKET      41
#define FIRST_SENDTO      44
#define FIRST_SENDMSG     46
#define FIRST_SENDMMSG    307
#define OTHER_SENDMSG     518
#define OTHER_SENDMMSG    538
#define OTHER_IOCTL       (X32 + 514)
#define OTHER_ADD_KEY     (X32 + FIRST_ADD_KEY)
#define OTHER_FCNTL       (X32 + FIRST_FCNTL)
#define SECOND_ARCH       AUDIT_ARCH_I386
#define SECOND_IOCTL      54
#define SECOND_FCNTL      55
#define SECOND_FCNTL64    221
#define SECOND_ADD_KEY    286
#define SECOND_SOCKET     359
#define SECOND_SENDTO     369
#define SECOND_SENDMSG    370
#define SECOND_SENDMMSG   345
#define SECOND_SOCKETCALL 102
#elif defined(__aarch64__) || defined(__arm__)
#define FIRST_ARCH      AUDIT_ARCH_AARCH64
#define FIRST_IOCTL     29
#define FIRST_FCNTL     25
#define FIRST_ADD_KEY   217
#define FIRST_SOCKET    198
#define FIRST_SENDTO    206
#define FIRST_SENDMSG   211
#define FIRST_SENDMMSG  269
#define SECOND_ARCH     AUDIT_ARCH_ARM
#define SECOND_IOCTL    54
#define SECOND_FCNTL    55
#define SECOND_FCNTL64  221
#define SECOND_ADD_KEY  309
#define SECOND_SOCKET   281
#define SECOND_SENDTO   290
#define SECOND_SENDMSG  296
#define SECOND_SENDMMSG 374
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
#ifndef FIRST_SOCKET /* the same */
#define FIRST_SOCKET    SYS_socket
#define FIRST_SENDTO    SYS_sendto
#define FIRST_SENDMSG   SYS_sendmsg
#define FIRST_SENDMMSG  SYS_sendmmsg
#define SECOND_SOCKET   SYS_socket
#define SECOND_SENDTO   SYS_sendto
#define SECOND_SENDMSG  SYS_sendmsg
#define SECOND_SENDMMSG SYS_sendmmsg
#ifdef SYS_socketcall
#define FIRST_SOCKETCALL  SYS_socketcall
#define SECOND_SOCKETCALL SYS_socketcall
#endif
#endif
#define NO_CALL UINT32_MAX
#ifndef FIRST_SOCKETCALL
#define FIRST_SOCKETCALL NO_CALL
#endif
#ifndef SECOND_SOCKETCALL
#define SECOND_SOCKETCALL NO_CALL
#endif
#ifndef OTHER_SENDMSG
#define OTHER_SENDMSG  NO_CALL
#define OTHER_SENDMMSG NO_CALL
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

/* ---- of TCP ---- */

/* What opens a TCP connection, or a server, without the calls that Landlock judges, which are connect(2) and
 * bind(2) of sockets that are TCP by name (tried on 6.18): MPTCP and SMC fall back to TCP; sending with
 * MSG_FASTOPEN connects; io_uring(7) does all of that out of a filter's sight. As a kernel answers that has none of
 * these. What socketcall(2) makes or sends stands in memory, and is denied as a whole.
 *
 * By number: they are newer than some headers. */
enum { MPTCP = 262, SMC = 256, SMC_FAMILY = 43, FASTOPEN = 0x20000000, IO_URING_SETUP = 425 };
enum { CALL_SOCKET = 1, CALL_SENDTO = 11, CALL_SENDMSG = 16, CALL_SENDMMSG = 20 }; /* linux/net.h */
/* Where the program's parts begin, counted from the end of what looks at the call's number. */
enum {
	AT_SOCKET = 0,
	AT_SENDMSG = 5,
	AT_SENDTO = 7,
	AT_FLAGS = 8,
	AT_SOCKETCALL = 9,
	AT_EPERM = 14,
	AT_NO_PROTOCOL = 15,
	AT_NO_FASTOPEN = 16,
	AT_ENOSYS = 17,
	AT_PASS = 18,
	N_SORT = 10 /* instructions of SORT() */
};
#define TO(part, from)         ((uint8_t) ((part) - (from) -1))
#define ON(k, part, from)      IF_IS(k, TO(part, from), 0)
#define LAST_ON(k, part, from) IF_IS(k, TO(part, from), TO(AT_PASS, from))
/* `behind` instructions are between the end of it and the parts. x32 has x86-64's numbers with a bit more, but for
 * two. */
#define SORT(WHICH, sendmsg, sendmmsg, behind)                      \
	LOAD(FIELD(nr)), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32), \
		ON(WHICH##_SOCKET, AT_SOCKET, -8 - (behind)),       \
		ON(WHICH##_SENDTO, AT_SENDTO, -7 - (behind)),       \
		ON(WHICH##_SENDMMSG, AT_SENDTO, -6 - (behind)),     \
		ON(sendmmsg, AT_SENDTO, -5 - (behind)),             \
		ON(WHICH##_SENDMSG, AT_SENDMSG, -4 - (behind)),     \
		ON(sendmsg, AT_SENDMSG, -3 - (behind)),             \
		ON(IO_URING_SETUP, AT_EPERM, -2 - (behind)),        \
		LAST_ON(WHICH##_SOCKETCALL, AT_SOCKETCALL, -1 - (behind))

static const struct sock_filter tcp_guard[] = {
	LOAD(FIELD(arch)),
	IF_IS(FIRST_ARCH, 1, 0),
	IF_IS(SECOND_ARCH, N_SORT, TO(AT_ENOSYS, -2 * N_SORT - 1)),
	SORT(FIRST, OTHER_SENDMSG, OTHER_SENDMMSG, N_SORT),
	SORT(SECOND, NO_CALL, NO_CALL, 0),
	LOAD(LOW_HALF(args[2])), /* AT_SOCKET: the protocol, then the family */
	ON(MPTCP, AT_NO_PROTOCOL, 1),
	ON(SMC, AT_NO_PROTOCOL, 2),
	LOAD(LOW_HALF(args[0])),
	LAST_ON(SMC_FAMILY, AT_NO_PROTOCOL, 4),
	LOAD(LOW_HALF(args[2])), /* AT_SENDMSG */
	BPF_STMT(BPF_JMP | BPF_JA, AT_FLAGS - 6 - 1),
	LOAD(LOW_HALF(args[3])), /* AT_SENDTO, and sendmmsg(2) */
	IF_HAS(FASTOPEN, TO(AT_NO_FASTOPEN, AT_FLAGS), TO(AT_PASS, AT_FLAGS)),
	LOAD(LOW_HALF(args[0])), /* AT_SOCKETCALL */
	ON(CALL_SOCKET, AT_EPERM, 10),
	ON(CALL_SENDTO, AT_EPERM, 11),
	ON(CALL_SENDMSG, AT_EPERM, 12),
	LAST_ON(CALL_SENDMMSG, AT_EPERM, 13),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	ANSWER(SECCOMP_RET_ERRNO | EPROTONOSUPPORT),
	ANSWER(SECCOMP_RET_ERRNO | EOPNOTSUPP),
	ANSWER(SECCOMP_RET_ERRNO | ENOSYS), /* an architecture that is not known here */
	ANSWER(SECCOMP_RET_ALLOW),
};
_Static_assert(ARRAY_SIZE(tcp_guard) == 3 + 2 * N_SORT + AT_PASS + 1,
	       "its parts are where they are said to be");

struct program guards_of_tcp(void)
{
	return (struct program){ tcp_guard, ARRAY_SIZE(tcp_guard) };
}

/* Without the guard that is EBADF. */
bool guards_hold_tcp(void)
{
	return syscall(SYS_sendto, -1, NULL, 0, FASTOPEN, NULL, 0) < 0 && errno == EOPNOTSUPP;
}

/* ---- of btrfs ---- */

/* Whoever owns a subvolume may make a snapshot of it, in which no mount covers anything; and with the mount option
 * user_subvol_rm_allowed remove it, whatever is mounted in it. */
static const struct sock_filter subvolume_guard[] = {
	LOAD(FIELD(arch)),
	IF_IS(FIRST_ARCH, 1, 0),
	IF_IS(SECOND_ARCH, 3, 10),
	LOAD(FIELD(nr)), /* first */
	IF_IS(FIRST_IOCTL, 3, 0),
	IF_IS(OTHER_IOCTL, 2, 9),
	LOAD(FIELD(nr)), /* second */
	IF_IS(SECOND_IOCTL, 0, 7),
	LOAD(LOW_HALF(args[1])),
	IF_IS(BTRFS_IOC_SNAP_CREATE, 4, 0),
	IF_IS(BTRFS_IOC_SNAP_CREATE_V2, 3, 0),
	IF_IS(BTRFS_IOC_SNAP_DESTROY, 2, 0),
	IF_IS(BTRFS_IOC_SNAP_DESTROY_V2, 1, 2),
	ANSWER(SECCOMP_RET_ERRNO | ENOSYS), /* an architecture that is not known here */
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	ANSWER(SECCOMP_RET_ALLOW),
};

struct program guards_of_subvolumes(void)
{
	return (struct program){ subvolume_guard, ARRAY_SIZE(subvolume_guard) };
}

/* Without the guard that is EBADF. */
bool guards_hold_subvolumes(void)
{
	return ioctl(-1, BTRFS_IOC_SNAP_CREATE, NULL) < 0 && errno == EPERM;
}

/* ---- of the relay ---- */

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
#ifdef SANITIZED /* AddressSanitizer asks for the stack before a call that does not return */
	PASSES(SYS_sigaltstack),
#endif
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

#ifdef SYS_fcntl64
#define CARRIER_FCNTL SYS_fcntl64
#else
#define CARRIER_FCNTL SYS_fcntl
#endif

/* The same for the carrier: it makes and joins sockets that carry streams, and what comes by them does not even come into
 * its memory. */
static const struct sock_filter carrier_filter[] = {
	LOAD(FIELD(arch)),
	IF_IS(OWN_ARCH, 1, 0),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	LOAD(FIELD(nr)),
#ifdef SANITIZED
	PASSES(SYS_sigaltstack),
#endif
	PASSES(SYS_splice),
#ifdef SYS_epoll_wait
	PASSES(SYS_epoll_wait),
#endif
	PASSES(SYS_epoll_pwait),
	PASSES(SYS_epoll_ctl),
	PASSES(SYS_accept4),
	PASSES(SYS_connect),
	PASSES(SYS_getsockopt),
	PASSES(SYS_shutdown),
	PASSES(SYS_close),
	PASSES(SYS_pipe2),
	PASSES(SYS_recvfrom),
	PASSES(SYS_write), /* that it is ready, too */
	PASSES(SYS_restart_syscall),
	PASSES(SYS_exit_group),
	PASSES(SYS_clock_gettime),
#ifdef SYS_clock_gettime64
	PASSES(SYS_clock_gettime64),
#endif
#ifdef SYS_socketcall /* all of them at once, whose arguments no filter sees */
	PASSES(SYS_socketcall),
#endif
	IF_IS(SYS_openat, 0, 5), /* where a target is: path_open_plain() */
	LOAD(LOW_HALF(args[2])),
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t) ~(O_DIRECTORY | O_LARGEFILE)),
	PASSES(O_PATH | O_NOFOLLOW | O_CLOEXEC),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	IF_IS(CARRIER_FCNTL, 0, 6),
	LOAD(LOW_HALF(args[1])),
	PASSES(F_SETPIPE_SZ),
	PASSES(F_DUPFD_CLOEXEC),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	IF_IS(SYS_setsockopt, 0, 9),
	LOAD(LOW_HALF(args[1])),
	IF_IS(SOL_SOCKET, 0, 2),
	LOAD(LOW_HALF(args[2])),
	IF_IS(SO_LINGER, 3, 4),
	IF_IS(IPPROTO_TCP, 0, 3),
	LOAD(LOW_HALF(args[2])),
	IF_IS(TCP_NODELAY, 0, 1),
	ANSWER(SECCOMP_RET_ALLOW),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	IF_IS(SYS_socket, 1, 0),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
	LOAD(LOW_HALF(args[0])),
	PASSES(AF_UNIX),
	PASSES(AF_INET),
	PASSES(AF_INET6),
	ANSWER(SECCOMP_RET_ERRNO | EPERM),
};

static bool confine(const struct sock_filter *filter, size_t length)
{
	const struct sock_fprog program = {
		.len = (unsigned short) length,
		.filter = (struct sock_filter *) (uintptr_t) filter,
	};
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
		    &program) < 0)
		return false;
	/* A filter around us may have answered instead. */
	return syscall(SYS_getppid) < 0 && errno == EPERM;
}

bool guards_confine_relay(void)
{
	return confine(relay_filter, ARRAY_SIZE(relay_filter));
}

bool guards_confine_carrier(void)
{
	return confine(carrier_filter, ARRAY_SIZE(carrier_filter));
}
