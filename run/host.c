/* host.c - arrival: who has called, and what came along with the program.
 *
 * Runs before any process or descriptor of ours exists; what it finds is const afterwards.
 */
#include "run/host.h"

#include "plan/descriptors.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/root.h"
#include "sys/self.h"
#include "sys/terminal.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* A process that has more than its user has must not compose anything. AT_SECURE alone may be a
 * security module's transition; with capabilities that did not come as ambient ones it means that
 * the file had them. */
static void refuse_privileged_file(const struct caller *caller, uint64_t ambient_caps)
{
	if (getauxval(AT_UID) != getauxval(AT_EUID) || getauxval(AT_GID) != getauxval(AT_EGID))
		die("Refusing to run set-user-id or set-group-id; it is not needed: chmod ug-s");
	if (getauxval(AT_SECURE) && caller->uid != 0 && caller->permitted_caps & ~ambient_caps)
		die("Refusing to run with file capabilities; they are not needed: setcap -r");
}

/* 0 to 2 must exist before a descriptor of ours could get one of these numbers and be written to as
 * stderr. What holds the place is close-on-exec: COMMAND finds it closed, as the caller had it. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fd_is_open(fd))
			continue;
		if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 && memfd_create("", MFD_CLOEXEC) < 0)
			die_silently(&(struct failure){
				.exit_status = die_status() }); /* and nowhere to say it */
	}
}

bool host_is_open_by_caller(int fd)
{
	int flags = fcntl(fd, F_GETFD);
	return flags >= 0 && !(flags & FD_CLOEXEC); /* or exec(2) would have closed it */
}

static void learn_caller(struct caller *caller)
{
	uint64_t effective, ambient;
	char directory[PATH_MAX];
	caller->uid = (uid_t) getauxval(AT_UID);
	caller->gid = (gid_t) getauxval(AT_GID);
	caps_of_process(&caller->permitted_caps, &effective, &ambient);
	caller->may_mount = effective & CAP_BIT(CAP_SYS_ADMIN);
	caller->is_group_leader = getpgrp() == getpid();
	caller->directory = getcwd(directory, sizeof(directory)) && directory[0] == '/'
				    ? arena_string(directory)
				    : NULL;
	refuse_privileged_file(caller, ambient);
}

void host_arrive(struct host *host, char **argv, char **envp)
{
	host->argv = argv;
	host->envp = envp;
	host->proc_fd = -1;
	host->caller.parent = getppid(); /* before it can have gone: --die-with-parent */
	hold_standard_descriptors();
	learn_caller(&host->caller);
	/* SIGCHLD is default and unblocked, whatever the caller had: we wait for children, and
	 * COMMAND will. */
	sigset_t child_only;
	sigemptyset(&child_only);
	sigaddset(&child_only, SIGCHLD);
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_UNBLOCK, &child_only, &host->signal_mask) < 0)
		die_errno(errno, "Can't set up signals");
	sigdelset(&host->signal_mask, SIGCHLD);
	host->umask = umask(0);
	if (getrlimit(RLIMIT_NOFILE, &host->nofile) < 0)
		die_errno(errno, "Can't read the limit of open files");
}

void host_forbid_privilege(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die_errno(errno, "Can't set no_new_privs");
}

/* ---- once the plan is there ---- */

void host_learn_listen_fds(struct host *host, const struct plan *plan)
{
	const char *pid_word = get_variable(host->envp, "LISTEN_PID"),
		   *number_word = get_variable(host->envp, "LISTEN_FDS"),
		   *position = position_text(options_position(plan, "--listen-fds"));
	uint64_t pid, number;
	if (!pid_word || !number_word)
		return;
	if (!parse_decimal(pid_word, INT_MAX, &pid))
		die("%s: LISTEN_PID is no process's number: %s", position, pid_word);
	if (pid != (uint64_t) getpid())
		return;
	if (!parse_decimal(number_word, INT_MAX - LISTEN_FDS_START, &number) || !number)
		die("%s: LISTEN_FDS is no number of descriptors: %s", position, number_word);
	host->caller.n_listen_fds = (int) number;
	for (int i = 0; i < host->caller.n_listen_fds; i++)
		if (!host_is_open_by_caller(LISTEN_FDS_START + i))
			die("%s: LISTEN_FDS is %d, but descriptor %d is not open", position,
			    host->caller.n_listen_fds, LISTEN_FDS_START + i);
}

/* What an option consumes becomes close-on-exec. Ascending, each once. */
static int *mark_consumed(const struct plan *plan, size_t *ret_n)
{
	int *fds = fds_consumed(plan, ret_n);
	for (size_t i = 0; i < *ret_n; i++)
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
			die_errno(errno, "Can't keep descriptor %d from COMMAND", fds[i]);
	return fds;
}

/* Another option that uses what --sync-fd keeps open may close it: so it is kept under a number of its
 * own. */
static void hold_apart(struct plan *plan)
{
	for (size_t i = 0; i < plan->report.sync.n; i++) {
		struct fd_at *held = &plan->report.sync.items[i];
		if (!held->is_shared)
			continue;
		int copy = fcntl(held->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (copy < 0)
			die_errno(errno, "%s: Can't keep descriptor %d open",
				  position_text(held->position), held->fd);
		fds_hold_copy(plan, held, copy);
	}
}

/* Notes which descriptors COMMAND shall inherit. One stat(2) answers the usual case: since
 * Linux 6.2 the size of /proc/self/fd is the number of open descriptors. Only what is beyond 0-2
 * and the consumed ones is looked up. */
static void learn_inherited(struct host *host, const struct plan *plan)
{
	size_t n_consumed, capacity = 0, n_known = 3;
	int *consumed = mark_consumed(plan, &n_consumed);
	for (size_t i = 0; i < n_consumed; i++)
		n_known += consumed[i] > 2;
	struct stat status;
	host->inherited_known = true;
	if (fstatat(host->proc_fd, "self/fd", &status, 0) == 0 &&
	    status.st_size == (off_t) n_known + 1 /* proc_fd */)
		return;
	AUTO_CLOSE int fd = openat(host->proc_fd, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(dup(fd));
	if (!directory) {
		host->inherited_known = false;
		return;
	}
	for (const struct dirent *entry; (entry = readdir(directory));) {
		uint64_t number;
		if (!parse_decimal(entry->d_name, INT_MAX, &number))
			continue;
		int found = (int) number;
		if (found <= 2 || found == host->proc_fd || found == fd ||
		    found == dirfd(directory) ||
		    bsearch(&found, consumed, n_consumed, sizeof(int), compare_ints))
			continue;
		host->inherited_fds = arena_grow(host->inherited_fds, host->n_inherited_fds,
						 &capacity, sizeof(int));
		host->inherited_fds[host->n_inherited_fds++] = found;
	}
	closedir(directory);
}

/* Where /dev/tty does not exist outside, as in a container, --dev may show it all the same. True as well
 * where that cannot be told. */
static bool has_controlling_terminal(const struct host *host)
{
	const char *text = procfile_read(host->proc_fd, "self/stat");
	/* the name before may have spaces in it: proc_pid_stat(5) */
	const char *rest = text ? strrchr(text, ')') : NULL;
	int terminal;
	return !rest || sscanf(rest, ") %*c %*d %*d %*d %d", &terminal) != 1 || terminal != 0;
}

/* A controlling terminal counts even when no descriptor refers to it: COMMAND could open /dev/tty.
 */
static bool terminal_is_in_reach(const struct host *host)
{
	for (int fd = 0; fd <= 2; fd++)
		if (isatty(fd))
			return true;
	if (!host->inherited_known)
		return true;
	for (size_t i = 0; i < host->n_inherited_fds; i++)
		if (isatty(host->inherited_fds[i]))
			return true;
	AUTO_CLOSE int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 || (errno == ENOENT ? has_controlling_terminal(host) : errno != ENXIO);
}

/* Nothing of the caller's terminals is passed on: neither by the three standard numbers nor by others. */
static void keep_terminals(struct host *host, const struct plan *plan)
{
	struct outer_terminal *terminal = &host->terminal;
	struct stat status;
	for (int fd = STDERR_FILENO; fd >= STDIN_FILENO; fd--)
		if (host_is_open_by_caller(fd) && isatty(fd)) {
			terminal->replaced |= 1U << fd;
			terminal->in_fd = fd;
		}
	terminal->out_fd = terminal->replaced & 1U << STDOUT_FILENO   ? STDOUT_FILENO
			   : terminal->replaced & 1U << STDERR_FILENO ? STDERR_FILENO
								      : STDIN_FILENO;
	terminal->is_in_front = terminal_is_in_front(terminal->in_fd, getpgrp());
	terminal->is_shared = fstat(STDOUT_FILENO, &status) == 0 &&
			      (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
	for (size_t i = 0; i < plan->command.keep_fds.n; i++)
		if (isatty(plan->command.keep_fds.items[i].fd))
			die("%s: Descriptor %d is a terminal, and --pty keeps the caller's from COMMAND",
			    position_text(plan->command.keep_fds.items[i].position),
			    plan->command.keep_fds.items[i].fd);
	if (!host->inherited_known)
		die("--pty: Can't tell which descriptors are terminals: /proc/self/fd cannot be read");
	size_t n = 0;
	for (size_t i = 0; i < host->n_inherited_fds; i++)
		if (!isatty(host->inherited_fds[i]))
			host->inherited_fds[n++] = host->inherited_fds[i];
	host->n_inherited_fds = n;
}

static int open_proc(void)
{
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	if (fd < 0 || fstatfs(fd, &fs) < 0)
		die_because(errno, "Can't open /proc: %s%s", errno_text(errno),
			    cause_text(CAUSE_PROC_MISSING, NULL));
	if (fs.f_type != PROC_SUPER_MAGIC) /* or it could tell us anything */
		die("/proc is not a mounted procfs%s", cause_text(CAUSE_PROC_MISSING, NULL));
	return fd;
}

/* Everybody on the host can read a command line, and COMMAND can where it sees the host's processes: so
 * what --setenv sets does not stay there. As many characters as before, for who reads the rest. */
static void hide_values(const struct plan *plan)
{
	for (size_t i = 0; i < plan->command.n_env_ops; i++) {
		struct env_op *op = &plan->command.env_ops[i];
		if (!op->value_on_line)
			continue;
		op->value = arena_string(op->value);
		memset(op->value_on_line, '*', strlen(op->value_on_line));
	}
}

static bool writes_to(int fd, const struct stat *pipe)
{
	struct stat status;
	return fstat(fd, &status) == 0 && status.st_dev == pipe->st_dev &&
	       status.st_ino == pipe->st_ino && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

int host_passes_writer(const struct host *host, const struct plan *plan, const struct stat *pipe)
{
	const struct command_plan *command = &plan->command;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (writes_to(fd, pipe))
			return fd;
	for (size_t i = 0; i < host->n_inherited_fds && !command->close_fds; i++)
		if (writes_to(host->inherited_fds[i], pipe))
			return host->inherited_fds[i];
	for (size_t i = 0; i < command->keep_fds.n; i++)
		if (writes_to(command->keep_fds.items[i].fd, pipe))
			return command->keep_fds.items[i].fd;
	return -1;
}

void host_forget_environment(const struct host *host, const struct plan *plan)
{
	for (char **entry = host->envp; plan->command.n_env_ops && *entry; entry++)
		explicit_bzero(*entry, strlen(*entry));
}

void host_learn(struct host *host, struct plan *plan)
{
	hide_values(plan);
	hold_standard_descriptors(); /* --args 0 has closed one */
	host->proc_fd = open_proc();
	host->root_mount_id = root_mount_id();
	hold_apart(plan);
	learn_inherited(host, plan);
	/* In a new session, too: its leader may take the terminal once the old session is gone. */
	host->has_tty = !plan->filter.no_tty_guard && terminal_is_in_reach(host);
	if (plan->command.pty)
		keep_terminals(host, plan);
}
