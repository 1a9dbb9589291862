/* command.c - COMMAND's environment, directory, session and exec.
 *
 * The last room. It may assume that the root is the sandbox's and that nothing of the host is left
 * but the O_PATH /proc. It must not look up any path but COMMAND's, --chdir's, and the fallbacks of
 * the working directory.
 */
#include "process/command.h"

#include "filter/filters.h"
#include "filter/landlock.h"
#include "limit/rlimits.h"
#include "mount/destination.h"
#include "mount/made-source.h"
#include "plan/explain.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "process/tell.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/libraries.h"
#include "run/misses.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

/* ---- keyring and labels ---- */

/* The calls on keys are denied by a guard (filters.c). This is for what uses keys without them: the
 * kernel itself looks into the session keyring for AF_ALG's and AF_RXRPC's sockets, for AFS and for
 * fscrypt's older policies. */
void command_new_keyring(const struct run *run)
{
	if (run->plan->filter.allow_keys ||
	    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
		return;
	/* ENOSYS: there are no keys, in this kernel or behind the guard that we run under ourselves;
	 * EPERM: a container engine's filter denies them; EDQUOT: a user has 200 (kernel.keys.maxkeys),
	 * and may well have more sandboxes. */
	if (errno != ENOSYS && errno != EPERM && errno != EDQUOT)
		die_errno(errno, "Can't make a new session keyring");
}

void command_check_labels(const struct plan *plan)
{
	const char *option = plan->command.exec_label ? "--exec-label"
			     : plan->root.file_label  ? "--file-label"
						      : NULL;
	if (option && access("/sys/fs/selinux/enforce", F_OK) < 0)
		die("%s: SELinux is not enabled on this system",
		    position_text(options_position(plan, option)));
}

void command_set_label(const struct run *run, const char *attribute, const char *option,
		       const char *label)
{
	if (!label)
		return;
	AUTO_CLOSE int fd = openat(run->host->proc_fd, arena_printf("self/attr/%s", attribute),
				   O_WRONLY | O_CLOEXEC);
	if (fd < 0 || !write_all(fd, label, strlen(label)))
		die_errno(errno, "%s: Can't set the label %s",
			  position_text(options_position(run->plan, option)), label);
}

/* ---- whom it may reach ---- */

/* As a lock file is opened: a link that an earlier COMMAND left decides nothing. */
static int open_reachable(const struct run *run, const struct landlock_rule *rule)
{
	int fd = destination_open_to_change(run, rule->path, O_PATH);
	const char *link = fd < 0 && errno == EXDEV ? destination_link_text(run) : NULL;
	if (link)
		die("%s: Can't allow %s: %s", position_text(rule->position),
		    failing_path(rule->path), link);
	if (fd < 0)
		die_errno(errno, "%s: Can't allow %s", position_text(rule->position),
			  failing_path(rule->path));
	return fd;
}

void command_make_rules(struct run *run)
{
	landlock_make(run, open_reachable);
}

/* ---- environment ---- */

/* `entries` has room for one more. */
static void set_entry(char **entries, const char *name, char *entry)
{
	size_t i = find_variable(entries, name);
	if (!entries[i])
		entries[i + 1] = NULL;
	entries[i] = entry;
}

static size_t count_entries(char *const *entries)
{
	size_t n = 0;
	while (entries[n])
		n++;
	return n;
}

static void unset_variable(char **entries, const char *name)
{
	for (size_t i; entries[i = find_variable(entries, name)];)
		memmove(&entries[i], &entries[i + 1], count_entries(entries + i) * sizeof(char *));
}

/* What COMMAND's process adds when it is there: PWD and LISTEN_PID; and the NULL. */
enum { N_LATE_ENTRIES = 3 };

/* Before nothing was passed on to COMMAND's own number, which sd_listen_fds(3) wants to see, nor to its pidfd's
 * (LISTEN_PIDFDID, systemd 259); it takes what has no LISTEN_PIDFDID. */
static void set_listen_entries(const struct run *run, char **entries)
{
	static const char *const names[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
					     "LISTEN_PIDFDID" };
	char *outer_names = run->host->envp[find_variable(run->host->envp, "LISTEN_FDNAMES")];
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unset_variable(entries, names[i]);
	if (!run->host->caller.n_listen_fds)
		return;
	set_entry(entries, "LISTEN_FDS",
		  arena_printf("LISTEN_FDS=%d", run->host->caller.n_listen_fds));
	if (outer_names)
		set_entry(entries, "LISTEN_FDNAMES", outer_names);
}

void command_make_environment(struct run *run)
{
	enum { N_LISTEN_ENTRIES = 2 };
	/* Each operation adds one at most. */
	size_t n_outer = count_entries(run->host->envp);
	char **entries = arena_alloc(
		(n_outer + run->plan->command.n_env_ops + N_LISTEN_ENTRIES + N_LATE_ENTRIES) *
		sizeof(char *));
	memcpy(entries, run->host->envp, n_outer * sizeof(char *));
	for (size_t i = 0; i < run->plan->command.n_env_ops; i++) {
		const struct env_op *op = &run->plan->command.env_ops[i];
		char *outer;
		switch (op->action) {
		case ENV_CLEAR:
			entries[0] = NULL;
			break;
		case ENV_SET:
			set_entry(entries, op->name,
				  arena_join(arena_join(op->name, "="), op->value));
			break;
		case ENV_UNSET:
			unset_variable(entries, op->name);
			break;
		case ENV_KEEP:
			outer = run->host->envp[find_variable(run->host->envp, op->name)];
			if (outer)
				set_entry(entries, op->name, outer);
			break;
		}
	}
	if (run->plan->command.listen_fds)
		set_listen_entries(run, entries);
	run->environment = entries;
}

static char **copy_words(char *const *words)
{
	size_t n = count_entries(words);
	char **copies = arena_alloc((n + N_LATE_ENTRIES) * sizeof(char *));
	for (size_t i = 0; i < n; i++)
		copies[i] = arena_string(words[i]);
	return copies;
}

void command_keep_words(struct run *run)
{
	struct plan *plan = arena_alloc(sizeof(*plan));
	*plan = *run->plan;
	plan->command.argv = copy_words(plan->command.argv);
	plan->command.argv0 = plan->command.argv0 ? arena_string(plan->command.argv0) : NULL;
	plan->command.chdir = plan->command.chdir ? arena_string(plan->command.chdir) : NULL;
	plan->command.exec_label =
		plan->command.exec_label ? arena_string(plan->command.exec_label) : NULL;
	/* For diagnose_exec(); what is shown inside is no secret there. */
	for (struct op *op = plan->root.ops; op < plan->root.ops + plan->root.n_ops; op++) {
		op->inner_path = op->inner_path ? arena_string(op->inner_path) : NULL;
		op->inner_source = op->inner_source ? arena_string(op->inner_source) : NULL;
	}
	run->plan = plan;
	run->environment = copy_words(run->environment);
}

/* ---- directory ---- */

static void enter_directory(struct run *run)
{
	const char *directory = run->plan->command.chdir;
	if (directory && chdir(directory) < 0) {
		int error = errno;
		die_because(error, "%s: Can't chdir to %s: %s%s%s",
			    position_text(options_position(run->plan, "--chdir")),
			    failing_path(directory), errno_text(error),
			    diagnose_way(-1, directory, error),
			    error == ENOENT ? diagnose_mask(run->plan, directory) : "");
	}
	if (!directory) {
		const char *home = get_variable(run->environment, "HOME");
		const char *wanted = run->host->caller.directory;
		if (wanted && chdir(wanted) == 0)
			directory = wanted;
		else if (home && *home && chdir(home) == 0)
			directory = home;
		else if (chdir(directory = "/") < 0)
			die_errno(errno, "Can't chdir to /");
		if (wanted && directory != wanted && (run->plan->rehearses || run->plan->verbose))
			say_note("COMMAND starts in %s%s", directory,
				 cause_text(CAUSE_DIRECTORY_MISSING, wanted));
	}
	char *found = directory[0] == '/' ? NULL : getcwd(NULL, 0);
	set_entry(run->environment, "PWD", arena_join("PWD=", found ? found : directory));
}

/* ---- its pidfd ---- */

/* Over others a descriptor is not sent, and some say nothing of it: TCP drops it. */
void command_check_pidfd_socket(const struct plan *plan)
{
	const struct fd_at *to = &plan->report.pidfd_socket;
	int family;
	socklen_t length = sizeof(family);
	struct sockaddr_un peer;
	if (to->fd < 0)
		return;
	if (getsockopt(to->fd, SOL_SOCKET, SO_DOMAIN, &family, &length) < 0)
		die_errno(errno, "%s: Can't use descriptor %d", position_text(to->position),
			  to->fd);
	if (family != AF_UNIX)
		die("%s: descriptor %d is no Unix socket, and over no other a pidfd can be sent",
		    position_text(to->position), to->fd);
	length = sizeof(peer);
	if (getpeername(to->fd, (struct sockaddr *) &peer, &length) < 0)
		die_errno(errno, "%s: Can't use descriptor %d", position_text(to->position),
			  to->fd);
}

/* By COMMAND's process itself, while it cannot have ended: so the pidfd is nobody else's, and there is no number that
 * could be. It does not wait: who can end it by a signal yet depends on how many processes there are. */
static void send_pidfd(const struct run *run)
{
	const struct fd_at *to = &run->plan->report.pidfd_socket;
	if (to->fd < 0)
		return;
	AUTO_CLOSE int pidfd = sys_pidfd_open(getpid(), 0);
	if (pidfd < 0 || !channel_try_hand_over(to->fd, pidfd))
		die_because(errno, "%s: Can't send COMMAND's pidfd over descriptor %d: %s%s",
			    position_text(to->position), to->fd, errno_text(errno),
			    errno == EAGAIN ? "; it is full, and nobody reads" : "");
}

/* ---- waiting and going ---- */

void command_wait(const struct run *run)
{
	if (run->plan->report.block.fd >= 0 && !wait_for_byte(run->plan->report.block.fd))
		die_errno(errno, "%s: Can't read descriptor %d",
			  position_text(run->plan->report.block.position),
			  run->plan->report.block.fd);
}

/* The three standard numbers, and what the caller meant to pass on. Everything of ours is
 * close-on-exec already; this is the second lock on the same door. */
static void close_descriptors(const struct run *run)
{
	const struct plan *plan = run->plan;
	if (!plan->command.close_fds && !run->host->inherited_known)
		return;
	size_t n = 0;
	size_t n_listen = (size_t) run->host->caller.n_listen_fds;
	int *keep = arena_alloc((run->host->n_inherited_fds + plan->command.keep_fds.n + n_listen +
				 made_source_fds(run, NULL) + 3) *
				sizeof(*keep));
	n += made_source_fds(run, keep); /* exec closes them */
	keep[n++] = run->supervisor_fd;
	keep[n++] = run->going_fd;
	keep[n++] = run->landlock_fd;
	for (size_t i = 0; !plan->command.close_fds && i < run->host->n_inherited_fds; i++)
		keep[n++] = run->host->inherited_fds[i];
	for (size_t i = 0; plan->command.close_fds && i < plan->command.keep_fds.n; i++)
		keep[n++] = plan->command.keep_fds.items[i].fd;
	for (int i = 0; i < run->host->caller.n_listen_fds; i++)
		keep[n++] = LISTEN_FDS_START + i;
	if (!close_all_except(keep, n))
		die_errno(errno, "Can't close the descriptors that COMMAND must not have");
}

/* After this what goes wrong is said at --pty's terminal. */
static void begin_session(const struct run *run)
{
	const char *position = position_text(
		options_position(run->plan, run->plan->command.pty ? "--pty" : "--new-session"));
	if (setsid() < 0)
		die_errno(errno, "%s: Can't start a new session", position);
	if (run->pty.slave < 0)
		return;
	if (ioctl(run->pty.slave, TIOCSCTTY, 0) < 0 || tcgetsid(run->pty.slave) != getsid(0))
		die_errno(errno, "%s: Can't take the terminal", position);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (run->host->terminal.replaced >> fd & 1 && dup2(run->pty.slave, fd) < 0)
			die_errno(errno, "%s: Can't give COMMAND the terminal", position);
}

void command_prepare(struct run *run)
{
	const struct plan *plan = run->plan;
	tell_going(run);
	if (run->shape.new_session)
		begin_session(run);
	caps_keep(run->shape.caps, run->shape.ambient_caps);
	umask(run->host->umask);
	enter_directory(run);
	if (run->host->caller.n_listen_fds)
		set_entry(run->environment, "LISTEN_PID",
			  arena_join("LISTEN_PID=", arena_number((uint64_t) getpid(), 10)));
	command_set_label(run, "exec", "--exec-label", plan->command.exec_label);
	if (run->nofile_raised && setrlimit(RLIMIT_NOFILE, &run->host->nofile) < 0)
		die_errno(errno, "Can't restore the limit of open files");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		die("no_new_privs is not set; nothing was run");
}

void command_go(struct run *run)
{
	const struct plan *plan = run->plan;
	send_pidfd(run);
	close_descriptors(run);
	/* Set last: a change of credentials clears it (prctl(2)). */
	if (run->shape.dies_with_supervisor && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die_errno(errno, "Can't arrange to die with the parent");
	if (run->shape.topology == RUN_SUPERVISED) /* with a pid 1 of ours, that has said it */
		tell_starting(run, -1);
	run_tell_stage(run, STAGE_GO);
	size_t n_words = count_entries(plan->command.argv);
	char **words = arena_alloc((n_words + 1) * sizeof(char *));
	memcpy(words, plan->command.argv, n_words * sizeof(char *));
	if (plan->command.argv0)
		words[0] = arena_string(plan->command.argv0);
	const char *path_list = get_variable(run->environment, "PATH");
	environ = run->environment;
	const char *program =
		plan->rehearses ? libraries_find_program(plan->command.argv[0], path_list) : NULL;
	if (program)
		misses_foresee(run, program);
	if (program && !get_variable(run->environment, "LD_LIBRARY_PATH"))
		libraries_foresee(program, path_list);
	if (sigprocmask(SIG_SETMASK, &run->host->signal_mask, NULL) < 0)
		die_errno(errno, "Can't restore the signal mask");
	landlock_enforce(run); /* before a limit of descriptors, and after all that is told */
	filters_guard_subvolumes(run);
	mdwe_enforce(plan);
	rlimits_apply(plan);
	if (filters_are_asked_for(run)) /* which may kill for removing it */
		made_sources_keep(run);
	filters_load(run, FILTER_COMMAND);
	execvp(plan->command.argv[0], words);
	int error = errno;
	run->exec_failed = true;
	const char *cause = diagnose_exec(run, path_list, error);
	if (!*cause && filters_are_asked_for(run))
		cause = cause_text(CAUSE_EXEC_FILTER, NULL);
	if (plan->command.exit_codes == EXIT_CODES_ENV)
		die_set_status(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
	die_because(error, "execvp %s: %s%s", failing_path(plan->command.argv[0]),
		    errno_text(error), cause);
}
