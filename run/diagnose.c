/* diagnose.c - the cause behind an errno, and the cure where one is known.
 *
 * Asked only when something has failed already. Each answer begins with "; " so that it can stand
 * behind the errno's text, or is "". Reads kernel settings through the run's /proc; changes
 * nothing.
 */
#include "run/diagnose.h"

#include "plan/plan.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/nskind.h"
#include "sys/procfile.h"
#include "utils.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>

static const char *user_namespaces_forbidden(const struct run *run)
{
	if (procfile_number(run->host->proc_fd, "sys/kernel/unprivileged_userns_clone") == 0)
		return "; this kernel denies user namespaces to normal users: as root, sysctl kernel.unprivileged_userns_clone=1";
	if (procfile_number(run->host->proc_fd,
			    "sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		return "; AppArmor restricts user namespaces: as root, give the program a profile that has \"userns,\", or sysctl kernel.apparmor_restrict_unprivileged_userns=0";
	return NULL;
}

static const char *too_many_processes(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NPROC, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return "; the control group may have no more processes (pids.max)";
	return arena_printf(
		"; this user may have %llu processes (RLIMIT_NPROC, ulimit -u), or the control group no more (pids.max)",
		(unsigned long long) limit.rlim_cur);
}

const char *diagnose_new_namespace(const struct run *run, unsigned long flags, int error)
{
	if (error == ENOSPC || error == EUSERS) {
		for (size_t i = 0; i < N_NS_KINDS; i++) {
			const char *file =
				arena_printf("sys/user/max_%s_namespaces", ns_kinds[i].file);
			int64_t limit = flags & ns_kinds[i].flag
						? procfile_number(run->host->proc_fd, file)
						: -1;
			if (limit >= 0 && limit < 8)
				return arena_printf(
					"; only %d %s namespaces are allowed here (/proc/%s)",
					(int) limit, ns_kinds[i].title, file);
		}
		return "; a limit of /proc/sys/user/max_*_namespaces, or 32 levels of nesting";
	}
	if (error == EINVAL || error == ENOSYS)
		return "; this kernel was built without one of the namespaces asked for";
	if (error == ENOMEM)
		return "; the kernel is out of memory, or pid 1 of a joined pid namespace is gone";
	if (error == EAGAIN)
		return too_many_processes();
	if (error != EPERM && error != EACCES)
		return "";
	const char *forbidden = user_namespaces_forbidden(run);
	return forbidden
		       ? forbidden
		       : "; a container or a seccomp filter forbids it, or the present root is a chroot";
}

const char *diagnose_id_map(const struct run *run, int error)
{
	if (error == ENOENT)
		return "; a mounted /proc is needed";
	if (error == EROFS)
		return "; the /proc that is visible here is read-only (a sandbox around this one that shows it with --ro-bind should give --proc /proc)";
	if (error != EPERM && error != EACCES)
		return "";
	const char *forbidden = user_namespaces_forbidden(run);
	if (forbidden)
		return forbidden;
	if (run->host->caller.uid == 0)
		return "; mapping uid 0 needs CAP_SETFCAP since Linux 5.12";
	return "; a security module took the new namespace's capabilities away";
}

const char *diagnose_mount_api(int error)
{
	if (error != ENOSYS)
		return "";
	struct utsname system;
	if (uname(&system) < 0)
		return "";
	char *end;
	unsigned long major = strtoul(system.release, &end, 10),
		      minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major > 5 || (major == 5 && minor >= 12))
		return "; a seccomp filter (of a container engine?) hides the mount system calls of Linux 5.12";
	return arena_printf("; Linux 5.12 or newer is needed, and this is %s", system.release);
}

const char *diagnose_proc_mount(const struct run *run, const struct op *op, bool processes_would_do,
				int error)
{
	if (error != EPERM)
		return diagnose_mount_api(error);
	if (!run->shape.new_proc)
		return "; without --unshare-pid it takes CAP_SYS_ADMIN in the user namespace that owns the present pid namespace";
	if (op->kind == OP_PROC_PID)
		return "; parts of the /proc that is visible here are covered, as in a container, and before Linux 7.2 the kernel then allows no new one, not even of the processes alone: without --unshare-pid --proc shows the visible one";
	if (op->kind == OP_PROC_TRY)
		return "; parts of the /proc that is visible here are covered, as in a container, and before Linux 7.2 the kernel then allows no new one, not even of the processes alone: without --unshare-pid the visible one is shown instead";
	return processes_would_do
		       ? "; parts of the /proc that is visible here are covered, as in a container, and then the kernel allows no new one but of the processes alone: --proc-pid or --proc-try shows that, and without --unshare-pid the visible one is shown"
		       : "; parts of the /proc that is visible here are covered, as in a container, and then the kernel allows no new one: without --unshare-pid the visible one is shown instead";
}

/* ---- exec ---- */

/* What the program at `path` needs to start and does not find, or NULL. */
static const char *missing_interpreter(const char *path)
{
	struct stat status;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[4096] = "";
	ssize_t length = fd < 0 ? -1 : pread(fd, head, sizeof(head) - 1, 0);
	if (length < 4)
		return NULL;
	const char *name = NULL;
	if (head[0] == '#' && head[1] == '!') {
		char *start = head + 2 + strspn(head + 2, " \t");
		start[strcspn(start, " \t\n")] = '\0'; /* for the kernel '\r' is part of the name */
		name = arena_string(start);
	} else if (memcmp(head, ELFMAG, SELFMAG) == 0) {
		/* PT_INTERP of either class, in this machine's byte order; anything odd explains
		 * nothing. */
		bool wide = head[EI_CLASS] == ELFCLASS64;
		Elf64_Ehdr header64;
		Elf32_Ehdr header32;
		memcpy(&header64, head, sizeof(header64));
		memcpy(&header32, head, sizeof(header32));
		uint64_t table = wide ? header64.e_phoff : header32.e_phoff;
		unsigned n = wide ? header64.e_phnum : header32.e_phnum;
		size_t size = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
		for (unsigned i = 0; i < n && i < 64 && table < INT_MAX; i++) {
			char row[sizeof(Elf64_Phdr)];
			if (pread(fd, row, size, (off_t) (table + i * size)) != (ssize_t) size)
				return NULL;
			Elf64_Phdr row64;
			Elf32_Phdr row32;
			memcpy(&row64, row, sizeof(row64));
			memcpy(&row32, row, sizeof(row32));
			if ((wide ? row64.p_type : row32.p_type) != PT_INTERP)
				continue;
			uint64_t at = wide ? row64.p_offset : row32.p_offset,
				 bytes = wide ? row64.p_filesz : row32.p_filesz;
			char loader[PATH_MAX] = "";
			if (at > INT_MAX || bytes >= sizeof(loader) ||
			    pread(fd, loader, (size_t) bytes, (off_t) at) < 1)
				return NULL;
			name = arena_string(loader);
		}
	}
	return name && *name && stat(name, &status) < 0 ? name : NULL;
}

static const char *what_is_missing(const char *interpreter)
{
	return arena_printf("%s, which runs it, does not exist in the sandbox%s", interpreter,
			    strchr(interpreter, '\r') ? " (its lines end as in DOS)" : "");
}

const char *diagnose_exec(const char *command, const char *path_list, int error)
{
	struct stat status;
	if (error == EACCES && stat(command, &status) == 0 && S_ISDIR(status.st_mode))
		return "; it is a directory";
	if (error == EACCES)
		return "; it is not executable for this user, or lies on a noexec mount";
	if (error != ENOENT)
		return "";
	if (!*command)
		return "; COMMAND is an empty word";
	if (strchr(command, '/')) {
		const char *missing = missing_interpreter(command);
		return missing ? arena_printf("; it exists, but %s", what_is_missing(missing)) : "";
	}
	if (!path_list)
		path_list = "/bin:/usr/bin"; /* execvp(3) of glibc 2.24 and later */
	for (const char *start = path_list; *start; start += strspn(start, ":")) {
		size_t length = strcspn(start, ":");
		const char *path = arena_printf("%.*s/%s", (int) length, start, command);
		const char *missing = missing_interpreter(path);
		if (missing)
			return arena_printf("; %s exists, but %s", path, what_is_missing(missing));
		start += length;
	}
	return arena_printf("; it is in none of the sandbox's PATH directories (%s)", path_list);
}
