/* diagnose.c - which cause it was, of causes.c's table, by the system call that failed and what the kernel tells.
 *
 * Asked only when something has failed already. Reads kernel settings through the run's /proc and repeats
 * calls in a form that changes nothing.
 */
#include "run/diagnose.h"

#include "plan/plan.h"
#include "run/causes.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "sys/nskind.h"
#include "sys/procfile.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* ---- facts ---- */

static int64_t setting(const struct run *run, const char *path)
{
	int64_t value = procfile_number(run->host->proc_fd, path);
	if (value >= 0)
		run_tell(run, "/proc/%s is %lld", path, (long long) value);
	return value;
}

/* A security module's name for this process; NULL: it has none, or the module is not there. */
static const char *label(const struct run *run, const char *path)
{
	const char *text = procfile_read(run->host->proc_fd, path);
	size_t length = text ? strcspn(text, " \n") : 0;
	if (!length || (length == strlen("unconfined") && strncmp(text, "unconfined", length) == 0))
		return NULL;
	run_tell(run, "/proc/%s is %s", path, text);
	return text;
}

static bool is_under_filter(const struct run *run)
{
	static const char mode[] = "\nSeccomp:\t2";
	const char *text = procfile_read(run->host->proc_fd, "self/status");
	bool found = text && strstr(text, mode);
	if (found)
		run_tell(run, "a seccomp filter is in force (Seccomp: 2 in /proc/self/status)");
	return found;
}

/* The kernel refuses these calls for what they ask, with EINVAL, before it looks at who asks
 * (check_unshare_flags(), copy_process()): any other answer is a filter's. */
static const char *filtered_namespace_call(const struct run *run)
{
	const char *found = unshare(CLONE_NEWUSER | CLONE_PTRACE) < 0 && errno != EINVAL ? "unshare"
			    : sys_clone_process(CLONE_NEWUSER | CLONE_FS) < 0 && errno != EINVAL
				    ? "clone"
				    : NULL;
	if (found)
		run_tell(run, "%s answers \"%s\" where the kernel would say \"%s\"", found,
			 errno_text(errno), errno_text(EINVAL));
	return found;
}

static bool has_number(const struct run *run, const char *path, uint32_t id)
{
	const char *map = procfile_read_lines(run->host->proc_fd, path);
	unsigned inner, outer, count;
	int used;
	for (; map && sscanf(map, "%u %u %u%n", &inner, &outer, &count, &used) == 3; map += used)
		if (inner <= id && id - inner < count)
			return true;
	if (map)
		run_tell(run, "%u is no id of /proc/%s", id, path);
	return !map;
}

static bool is_in_initial_userns(const struct run *run)
{
	unsigned inner = 1, outer = 1, count = 0;
	const char *map = procfile_read_lines(run->host->proc_fd, "self/uid_map");
	return map && sscanf(map, "%u %u %u", &inner, &outer, &count) == 3 && !inner && !outer &&
	       count == UINT32_MAX;
}

/* ---- namespaces ---- */

/* Debian's kernels ask for it before they look at anything else; CAP_SYS_ADMIN on the machine itself is enough. */
static bool debian_forbids(const struct run *run)
{
	uint64_t permitted, effective, ambient;
	caps_of_process(&permitted, &effective, &ambient);
	return setting(run, "sys/kernel/unprivileged_userns_clone") == 0 &&
	       !(effective & (UINT64_C(1) << CAP_SYS_ADMIN) && is_in_initial_userns(run));
}

/* Ubuntu's kernels: the namespace is made, and nothing can be done with it. */
static bool apparmor_forbids(const struct run *run)
{
	return setting(run, "sys/kernel/apparmor_restrict_unprivileged_userns") == 1;
}

static const char *security_module_forbids(const struct run *run)
{
	const char *profile = label(run, "self/attr/apparmor/current");
	if (profile)
		return cause_text(CAUSE_APPARMOR_PROFILE, profile);
	/* Without AppArmor and with SELinux the file is SELinux's. */
	const char *domain = procfile_number(AT_FDCWD, "/sys/fs/selinux/enforce") == 1
				     ? label(run, "self/attr/current")
				     : NULL;
	return domain ? cause_text(CAUSE_SELINUX, domain) : NULL;
}

static bool is_shown_by_proc(const struct run *run, const char *kind)
{
	struct stat status;
	return fstatat(run->host->proc_fd, arena_join("self/ns/", kind), &status, 0) == 0;
}

const char *diagnose_missing_kind(const struct run *run, unsigned long flags)
{
	/* Every kernel has those of mounts. */
	for (size_t i = 0; i < N_NS_KINDS && is_shown_by_proc(run, "mnt"); i++)
		if (flags & ns_kinds[i].flag && !is_shown_by_proc(run, ns_kinds[i].file))
			return ns_kinds[i].flag == CLONE_NEWUSER
				       ? cause_text(CAUSE_USERNS_MISSING, NULL)
				       : cause_text(CAUSE_NAMESPACE_MISSING, ns_kinds[i].title);
	return "";
}

static const char *who_forbids(const struct run *run, unsigned long flags)
{
	/* As Debian's kernels answer who is not root where they have none. */
	const char *missing = diagnose_missing_kind(run, flags & CLONE_NEWUSER);
	if (*missing)
		return missing;
	if (debian_forbids(run))
		return cause_text(CAUSE_USERNS_SYSCTL_DEBIAN, NULL);
	const char *call = filtered_namespace_call(run);
	if (call)
		return cause_text(CAUSE_NAMESPACE_FILTER, call);
	if (apparmor_forbids(run))
		return cause_text(CAUSE_USERNS_APPARMOR, NULL);
	if (!has_number(run, "self/uid_map", geteuid()) ||
	    !has_number(run, "self/gid_map", getegid()))
		return cause_text(CAUSE_IDS_UNMAPPED, NULL);
	if (root_is_in_chroot())
		return cause_text(CAUSE_CHROOT, NULL);
	const char *module = security_module_forbids(run);
	if (module)
		return module;
	return cause_text(is_under_filter(run) ? CAUSE_NAMESPACE_DENIED : CAUSE_CHROOT, NULL);
}

/* The kinds of which none can be made, each tried alone in a process that ends at once; 0: that could not be
 * found out, or each of them can. */
static unsigned long refused_kinds(unsigned long flags)
{
	int status = 0;
	pid_t child = sys_clone_process(0);
	if (child == 0) {
		if (flags & CLONE_NEWUSER && unshare(CLONE_NEWUSER) < 0)
			_exit(NS_USER + 1);
		for (int kind = 0; kind < N_NS_KINDS; kind++)
			if (kind != NS_USER && flags & ns_kinds[kind].flag &&
			    unshare((int) ns_kinds[kind].flag) < 0)
				_exit(kind + 1);
		_exit(0);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	int kind = child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) - 1 : -1;
	return kind >= 0 && kind < N_NS_KINDS ? ns_kinds[kind].flag : 0;
}

static const char *which_limit(const struct run *run, unsigned long flags)
{
	unsigned long refused = refused_kinds(flags);
	for (size_t i = 0; i < N_NS_KINDS; i++) {
		if (!((refused ? refused : flags) & ns_kinds[i].flag))
			continue;
		const char *file = arena_printf("max_%s_namespaces", ns_kinds[i].file);
		int64_t limit = setting(run, arena_join("sys/user/", file));
		if (limit == 0)
			return cause_text(CAUSE_NAMESPACE_NONE, file);
		if (refused == CLONE_NEWUSER && !is_in_initial_userns(run))
			return cause_text(CAUSE_NESTED_DISABLE_USERNS, NULL);
		if (refused)
			return cause_text(CAUSE_NAMESPACE_LIMIT, file);
	}
	return cause_text(CAUSE_NAMESPACE_LIMIT, "max_*_namespaces");
}

static const char *which_is_missing(const struct run *run, unsigned long flags)
{
	const char *missing = diagnose_missing_kind(run, flags);
	if (*missing)
		return missing;
	const char *call = filtered_namespace_call(run);
	return call ? cause_text(CAUSE_NAMESPACE_FILTER, call)
		    : cause_text(CAUSE_NAMESPACE_MISSING, "some of these");
}

/* The group at `path` below the mount of its hierarchy, or one above it, that is full; NULL: none, or it cannot
 * be read. */
static const char *full_group(const struct run *run, const char *top, char *path)
{
	for (;;) {
		int64_t now = procfile_number(AT_FDCWD,
					      arena_printf("%s%s/pids.current", top, path)),
			max = procfile_number(AT_FDCWD, arena_printf("%s%s/pids.max", top, path));
		if (now >= 0 && max > 0 && now + 1 >= max) { /* "max" is 0 */
			run_tell(run, "%s%s/pids.current is %lld", top, path, (long long) now);
			return arena_number((uint64_t) max, 10);
		}
		char *end = strrchr(path, '/');
		if (!end)
			return NULL;
		*end = '\0';
	}
}

static const char *too_many_processes(const struct run *run)
{
	char *groups = procfile_read_lines(run->host->proc_fd, "self/cgroup"), *save = NULL;
	for (char *line = groups ? strtok_r(groups, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		bool is_v2 = strncmp(line, "0::", 3) == 0;
		char *path = strchr(line, '/');
		const char *max =
			path && (is_v2 || strstr(line, ":pids:"))
				? full_group(run, is_v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/pids",
					     path)
				: NULL;
		if (max)
			return cause_text(CAUSE_PIDS_MAX, max);
	}
	struct rlimit limit;
	if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return cause_text(CAUSE_PROCESSES, NULL);
	return cause_text(CAUSE_NPROC, arena_number(limit.rlim_cur, 10));
}

const char *diagnose_new_namespace(const struct run *run, unsigned long flags, int error)
{
	switch (error) {
	case ENOSPC:
	case EUSERS:
		return which_limit(run, flags);
	case EINVAL:
	case ENOSYS:
		return which_is_missing(run, flags);
	case ENOMEM:
		return cause_text(CAUSE_PID_1_GONE, NULL);
	case EAGAIN:
		return too_many_processes(run);
	case EPERM:
	case EACCES:
		return who_forbids(run, flags);
	default:
		return "";
	}
}

const char *diagnose_id_map(const struct run *run, int error)
{
	if (error == ENOENT)
		return cause_text(CAUSE_PROC_MISSING, NULL);
	if (error == EROFS)
		return cause_text(CAUSE_PROC_READ_ONLY, NULL);
	if (error != EPERM && error != EACCES)
		return "";
	if (apparmor_forbids(run))
		return cause_text(CAUSE_USERNS_APPARMOR, NULL);
	bool is_root = run->host->caller.uid == 0;
	const char *module = is_root ? NULL : security_module_forbids(run);
	return module ? module : cause_text(is_root ? CAUSE_SETFCAP : CAUSE_CAPS_TAKEN, NULL);
}

/* ---- mounts ---- */

static bool is_refusal(int result)
{
	return result < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES);
}

/* No descriptor and flags that there are not: the kernel refuses these with EINVAL, or EBADF, whoever has the
 * right to mount. */
static const char *filtered_mount_call(void)
{
	const unsigned none = 1U << 30; /* is no flag of any of them */
	const struct {
		const char *name;
		bool refused;
	} calls[] = {
		{ "open_tree", is_refusal(sys_open_tree(-1, "", none)) },
		{ "mount_setattr", is_refusal(sys_mount_setattr(-1, "", none, NULL)) },
		{ "fsopen", is_refusal(sys_fsopen("", none)) },
		{ "fsconfig", is_refusal(sys_fsconfig(-1, none, NULL, NULL, 0)) },
		{ "fsmount", is_refusal(sys_fsmount(-1, none, 0)) },
		{ "move_mount", is_refusal(sys_move_mount(-1, "", -1, "", none)) },
	};
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].refused)
			return calls[i].name;
	return NULL;
}

/* A number that no capability has: cap_prctl_drop() asks for CAP_SETPCAP first. */
static bool has_no_power(void)
{
	return prctl(PR_CAPBSET_DROP, 63, 0, 0, 0) < 0 && errno == EPERM;
}

/* The release of a kernel that is older than 5.MINOR; NULL: it is not. */
static const char *older_than_5(unsigned long minor)
{
	struct utsname system;
	char *end = "";
	unsigned long major = uname(&system) < 0 ? 0 : strtoul(system.release, &end, 10),
		      has = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	bool is_older = major && (major < 5 || (major == 5 && has < minor));
	return is_older ? arena_string(system.release) : NULL;
}

static const char *cause_of_mount(int error)
{
	if (error == ENOSPC)
		return cause_text(CAUSE_MOUNT_LIMIT, NULL);
	if (error != ENOSYS && error != EPERM && error != EACCES)
		return "";
	const char *old = error == ENOSYS ? older_than_5(12) : NULL;
	if (old)
		return cause_text(CAUSE_KERNEL_TOO_OLD, old);
	if (error == EPERM && has_no_power())
		return cause_text(CAUSE_CAPS_TAKEN, NULL);
	const char *call = filtered_mount_call();
	return call              ? cause_text(CAUSE_MOUNT_FILTER, call)
	       : error == EACCES ? cause_text(CAUSE_MOUNT_DENIED, NULL)
				 : "";
}

const char *diagnose_mount_api(int error)
{
	int kept = errno;
	const char *cause = cause_of_mount(error);
	errno = kept;
	return cause;
}

const char *diagnose_mount_flags(uint64_t flags, int error)
{
	bool may_be_new = error == EINVAL && flags & MOUNT_ATTR_NOSYMFOLLOW;
	const char *old = may_be_new ? older_than_5(14) : NULL;
	return old ? cause_text(CAUSE_FLAG_TOO_NEW, old) : diagnose_mount_api(error);
}

const char *diagnose_tun(int error)
{
	return cause_text(error == EACCES || error == EPERM ? CAUSE_TUN_CLOSED : CAUSE_TUN_MISSING,
			  NULL);
}

const char *diagnose_bind(const struct run *run, uint16_t port, int error)
{
	int64_t first = error == EACCES ? procfile_number(run->host->proc_fd,
							  "sys/net/ipv4/ip_unprivileged_port_start")
					: -1;
	return port < first ? cause_text(CAUSE_PORT_LOW, arena_number((uint64_t) first, 10)) : "";
}

const char *diagnose_proc_mount(const struct run *run, const struct op *op, bool processes_would_do,
				int error)
{
	const char *general = diagnose_mount_api(error);
	if (error != EPERM || *general)
		return general;
	if (!run->shape.new_proc)
		return cause_text(CAUSE_PROC_NO_PIDNS, NULL);
	return cause_text(op->kind == OP_PROC_PID   ? CAUSE_PROC_COVERED_PID
			  : op->kind == OP_PROC_TRY ? CAUSE_PROC_COVERED_TRY
			  : processes_would_do      ? CAUSE_PROC_COVERED
						    : CAUSE_PROC_COVERED_WHOLE,
			  NULL);
}
