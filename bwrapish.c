/* bwrapish - a sandbox that a normal user composes from command-line flags.
 *
 * HACKING.md has the map of the folders. This file is the story: main(), and what each process does, in order.
 */
#include "filter/filters.h"
#include "limit/cgroup.h"
#include "mount/newroot.h"
#include "ns/namespaces.h"
#include "plan/explain.h"
#include "plan/options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "process/command.h"
#include "process/init.h"
#include "process/supervisor.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
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

#define COMPATIBLE_WITH "0.13.1" /* the bubblewrap whose command line this is */

/* ---- 1 arrive ---- */

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

static bool is_placeholder[3];

/* 0 to 2 must exist before a descriptor of ours could get one of these numbers and be written to as
 * stderr. What holds the place is close-on-exec: COMMAND finds it closed, as the caller had it. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fd_is_open(fd))
			continue;
		if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0 && memfd_create("", MFD_CLOEXEC) < 0)
			_exit(1); /* and nowhere to say it */
		is_placeholder[fd] = true;
	}
}

static void learn_caller(struct caller *caller)
{
	uint64_t effective, ambient;
	static char directory[PATH_MAX];
	caller->uid = (uid_t) getauxval(AT_UID);
	caller->gid = (gid_t) getauxval(AT_GID);
	caps_of_process(&caller->permitted_caps, &effective, &ambient);
	caller->may_mount = effective & CAP_BIT(CAP_SYS_ADMIN);
	caller->is_group_leader = getpgrp() == getpid();
	caller->directory =
		getcwd(directory, sizeof(directory)) && directory[0] == '/' ? directory : NULL;
	refuse_privileged_file(caller, ambient);
}

static void arrive(struct run *run, struct caller *caller)
{
	caller->parent = getppid(); /* before it can have gone: --die-with-parent */
	hold_standard_descriptors();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		die_errno(errno, "Can't set no_new_privs");
	learn_caller(caller);
	/* SIGCHLD is default and unblocked, whatever the caller had: we wait for children, and
	 * COMMAND will. */
	sigset_t child_only;
	sigemptyset(&child_only);
	sigaddset(&child_only, SIGCHLD);
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    sigprocmask(SIG_UNBLOCK, &child_only, &run->signal_mask) < 0)
		die_errno(errno, "Can't set up signals");
	sigdelset(&run->signal_mask, SIGCHLD);
	run->umask = umask(0);
	if (getrlimit(RLIMIT_NOFILE, &run->nofile) < 0)
		die_errno(errno, "Can't read the limit of open files");
}

/* ---- descriptors that came with us ---- */

/* Every descriptor that an option consumes, ascending, each once; all of them become close-on-exec.
 */
static int *mark_consumed(const struct plan *plan, size_t *ret_n)
{
	const struct fd_at single[] = { plan->ns.userns,          plan->ns.userns2,
					plan->ns.pidns,           plan->report.block,
					plan->report.info,        plan->report.userns_block,
					plan->report.json_status, plan->filter.policy.dump,
					plan->filter.policy.trace };
	size_t n = 0, n_unique = 0;
	size_t n_most = ARRAY_SIZE(single) + 2 * plan->root.n_ops + plan->report.sync.n +
			plan->filter.n_seccomp + plan->n_superseded_fds;
	for (size_t i = 0; i < plan->root.n_ops; i++)
		n_most += plan->root.ops[i].overlay ? plan->root.ops[i].overlay->n_layers : 0;
	int *fds = arena_alloc(n_most * sizeof(*fds));
	for (size_t i = 0; i < ARRAY_SIZE(single); i++)
		fds[n++] = single[i].fd;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct overlay *overlay = plan->root.ops[i].overlay;
		fds[n++] = plan->root.ops[i].outer_fd;
		if (overlay)
			fds[n++] = overlay->changes.fd;
		for (size_t j = 0; overlay && j < overlay->n_layers; j++)
			fds[n++] = overlay->layers[j].fd;
	}
	for (size_t i = 0; i < plan->report.sync.n; i++)
		fds[n++] = plan->report.sync.items[i].fd;
	for (size_t i = 0; i < plan->filter.n_seccomp; i++)
		fds[n++] = plan->filter.seccomp[i].bytes ? -1 : plan->filter.seccomp[i].at.fd;
	for (size_t i = 0; i < plan->n_superseded_fds; i++)
		fds[n++] = plan->superseded_fds[i];
	size_t n_given = 0; /* most lines give none: nothing to sort, then */
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			fds[n_given++] = fds[i];
	if (n_given)
		qsort(fds, n_given, sizeof(*fds), compare_ints);
	for (size_t i = 0; i < n_given; i++) {
		if (n_unique && fds[n_unique - 1] == fds[i])
			continue;
		if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) < 0)
			die_errno(errno, "Can't keep descriptor %d from COMMAND", fds[i]);
		fds[n_unique++] = fds[i];
	}
	*ret_n = n_unique;
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
		options_supersede_fd(plan, held->fd);
		held->fd = copy;
	}
}

/* Notes which descriptors COMMAND shall inherit. One stat(2) answers the usual case: since
 * Linux 6.2 the size of /proc/self/fd is the number of open descriptors. Only what is beyond 0-2
 * and the consumed ones is looked up. */
static void learn_inherited(struct run *run)
{
	size_t n_consumed, capacity = 0, n_known = 3;
	int *consumed = mark_consumed(run->plan, &n_consumed);
	for (size_t i = 0; i < n_consumed; i++)
		n_known += consumed[i] > 2;
	struct stat status;
	run->inherited_known = true;
	if (fstatat(run->proc_fd, "self/fd", &status, 0) == 0 &&
	    status.st_size == (off_t) n_known + 1 /* proc_fd */)
		return;
	AUTO_CLOSE int fd = openat(run->proc_fd, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(dup(fd));
	if (!directory) {
		run->inherited_known = false;
		return;
	}
	for (const struct dirent *entry; (entry = readdir(directory));) {
		uint64_t number;
		if (!parse_decimal(entry->d_name, INT_MAX, &number))
			continue;
		int found = (int) number;
		if (found <= 2 || found == run->proc_fd || found == fd ||
		    found == dirfd(directory) ||
		    bsearch(&found, consumed, n_consumed, sizeof(int), compare_ints))
			continue;
		run->inherited_fds = arena_grow(run->inherited_fds, run->n_inherited_fds, &capacity,
						sizeof(int));
		run->inherited_fds[run->n_inherited_fds++] = found;
	}
	closedir(directory);
}

/* Where /dev/tty does not exist outside, as in a container, --dev may show it all the same. True as well
 * where that cannot be told. */
static bool has_controlling_terminal(const struct run *run)
{
	AUTO_CLOSE int fd = openat(run->proc_fd, "self/stat", O_RDONLY | O_CLOEXEC);
	char *text;
	size_t length;
	int terminal;
	if (fd < 0 || !read_all(fd, 65536, &text, &length))
		return true;
	/* the name before may have spaces in it: proc_pid_stat(5) */
	const char *rest = strrchr(text, ')');
	return !rest || sscanf(rest, ") %*c %*d %*d %*d %d", &terminal) != 1 || terminal != 0;
}

/* A controlling terminal counts even when no descriptor refers to it: COMMAND could open /dev/tty.
 */
static bool terminal_is_in_reach(const struct run *run)
{
	for (int fd = 0; fd <= 2; fd++)
		if (isatty(fd))
			return true;
	if (!run->inherited_known)
		return true;
	for (size_t i = 0; i < run->n_inherited_fds; i++)
		if (isatty(run->inherited_fds[i]))
			return true;
	AUTO_CLOSE int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 || (errno == ENOENT ? has_controlling_terminal(run) : errno != ENXIO);
}

/* ---- 2 read, 3 check ---- */

static bool is_open_by_caller(int fd)
{
	return fd_is_open(fd) && !(fd <= STDERR_FILENO && is_placeholder[fd]);
}

static bool read_and_close(int fd, char **ret_bytes, size_t *ret_length)
{
	bool done = read_all(fd, SIZE_MAX / 4, ret_bytes, ret_length);
	int error = errno;
	close(fd);
	errno = error;
	return done;
}

static _Noreturn void print_and_exit(const char *text)
{
	_exit(write_all(STDOUT_FILENO, text, strlen(text)) ? 0 : 1);
}

static const char *what_is_last(const char *word, unsigned argument, struct position last)
{
	if (streq(word, "--"))
		return "nothing stands behind --";
	if (last.argument == argument)
		return arena_printf("the last word is an option, %s", position_text(last));
	return arena_printf("%s took the last word, %s", position_text(last), word);
}

static void read_and_check(int argc, char **argv, bool as_bwrap, const struct caller *caller,
			   struct plan *plan)
{
	const char *program = argc > 0 ? argv[0] : "bwrapish";
	enum reading reading = READ_NOTHING;
	static const struct doors doors = { is_open_by_caller, read_and_close };
	problem bad = options_read(argc, argv, &doors, plan, &reading);
	say_set_levels(plan->level_prefix);
	if (bad)
		die("%s", bad);
	for (size_t i = 0; i < plan->n_warnings; i++)
		say_warning("%s", plan->warnings[i]);
	switch (reading) {
	case READ_HELP:
		print_and_exit(options_help(program));
	case READ_VERSION:
		print_and_exit(as_bwrap ? "bubblewrap " COMPATIBLE_WITH
					  " (bwrapish " BWRAPISH_VERSION ")\n"
					: "bwrapish " BWRAPISH_VERSION "\n");
	case READ_NOTHING: {
		const char *help = options_help(program);
		write_all(STDERR_FILENO, help, strlen(help));
		if (argc > 1)
			die("COMMAND is missing: %s",
			    what_is_last(argv[argc - 1], (unsigned) argc - 1, options_last(plan)));
		_exit(1);
	}
	case READ_PLAN:
		break;
	}
	if ((bad = plan_check(plan, caller)))
		die("%s", bad);
	if (plan->dry_run) {
		struct text text = { 0 };
		plan_explain(plan, caller, &text);
		print_and_exit(text.bytes);
	}
}

/* ---- 4 to 11 ---- */

static int told_supervisor_fd = -1;
static void tell_not_started(void)
{
	channel_try_send(told_supervisor_fd, MESSAGE_NOT_STARTED, 0);
}

/* What becomes the sandbox does, in whatever process it is. */
static _Noreturn void be_sandbox(struct run *run)
{
	const struct plan *plan = run->plan;
	if (run->supervisor_fd >= 0) {
		told_supervisor_fd = run->supervisor_fd;
		supervisor_leave_to_it(run);
		die_first_call(tell_not_started);
		/* The supervisor writes to them, and their readers wait for the end of file. */
		close_consumed(plan->report.info.fd);
		close_consumed(plan->report.json_status.fd);
	}
	if (run->shape.dies_with_supervisor && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die_errno(errno, "Can't arrange to die with the parent");

	run_tell_stage(run, STAGE_BECOME);
	ns_become(run);
	command_new_keyring(run);

	run_tell_stage(run, STAGE_PIN);
	newroot_pin(run);
	run_tell_stage(run, STAGE_MOVE_IN);
	newroot_enter(run);
	command_set_label(run, "fscreate", "--file-label", plan->root.file_label);
	newroot_build(run);
	supervisor_await_ready(run);

	run_tell_stage(run, STAGE_LOCK);
	run_tell_stage(run, STAGE_PREPARE);
	if (run->shape.topology == RUN_WITH_INIT) {
		init_split(run); /* returns in COMMAND's process, everything prepared */
		ns_assert_userns_disabled(run);
		command_go(run);
	}
	filters_prepare(run);
	command_make_environment(run);
	ns_enter_inner(run);
	if (run->shape.info_late)
		supervisor_tell_namespaces(run);
	command_wait(run);
	filters_read(run);
	command_prepare(run);
	ns_assert_userns_disabled(run);
	command_go(run);
}

int main(int argc, char **argv, char **envp)
{
	struct caller caller = { 0 };
	struct plan plan = { 0 };
	struct run run = { .plan = &plan,
			   .caller = &caller,
			   .argv = argv,
			   .envp = envp,
			   .proc_fd = -1,
			   .supervisor_fd = -1,
			   .parent_pidfd = -1,
			   .root.fd = -1 };

	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	bool as_bwrap = argc > 0 && streq(slash ? slash + 1 : argv[0], "bwrap");
	say_set_prefix(as_bwrap ? "bwrap" : "bwrapish");

	arrive(&run, &caller);
	read_and_check(argc, argv, as_bwrap, &caller, &plan);
	hold_standard_descriptors(); /* --args 0 has closed one */
	run.shape = plan_shape(&plan, &caller);
	run_tell_stage(&run, STAGE_SPLIT);

	run.proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;
	if (run.proc_fd < 0 || fstatfs(run.proc_fd, &fs) < 0)
		die("Can't open /proc: %s; a mounted /proc is needed: inside a sandbox, its --proc "
		    "/proc",
		    errno_text(errno));
	if (fs.f_type != PROC_SUPER_MAGIC) /* or it could tell us anything */
		die("/proc is not a mounted procfs, and one is needed");
	hold_apart(&plan);
	learn_inherited(&run);
	/* In a new session, too: its leader may take the terminal once the old session is gone. */
	run.has_tty = !plan.filter.no_tty_guard && terminal_is_in_reach(&run);
	command_check_labels(&plan);
	filters_compose(&run);
	ns_remember(&run);

	if (run.shape.topology == RUN_ALONE) {
		ns_enter_in_place(&run);
		be_sandbox(&run);
	}
	supervisor_prepare(&run);
	cgroups_make(&run);
	int socket;
	pid_t child = ns_split(&run, &socket);
	if (child > 0)
		supervisor_run(&run, child, socket);
	be_sandbox(&run);
}
