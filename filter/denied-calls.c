/* denied-calls.c - the system calls that --trace-denied looks at, and where in their arguments the paths are. */
#include "filter/denied-calls.h"

#include "plan/policy-list.h"
#include "utils.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define NONE     NO_ARGUMENT
#define FOLLOWED AT_SYMLINK_NOFOLLOW /* unless that is in the flags, which some have none of */
#define UNLESS   AT_SYMLINK_FOLLOW
#define NEVER    0
#define NO_SECOND                   \
	{                           \
		0, NONE, NONE, NONE \
	}

/* clang-format off */
const struct looked_call looked_calls[] = {
	{ "open", FOLLOWED, { { USE_OPEN, NONE, 0, 1 }, NO_SECOND } },
	{ "openat", FOLLOWED, { { USE_OPEN, 0, 1, 2 }, NO_SECOND } },
	{ "openat2", FOLLOWED, { { USE_OPEN_BY, 0, 1, 2 }, NO_SECOND } },
	{ "creat", FOLLOWED, { { USE_OPEN, NONE, 0, NONE }, NO_SECOND } },
	{ "execve", FOLLOWED, { { USE_RUN, NONE, 0, NONE }, NO_SECOND } },
	{ "execveat", FOLLOWED, { { USE_RUN, 0, 1, 4 }, NO_SECOND } },
	{ "stat", FOLLOWED, { { USE_LOOK, NONE, 0, NONE }, NO_SECOND } },
	{ "stat64", FOLLOWED, { { USE_LOOK, NONE, 0, NONE }, NO_SECOND } },
	{ "lstat", NEVER, { { USE_LOOK, NONE, 0, NONE }, NO_SECOND } },
	{ "lstat64", NEVER, { { USE_LOOK, NONE, 0, NONE }, NO_SECOND } },
	{ "newfstatat", FOLLOWED, { { USE_LOOK, 0, 1, 3 }, NO_SECOND } },
	{ "fstatat64", FOLLOWED, { { USE_LOOK, 0, 1, 3 }, NO_SECOND } },
	{ "statx", FOLLOWED, { { USE_LOOK, 0, 1, 2 }, NO_SECOND } },
	{ "access", FOLLOWED, { { USE_ASK, NONE, 0, 1 }, NO_SECOND } },
	{ "faccessat", FOLLOWED, { { USE_ASK, 0, 1, 2 }, NO_SECOND } },
	{ "faccessat2", FOLLOWED, { { USE_ASK, 0, 1, 2 }, NO_SECOND } },
	{ "readlink", NEVER, { { USE_LOOK, NONE, 0, NONE }, NO_SECOND } },
	{ "readlinkat", NEVER, { { USE_LOOK, 0, 1, NONE }, NO_SECOND } },
	{ "chdir", FOLLOWED, { { USE_ENTER, NONE, 0, NONE }, NO_SECOND } },
	{ "mkdir", NEVER, { { USE_MAKE, NONE, 0, NONE }, NO_SECOND } },
	{ "mkdirat", NEVER, { { USE_MAKE, 0, 1, NONE }, NO_SECOND } },
	{ "mknod", NEVER, { { USE_MAKE, NONE, 0, NONE }, NO_SECOND } },
	{ "mknodat", NEVER, { { USE_MAKE, 0, 1, NONE }, NO_SECOND } },
	{ "symlink", NEVER, { { USE_MAKE, NONE, 1, NONE }, NO_SECOND } },
	{ "symlinkat", NEVER, { { USE_MAKE, 1, 2, NONE }, NO_SECOND } },
	{ "link", NEVER, { { USE_LOOK, NONE, 0, NONE }, { USE_MAKE, NONE, 1, NONE } } },
	{ "linkat", UNLESS, { { USE_LOOK, 0, 1, 4 }, { USE_MAKE, 2, 3, NONE } } },
	{ "unlink", NEVER, { { USE_REMOVE, NONE, 0, NONE }, NO_SECOND } },
	{ "unlinkat", NEVER, { { USE_REMOVE, 0, 1, NONE }, NO_SECOND } },
	{ "rmdir", NEVER, { { USE_REMOVE, NONE, 0, NONE }, NO_SECOND } },
	{ "rename", NEVER, { { USE_REMOVE, NONE, 0, NONE }, { USE_REPLACE, NONE, 1, NONE } } },
	{ "renameat", NEVER, { { USE_REMOVE, 0, 1, NONE }, { USE_REPLACE, 2, 3, NONE } } },
	{ "renameat2", NEVER, { { USE_REMOVE, 0, 1, NONE }, { USE_REPLACE, 2, 3, NONE } } },
	{ "connect", FOLLOWED, { { USE_CONNECT, NONE, 1, 2 }, NO_SECOND } },
	{ "bind", NEVER, { { USE_BIND, NONE, 1, 2 }, NO_SECOND } },
};
/* clang-format on */
const size_t n_looked_calls = ARRAY_SIZE(looked_calls);

struct program denied_program(void)
{
	struct rules rules = { 0 };
	for (size_t i = 0; i < n_looked_calls; i++) {
		struct call_rule rule = {
			.name = looked_calls[i].name,
			.number = seccomp_syscall_resolve_name(looked_calls[i].name),
			.action = SECCOMP_RET_USER_NOTIF,
		};
		if (rule.number != __NR_SCMP_ERROR) /* this libseccomp may not know all */
			policy_add_rule(&rules, &rule);
	}
	return compose_denied(&rules, SECCOMP_RET_USER_NOTIF, seccomp_arch_native(), false);
}

size_t denied_find_call(uint32_t arch, int number)
{
#if defined(__x86_64__)
	if (arch == AUDIT_ARCH_X86_64 && number & 0x40000000)
		arch = SCMP_ARCH_X32;
#endif
	size_t i = 0;
	while (i < n_looked_calls &&
	       seccomp_syscall_resolve_name_arch(arch, looked_calls[i].name) != number)
		i++;
	return i;
}
