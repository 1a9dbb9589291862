/* floor.c - how cheap can it be: the fewest system calls that make the same sandbox as
 *
 *   floor ro COMMAND...	bwrapish --ro-bind / / COMMAND...
 *   floor all COMMAND...	bwrapish --unshare-all --ro-bind / / --proc /proc --dev /dev
 * COMMAND...
 *   floor overlay DIR N COMMAND...
 *		bwrapish --ro-bind / / --overlay-src DIR/0 ... --tmp-overlay /mnt COMMAND...
 *		with N layers, N <= 1000
 *   floor binds DIR N COMMAND...
 *		bwrapish --ro-bind DIR/bin /bin --ro-bind DIR/many/0 /many/0 ... COMMAND...
 *		with N directories
 *   floor supervised COMMAND...	bwrapish --ro-bind / / --timeout 60 COMMAND...
 *   floor limited DIR KEY VALUE... COMMAND...
 *		bwrapish --ro-bind / / --rlimit core 0 --rlimit nofile 256 --limit KEY VALUE...
 *		in a group of the directory DIR
 *
 * for a normal user whose COMMAND is an absolute path. "The same" is what COMMAND and an onlooker
 * can tell: namespaces, mounts and their flags, no capability in any set, no_new_privs, a fresh
 * keyring, the guard of keys, the caller's directory, umask and descriptors, a reaper that cannot be traced from
 * inside, an exit status. No option is read, nothing is checked twice, no message is worded, and it
 * runs on this very kernel or not at all.
 *
 * All calls are made directly. Built with -DBARE -nostdlib there is no C library at all, not even
 * its start-up.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/mount.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define MNT_DETACH 2
#define ALL_NAMESPACES                                                                             \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | \
	 CLONE_NEWCGROUP)

static inline __attribute__((always_inline)) long call(long nr, long a, long b, long c, long d,
						       long e)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = nr, x0 __asm__("x0") = a, x1 __asm__("x1") = b,
			 x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
#else
#error "floor.c knows x86_64 and aarch64"
#endif
}
#define PICK(nr, a, b, c, d, e, ...) \
	call(nr, (long) (a), (long) (b), (long) (c), (long) (d), (long) (e))
#define TRY(name, ...) PICK(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define DO(name, ...)                                                             \
	({                                                                        \
		long did_ = TRY(name, __VA_ARGS__);                               \
		if (did_ < 0)                                                     \
			failed(#name " failed\n", sizeof(#name " failed\n") - 1); \
		did_;                                                             \
	})

static _Noreturn void leave(long status)
{
	for (;;)
		TRY(exit_group, status);
}

static _Noreturn void failed(const char *text, long length)
{
	TRY(write, 2, text, length);
	leave(1);
}

static void put(const char *path, const char *text, long length)
{
	long fd = DO(openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	DO(write, fd, text, length);
	DO(close, fd);
}

/* "ID ID 1" */
static void map(const char *path, long id)
{
	char text[32], digits[12];
	int n = 0, length = 0;
	do
		digits[n++] = (char) ('0' + id % 10);
	while (id /= 10);
	for (int twice = 0; twice < 2; twice++) {
		for (int i = n; i-- > 0;)
			text[length++] = digits[i];
		text[length++] = ' ';
	}
	text[length++] = '1';
	put(path, text, length);
}

static void map_ids(long uid, long gid)
{
	map("/proc/self/uid_map", uid);
	map("/proc/self/gid_map", gid);
}

/* A clone of what is at `path`, not attached anywhere yet. */
static long clone_tree(const char *path, long how, unsigned long flags)
{
	struct mount_attr attr = { .attr_set = flags, .propagation = MS_PRIVATE };
	long fd = DO(open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | how);
	DO(mount_setattr, fd, "", AT_EMPTY_PATH | how, &attr, sizeof(attr));
	return fd;
}

static void attach(long fd, long dir_fd, const char *path)
{
	DO(move_mount, fd, "", dir_fd, path, MOVE_MOUNT_F_EMPTY_PATH);
}

static long new_filesystem(const char *type, const char *const *options, unsigned long flags)
{
	long fs = DO(fsopen, type, FSOPEN_CLOEXEC);
	for (; options && *options; options += 2)
		DO(fsconfig, fs, FSCONFIG_SET_STRING, options[0], options[1], 0);
	DO(fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	return DO(fsmount, fs, FSMOUNT_CLOEXEC, flags);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	long fd = DO(socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	DO(ioctl, fd, SIOCSIFFLAGS, &request);
}

static void fill_dev(long dev, const long *nodes, const char *const *names)
{
	static const char *const links[][2] = {
		{ "/proc/self/fd", "fd" },       { "/proc/self/fd/0", "stdin" },
		{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
		{ "/proc/kcore", "core" },       { "pts/ptmx", "ptmx" },
	};
	static const char *const devpts[] = { "ptmxmode", "0666", "mode", "0620", 0 };

	for (int i = 0; names[i]; i++) {
		const char *name = names[i] + 5; /* behind "/dev/" */
		DO(mknodat, dev, name, S_IFREG | 0444, 0);
		attach(nodes[i], dev, name);
	}
	for (int i = 0; i < 6; i++)
		DO(symlinkat, links[i][0], dev, links[i][1]);
	DO(mkdirat, dev, "shm", 0755);
	DO(mkdirat, dev, "pts", 0755);
	attach(new_filesystem("devpts", devpts, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC), dev, "pts");
}

/* Appends a number to the path; its end. */
static int append_number(char *path, int at, int number)
{
	int digits = 1;
	for (int rest = number; rest >= 10; rest /= 10)
		digits++;
	for (int i = digits; i-- > 0; number /= 10)
		path[at + i] = (char) ('0' + number % 10);
	path[at + digits] = 0;
	return at + digits;
}

/* Appends text to the path; its end. */
static int append(char *path, int at, const char *text)
{
	while (*text && at < 4000)
		path[at++] = *text++;
	path[at] = 0;
	return at;
}

/* Layers DIR/0 to DIR/N-1, the first at the bottom, and a tmpfs above them: Linux 6.13. */
static long new_overlay(const char *directory, int n)
{
	static const char *const mode[] = { "mode", "0700", 0 };
	char path[4096];
	int length = append(path, append(path, 0, directory), "/");
	long tmpfs = new_filesystem("tmpfs", mode, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	DO(mkdirat, tmpfs, "upper", 0755);
	DO(mkdirat, tmpfs, "work", 0700);
	long fs = DO(fsopen, "overlay", FSOPEN_CLOEXEC);
	DO(fsconfig, fs, FSCONFIG_SET_STRING, "source", "overlay", 0);
	DO(fsconfig, fs, FSCONFIG_SET_FLAG, "userxattr", 0, 0);
	DO(fsconfig, fs, FSCONFIG_SET_FD, "upperdir", 0,
	   DO(openat, tmpfs, "upper", O_PATH | O_CLOEXEC));
	DO(fsconfig, fs, FSCONFIG_SET_FD, "workdir", 0,
	   DO(openat, tmpfs, "work", O_PATH | O_CLOEXEC));
	for (int i = n; i-- > 0;) {
		append_number(path, length, i);
		DO(fsconfig, fs, FSCONFIG_SET_STRING, "lowerdir+", path, 0);
	}
	DO(fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0);
	return DO(fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

/* The attached tree becomes /, and the host is gone. */
static void move_into(long root, const char *directory)
{
	DO(fchdir, root);
	DO(pivot_root, ".", ".");
	DO(umount2, ".", MNT_DETACH);
	if (TRY(chdir, directory) < 0)
		DO(chdir, "/");
}

/* A tmpfs becomes /, with read-only views of SOURCE/bin and of SOURCE/many/0 to N-1. */
static void build_binds(const char *directory, const char *source, int n)
{
	static const char *const mode[] = { "mode", "0755", 0 };
	const unsigned long safe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	char path[4096];
	int length = append(path, 0, source);
	long root = new_filesystem("tmpfs", mode, safe);
	attach(root, AT_FDCWD, "/");
	append(path, length, "/bin");
	DO(mkdirat, root, "bin", 0755);
	attach(clone_tree(path, AT_RECURSIVE, MOUNT_ATTR_RDONLY | safe), root, "bin");
	DO(mkdirat, root, "many", 0755);
	long many = DO(openat, root, "many", O_PATH | O_CLOEXEC);
	length = append(path, length, "/many/");
	for (int i = 0; i < n; i++) {
		append_number(path, length, i);
		long fd = clone_tree(path, AT_RECURSIVE, MOUNT_ATTR_RDONLY | safe);
		DO(mkdirat, many, path + length, 0755);
		attach(fd, many, path + length);
		DO(close, fd);
	}
	move_into(root, directory);
}

/* The host, read-only, stays /: its mounts came with the mount namespace; with proc and dev of its own, or with `overlay` on /mnt, if asked for. */
static void build_root(const char *directory, int with_proc_and_dev, long overlay)
{
	static const char *const names[] = {
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", 0
	};
	static const char *const mode[] = { "mode", "0755", 0 };
	const unsigned long safe = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | safe,
				   .propagation = MS_PRIVATE };
	long nodes[6], proc, dev;
	if (with_proc_and_dev) {
		for (int i = 0; names[i]; i++)
			nodes[i] = clone_tree(names[i], 0, MOUNT_ATTR_NOSUID);
		proc = new_filesystem("proc", 0, safe | MOUNT_ATTR_NOEXEC);
		dev = new_filesystem("tmpfs", mode, safe);
	}
	DO(mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr));
	if (with_proc_and_dev) {
		attach(proc, AT_FDCWD, "/proc");
		attach(dev, AT_FDCWD, "/dev");
		fill_dev(dev, nodes, names);
	}
	if (overlay >= 0)
		attach(overlay, AT_FDCWD, "/mnt");
	if (TRY(chdir, directory) < 0)
		DO(chdir, "/");
}

static void drop_capabilities(int bounding_too)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	for (long cap = 0; bounding_too && TRY(prctl, PR_CAPBSET_DROP, cap) == 0;)
		cap++;
	DO(capset, &header, none);
}

#if defined(__x86_64__)
#define NATIVE   AUDIT_ARCH_X86_64, 248, 0x40000000u + 248
#define OTHER    AUDIT_ARCH_I386
#define OTHER_AT 286
#else
#define NATIVE   AUDIT_ARCH_AARCH64, 217, 217
#define OTHER    AUDIT_ARCH_ARM
#define OTHER_AT 309
#endif

/* The program that bwrapish loads: no add_key, request_key and keyctl, for either architecture. */
static void guard_keys(void)
{
#define LOAD(at)          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at)
#define IF_IS(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, yes, no)
#define IF_GE(k, yes, no) BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, k, yes, no)
	static const unsigned native[] = { NATIVE };
	const struct sock_filter code[] = {
		LOAD(4), /* the architecture */
		IF_IS(native[0], 1, 0),
		IF_IS(OTHER, 5, 8),
		LOAD(0), /* the number */
		IF_GE(native[1], 0, 7),
		IF_GE(native[1] + 3, 0, 5),
		IF_GE(native[2], 0, 5),
		IF_GE(native[2] + 3, 4, 3),
		LOAD(0),
		IF_GE(OTHER_AT, 0, 2),
		IF_GE(OTHER_AT + 3, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(code) / sizeof(*code),
					    (struct sock_filter *) code };
	DO(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
}

static _Noreturn void become_command(char **command, char **env)
{
	drop_capabilities(1);
	DO(execve, command[0], command, env);
	leave(1);
}

/* Pid 1: has lost all it could do, starts COMMAND in an inner user namespace and reaps. */
static _Noreturn void init(long report_fd, long uid, long gid, char **command, char **env)
{
	drop_capabilities(0);
	guard_keys();
	/* As vfork: the child borrows this memory until it execs. */
	long child = TRY(clone, CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		map_ids(uid, gid);
		become_command(command, env);
	}
	if (child < 0)
		failed("clone failed\n", 13);
	for (;;) {
		int status;
		long pid = TRY(wait4, -1, &status, 0, 0);
		if (pid < 0)
			leave(0);
		if (pid == child) {
			status = status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
			DO(write, report_fd, &status, sizeof(status));
		}
	}
}

static _Noreturn void monitor_and_init(const char *directory, long uid, long gid, char **command,
				       char **env)
{
	int fds[2], status;
	DO(pipe2, fds, O_CLOEXEC);
	if (DO(clone, ALL_NAMESPACES | SIGCHLD, 0, 0, 0, 0)) {
		DO(close, fds[1]);
		leave(TRY(read, fds[0], &status, sizeof(status)) == sizeof(status) ? status : 1);
	}
	DO(close, fds[0]);
	put("/proc/self/setgroups", "deny", 4);
	map_ids(uid, gid);
	DO(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
	loopback_up();
	long mask = DO(umask, 0);
	build_root(directory, 1, -1);
	DO(umask, mask);
	DO(close_range, fds[1] + 1, ~0u, 0);
	init(fds[1], uid, gid, command, env);
}

static int number_of(const char *digits)
{
	int n = 0;
	for (; *digits; digits++)
		n = 10 * n + *digits - '0';
	return n;
}

static long length_of(const char *text)
{
	long length = 0;
	while (*(const volatile char *) &text[length]) /* or the compiler calls strlen(3) */
		length++;
	return length;
}

/* Waits outside for what goes on in a new process, in a group of its own where `directory` is not
 * NULL. Moves `words` on to COMMAND. */
static void supervise(const char *directory, char ***words)
{
	long parent = -1, group = -1, fd;
	int status;
	if (directory) {
		parent = DO(openat, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DO(mkdirat, parent, "floor", 0700);
		group = DO(openat, parent, "floor", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	for (; directory && ***words != '/'; *words += 2) {
		fd = DO(openat, group, (*words)[0], O_WRONLY | O_CLOEXEC);
		DO(write, fd, (*words)[1], length_of((*words)[1]));
		DO(close, fd);
	}
	struct clone_args args = { .flags = CLONE_NEWUSER | CLONE_NEWNS |
					    (directory ? CLONE_INTO_CGROUP : 0),
				   .exit_signal = SIGCHLD,
				   .cgroup = directory ? (unsigned long) group : 0 };
	if (DO(clone3, &args, sizeof(args)) == 0) {
		static const struct rlimit none = { 0, 0 }, few = { 256, 256 };
		if (directory) {
			DO(prlimit64, 0, RLIMIT_CORE, &none, 0);
			DO(prlimit64, 0, RLIMIT_NOFILE, &few, 0);
		}
		return;
	}
	DO(wait4, -1, &status, 0, 0);
	if (directory)
		DO(unlinkat, parent, "floor", AT_REMOVEDIR);
	leave(status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff);
}

int main(int argc, char *argv[], char *env[])
{
	static char directory[4096];
	if (argc < 3)
		failed("usage: floor ro|all|overlay|binds|supervised|limited COMMAND...\n", 64);
	long uid = TRY(getuid, 0), gid = TRY(getgid, 0);
	DO(getcwd, directory, sizeof(directory));
	DO(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (argv[1][0] == 'a')
		monitor_and_init(directory, uid, gid, argv + 2, env);
	char **command = argv + 2;
	const char *group = argv[1][0] == 'l' && argc > 3 ? *command++ : 0;
	if (group || argv[1][0] == 's')
		supervise(group, &command);
	else
		DO(unshare, CLONE_NEWUSER | CLONE_NEWNS);
	put("/proc/self/setgroups", "deny", 4);
	map_ids(uid, gid);
	DO(keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0);
	bool takes_directory = argc > 4 && (argv[1][0] == 'o' || argv[1][0] == 'b');
	if (takes_directory)
		command += 2;
	if (takes_directory && argv[1][0] == 'b')
		build_binds(directory, argv[2], number_of(argv[3]));
	else
		build_root(directory, 0,
			   takes_directory ? new_overlay(argv[2], number_of(argv[3])) : -1);
	guard_keys();
	become_command(command, env);
}

#ifdef BARE
__attribute__((used)) static _Noreturn void begin(long *stack)
{
	char **argv = (char **) (stack + 1);
	leave(main((int) *stack, argv, argv + *stack + 1));
}
#if defined(__x86_64__)
__asm__(".globl _start\n_start: mov %rsp, %rdi\nand $-16, %rsp\ncall begin\n");
#else
__asm__(".globl _start\n_start: mov x0, sp\nbl begin\n");
#endif
#endif
