/* kernel.h - the system calls that a C library may not have wrappers for yet, under their own
 * names.
 *
 * Thin on purpose: -1 and errno, as in the man pages. The constants come from the kernel's headers,
 * so that glibc's and musl's <sys/mount.h> need not agree with <linux/mount.h>.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000 /* linux/fcntl.h, which clashes with fcntl.h */
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* 5.6; for clone(2) a part of the signal's number */
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* 6.3 */
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef MS_PRIVATE
#define MS_PRIVATE (1 << 18)
#define MS_SLAVE   (1 << 19)
#endif
#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000 /* 5.14 */
#endif

#ifndef STATX_TYPE
#define STATX_TYPE  0x0001
#define STATX_NLINK 0x0004
#define STATX_INO   0x0100
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID          0x1000
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif
#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000 /* 6.8 */
#endif

/* statx(2)'s struct under a name of its own: musl has none before 1.2.5, tells no mount before 1.2.6,
 * and its struct clashes with that of <linux/stat.h>. */
struct kernel_statx {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, spare;
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	uint64_t times[4][2];
	uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	uint64_t stx_mnt_id; /* 5.8 */
	uint64_t spares[13];
};
_Static_assert(sizeof(struct kernel_statx) == 256, "the kernel writes that many bytes");

static inline int sys_statx(int dir_fd, const char *path, int flags, unsigned mask,
			    struct kernel_statx *ret_status)
{
	return (int) syscall(SYS_statx, dir_fd, path, flags, mask, ret_status);
}

#ifndef SYS_statmount
#define SYS_statmount 457 /* 6.8; others, on architectures that are not known here, answer ENOSYS */
#endif

/* The beginnings of struct mnt_id_req and of struct statmount (linux/mount.h), which is all that is asked
 * for. */
struct kernel_mount_request {
	uint32_t size, spare;
	uint64_t mount_id, parts;
};
struct kernel_mount {
	uint32_t size, spare;
	uint64_t parts;
	uint32_t device[2];
	uint64_t magic;
	uint32_t fs_flags, type;
	uint64_t mount_id, parent_id;
	char rest[512 - 56];
};
enum { KERNEL_MOUNT_BASIC = 2 }; /* STATMOUNT_MNT_BASIC: the two ids */

/* The id is that of STATX_MNT_ID_UNIQUE. */
static inline int sys_statmount(uint64_t mount_id, uint64_t parts, struct kernel_mount *ret_mount)
{
	struct kernel_mount_request request = { .size = sizeof(request),
						.mount_id = mount_id,
						.parts = parts };
	return (int) syscall(SYS_statmount, &request, ret_mount, sizeof(*ret_mount), 0);
}

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif
static inline int sys_renameat2(int from_fd, const char *from, int to_fd, const char *to,
				unsigned flags)
{
	return (int) syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

static inline int sys_open_tree(int dir_fd, const char *path, unsigned flags)
{
	return (int) syscall(SYS_open_tree, dir_fd, path, flags);
}

static inline int sys_move_mount(int from_fd, const char *from, int to_fd, const char *to,
				 unsigned flags)
{
	return (int) syscall(SYS_move_mount, from_fd, from, to_fd, to, flags);
}

/* <sys/mount.h> and <linux/mount.h> clash in glibc before 2.37, so nobody here includes the former.
 */
static inline int sys_fsopen(const char *fs_name, unsigned flags)
{
	return (int) syscall(SYS_fsopen, fs_name, flags);
}

static inline int sys_fsconfig(int fs_fd, unsigned command, const char *key, const char *value,
			       int aux)
{
	return (int) syscall(SYS_fsconfig, fs_fd, command, key, value, aux);
}

static inline int sys_fsmount(int fs_fd, unsigned flags, unsigned attributes)
{
	return (int) syscall(SYS_fsmount, fs_fd, flags, attributes);
}

static inline int sys_mount_setattr(int fd, const char *path, unsigned flags,
				    struct mount_attr *attr)
{
	return (int) syscall(SYS_mount_setattr, fd, path, flags, attr, sizeof(*attr));
}

/* glibc has its own answer where a filter refuses the call, which knows no access control list. */
static inline int sys_faccessat2(int dir_fd, const char *path, int mode, int flags)
{
	return (int) syscall(SYS_faccessat2, dir_fd, path, mode, flags);
}

static inline int sys_openat2(int dir_fd, const char *path, struct open_how *how)
{
	return (int) syscall(SYS_openat2, dir_fd, path, how, sizeof(*how));
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
	return (int) syscall(SYS_pivot_root, new_root, put_old);
}

static inline int sys_mount(const char *source, const char *target, const char *fs_name,
			    unsigned long flags)
{
	return (int) syscall(SYS_mount, source, target, fs_name, flags, NULL);
}

static inline int sys_umount2(const char *path, int flags)
{
	return (int) syscall(SYS_umount2, path, flags);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int) syscall(SYS_close_range, first, last, flags);
}

static inline int sys_pidfd_open(pid_t pid, unsigned flags)
{
	return (int) syscall(SYS_pidfd_open, pid, flags);
}

static inline int sys_pidfd_send_signal(int pidfd, int signal)
{
	return (int) syscall(SYS_pidfd_send_signal, pidfd, signal, (siginfo_t *) 0, 0u);
}

/* The request is an int for musl, which most of them do not fit in. */
static inline int sys_ioctl(int fd, unsigned long request, void *argument)
{
	return (int) syscall(SYS_ioctl, fd, request, argument);
}

/* Landlock, whose rules are newer than many headers; the numbers are linux/landlock.h's. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
enum {
	KERNEL_LANDLOCK_VERSION = 1, /* a flag: which ABI is it */
	KERNEL_LANDLOCK_PATH = 1,    /* kinds of rules */
	KERNEL_LANDLOCK_PORT = 2,
	KERNEL_LANDLOCK_REFER = 1 << 13,
	KERNEL_LANDLOCK_RESOLVE_UNIX = 1 << 16, /* 7.1 */
	KERNEL_LANDLOCK_BIND_TCP = 1 << 0,      /* 6.7 */
	KERNEL_LANDLOCK_CONNECT_TCP = 1 << 1,
	KERNEL_LANDLOCK_BIND_UDP = 1 << 2, /* 7.2 */
	KERNEL_LANDLOCK_CONNECT_UDP = 1 << 3,
	KERNEL_LANDLOCK_SCOPE_ABSTRACT = 1 << 0, /* 6.12 */
	KERNEL_LANDLOCK_SCOPE_SIGNAL = 1 << 1,
};
struct kernel_landlock_ruleset {
	uint64_t files, net, scope; /* what is denied without a rule */
};
struct kernel_landlock_port {
	uint64_t access, port;
};
struct kernel_landlock_path {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

/* Zeros at the end, for what an older kernel does not know, are no error. */
static inline int sys_landlock_create_ruleset(const struct kernel_landlock_ruleset *attributes,
					      size_t size, unsigned flags)
{
	return (int) syscall(SYS_landlock_create_ruleset, attributes, size, flags);
}

static inline int sys_landlock_add_rule(int ruleset_fd, unsigned kind, const void *attributes)
{
	return (int) syscall(SYS_landlock_add_rule, ruleset_fd, kind, attributes, 0u);
}

static inline int sys_landlock_restrict_self(int ruleset_fd)
{
	return (int) syscall(SYS_landlock_restrict_self, ruleset_fd, 0u);
}

/* prctl(2), 6.3 */
enum { KERNEL_PR_SET_MDWE = 65, KERNEL_PR_GET_MDWE = 66, KERNEL_PR_MDWE_REFUSE_EXEC_GAIN = 1 };

#define CAP_BIT(number) (UINT64_C(1) << (number)) /* of linux/capability.h */

/* fork(2) with namespace flags; the child runs on a copy of the stack. Not for threaded programs.
 */
static inline pid_t sys_clone_process(unsigned long flags)
{
#ifdef __s390__
	return (pid_t) syscall(SYS_clone, 0, flags | SIGCHLD, 0, 0, 0);
#else
	return (pid_t) syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
#endif
}

/* The same, born in a control group (5.7). */
static inline pid_t sys_clone_into_cgroup(unsigned long flags, int cgroup_fd)
{
	struct clone_args args = { .flags = flags | CLONE_INTO_CGROUP,
				   .exit_signal = SIGCHLD,
				   .cgroup = (unsigned) cgroup_fd };
	return (pid_t) syscall(SYS_clone3, &args, sizeof(args));
}

#endif
