/* init.c - pid 1 inside: reaps whatever is left behind, tells the supervisor how COMMAND ended, and
 * holds what has to be held as long as the sandbox lives (--lock-file, --sync-fd).
 *
 * Invariant (HACKING.md, 5): from inside nothing reaches pid 1's memory, environment, descriptors
 * or root. Either COMMAND is in a second user namespace, and the kernel's ptrace check refuses it
 * while it still allows the caller outside; or pid 1 is not dumpable. COMMAND is let go only when
 * that, the loss of capabilities, the descriptors and the filters are all in place here; where pid 1
 * lends its memory (init_lend()) it closes the caller's descriptors as soon as it has it back.
 *
 * Without a pid namespace (a lock or sync descriptor alone) the same process is a subreaper.
 */
#include "process/init.h"

#include "filter/filters.h"
#include "mount/destination.h"
#include "mount/made-source.h"
#include "ns/namespaces.h"
#include "ns/second-userns.h"
#include "plan/given.h"
#include "plan/limit-options.h"
#include "plan/plan.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "process/command.h"
#include "process/protocol.h"
#include "process/tell.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>

struct init {
	int *locks;
	int socket;    /* between pid 1 and COMMAND's process; -1: that borrows pid 1's memory */
	pid_t command; /* 0: its end has been told */
	bool second_userns;           /* COMMAND is in one */
	sigset_t mask_while_waiting;  /* with run->lifeline_fd */
	struct sigaction outer_alarm; /* what the caller has arranged for SIGALRM */
};

/* A mapping keeps the open file description as a descriptor does (mmap(2)), and there may be few of those.
 * But overlayfs and FUSE's passthrough map the file below instead and let go of theirs
 * (backing_file_mmap()): only file systems that are known to keep it count. */
static bool try_keep_mapped(int fd)
{
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return false;
	unsigned long kind = (unsigned long) fs.f_type;
	return (kind == EXT4_SUPER_MAGIC || kind == XFS_SUPER_MAGIC || kind == BTRFS_SUPER_MAGIC ||
		kind == TMPFS_MAGIC) &&
	       mmap(NULL, 1, PROT_NONE, MAP_PRIVATE, fd, 0) != MAP_FAILED;
}

/* The lock is of the open file description, for a process loses its own when it closes any descriptor of
 * the same file, such as one that the caller has left open (fcntl_locking(2)). Both kinds exclude each
 * other. Returns the descriptor to keep, or -1: none is needed. */
static int take_lock(const struct run *run, const struct path_at *file)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	/* A lock keeps others from writing, so it is a change. */
	int fd = destination_open_to_change(run, file->path, O_RDONLY | O_NOCTTY | O_NONBLOCK);
	const char *link = fd < 0 && errno == EXDEV ? destination_link_text(run) : NULL;
	if (link)
		die("%s: Can't lock %s: %s", position_text(file->position),
		    failing_path(file->path), link);
	if (fd < 0)
		die_errno(errno, "%s: Can't open lock file %s", position_text(file->position),
			  failing_path(file->path));
	if (fcntl(fd, F_OFD_SETLK, &lock) < 0)
		die_because(errno, "%s: Can't lock %s: %s%s", position_text(file->position),
			    failing_path(file->path), errno_text(errno),
			    errno == EAGAIN || errno == EACCES ? "; somebody holds it exclusively"
							       : "");
	if (try_keep_mapped(fd))
		close_fd(&fd);
	return fd;
}

void init_take_locks(struct run *run)
{
	const struct plan *plan = run->plan;
	struct init *init = run->init = arena_alloc(sizeof(*init));
	init->socket = -1;
	init->locks = arena_alloc((plan->report.n_lock_files + 1) * sizeof(int));
	for (size_t i = 0; i < plan->report.n_lock_files; i++)
		init->locks[i] = take_lock(run, &plan->report.lock_files[i]);
	close_fd(&run->root.fd);
}

/* /proc/1/cmdline can be read by everybody inside and names the host's paths and --setenv's values;
 * the environment is the caller's, also what --clearenv took away. Both are overwritten where the
 * kernel shows them: the words by nothing, the variables by COMMAND's as far as they fit (callers
 * read them from outside). */
static void scrub_own_memory(const struct run *run)
{
	for (char **word = run->host->argv; *word; word++)
		if (word != run->host->argv)
			explicit_bzero(*word, strlen(*word));
	if (!run->host->envp[0])
		return;
	char *start = run->host->envp[0], *end = start;
	for (char **entry = run->host->envp; *entry; entry++)
		if (*entry == end) /* contiguous, as the kernel laid them out */
			end += strlen(*entry) + 1;

	/* COMMAND's variables may be kept ones, which live in the very bytes to overwrite. */
	struct text kept = { 0 };
	for (char **entry = run->environment; *entry; entry++)
		if (kept.length + strlen(*entry) + 1 <= (size_t) (end - start))
			text_add_bytes(&kept, *entry, strlen(*entry) + 1);
	explicit_bzero(start, (size_t) (end - start));
	if (kept.length)
		memcpy(start, kept.bytes, kept.length);
}

/* The rest of pid 1's own protection, where COMMAND is kept away by a second user namespace or otherwise. */
static void give_up_privilege(const struct run *run)
{
	caps_drop_all();
	/* A change of uid has cleared it; a message after it shows that the supervisor was there to
	 * be bound to. */
	if (run->shape.dies_with_supervisor && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die_errno(errno, "Can't arrange to die with the parent");
}

static void close_what_init_needs_not(const struct run *run)
{
	const struct plan *plan = run->plan;
	int *keep =
		arena_alloc((plan->report.n_lock_files + plan->report.sync.n + 3) * sizeof(*keep));
	size_t n = 0;
	keep[n++] = run->supervisor_fd;
	keep[n++] = run->init->socket;
	keep[n++] = run->lifeline_fd;
	for (size_t i = 0; i < plan->report.sync.n; i++)
		keep[n++] = plan->report.sync.items[i].fd;
	for (size_t i = 0; i < plan->report.n_lock_files; i++)
		keep[n++] = run->init->locks[i];
	if (!close_all_except(keep, n))
		die_errno(errno, "Can't close the descriptors that the reaper must not have");
	made_sources_keep(run);
}

/* COMMAND and what it starts may end faster than they can be reaped. */
enum { MOST_AT_ONCE = 256 };

/* Takes what has ended, without waiting. False: there is nobody any more. */
static bool take_the_ended(void)
{
	pid_t pid = 1;
	for (int n = 0; n < MOST_AT_ONCE && pid > 0; n++)
		pid = waitpid(-1, NULL, WNOHANG);
	return pid >= 0 || errno != ECHILD;
}

/* The parent is gone. The supervisor ends us for that, unless COMMAND keeps on stopping it: pid 1 of a
 * namespace is stopped only from outside (pid_namespaces(7)). The supervisor, which is in our process
 * group, is continued once nobody is left who could stop it again. */
static _Noreturn void end_without_supervisor(void)
{
	enum { STEP_MS = 50, MOST_STEPS = 20 };
	const struct timespec patience = { .tv_sec = 1 }, step = { .tv_nsec = STEP_MS * 1000000L };
	ppoll(NULL, 0, &patience, NULL);
	kill(-1, SIGKILL);
	/* Whom a uid of its own keeps from being killed so is killed when we end; and whose end needs
	 * the supervisor's help gets it then. */
	for (int n = 0; n < MOST_STEPS && take_the_ended(); n++)
		ppoll(NULL, 0, &step, NULL);
	kill(0, SIGCONT);
	_exit(1);
}

/* Waits until a child ends, or somebody inside sends SIGCHLD; or for `patience` at most. Returns
 * whether that passed. */
static bool is_quiet(const struct run *run, const struct timespec *patience)
{
	struct pollfd parent = { .fd = run->lifeline_fd, .events = POLLIN };
	sigset_t child_only;
	if (run->lifeline_fd < 0) { /* SIGCHLD is blocked: signals_block() */
		sigemptyset(&child_only);
		sigaddset(&child_only, SIGCHLD);
		return sigtimedwait(&child_only, NULL, patience) < 0 && errno != EINTR;
	}
	int n = ppoll(&parent, 1, patience, &run->init->mask_while_waiting);
	if (n > 0)
		end_without_supervisor();
	if (n < 0 && errno != EINTR)
		die_errno(errno, "Can't watch what the sandbox ends with");
	return n == 0;
}

/* `may_release`: that is still to be done, once nothing happens any more. */
static _Noreturn void reap(const struct run *run, bool may_release)
{
	const struct timespec patience = { .tv_nsec = RELEASE_AFTER_MS * 1000000L }, none = { 0 };
	bool watches = run->lifeline_fd >= 0;
	int command_status = 0;
	for (unsigned n_taken = 0;;) {
		int status;
		pid_t pid = waitpid(-1, &status, may_release || watches ? WNOHANG : 0);
		if (pid == 0 && is_quiet(run, may_release ? &patience : NULL)) {
			release_pages();
			may_release = false;
		}
		if (pid > 0 && watches && ++n_taken % MOST_AT_ONCE == 0)
			is_quiet(run, &none);
		if (pid == 0 || (pid < 0 && errno == EINTR))
			continue;
		if (pid < 0 && errno != ECHILD)
			die_errno(
				errno,
				"Can't wait for the processes of the sandbox (do the seccomp programs allow it?)");
		if (pid < 0)
			break; /* the last process is gone */
		if (pid == run->init->command) {
			command_status = status;
			run->init->command = 0; /* the number may be another's from now on */
			tell_ended(run, status, !take_the_ended());
		}
	}
	_exit(WIFEXITED(command_status) ? WEXITSTATUS(command_status)
					: 128 + WTERMSIG(command_status));
}

enum { EXIT_LAST_RESORT = 137 }; /* as the supervisor's for what it has killed */

static int64_t last_resort_ms; /* for the handler, which is told nothing */
static void end_when_due(int number)
{
	(void) number; /* COMMAND may send it, too */
	if (now_ms() >= last_resort_ms)
		_exit(EXIT_LAST_RESORT);
}

/* COMMAND can stop the supervisor, which is in its process group, and nobody here: pid 1 of a
 * namespace is stopped only from outside (pid_namespaces(7)). So it keeps the time, too, with nothing
 * that a filter might deny. */
static void keep_time(const struct run *run)
{
	if (!run->last_resort_ms || !run->shape.pid_namespace)
		return;
	last_resort_ms = run->last_resort_ms;
	int64_t left = last_resort_ms - now_ms() + 1;
	struct sigaction action = { .sa_handler = end_when_due, .sa_flags = SA_RESTART };
	struct itimerval when = { .it_value = { .tv_sec = (time_t) (left / 1000),
						.tv_usec = (suseconds_t) (left % 1000 * 1000) } };
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, SIGALRM);
	if (left <= 0)
		_exit(EXIT_LAST_RESORT);
	if (sigaction(SIGALRM, &action, &run->init->outer_alarm) < 0 ||
	    setitimer(ITIMER_REAL, &when, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &only, NULL) < 0)
		die_errno(errno, "%s: Can't arrange for the end",
			  position_text(options_position(run->plan, "--timeout")));
}

static void ignore(int number)
{
	(void) number;
}

/* So that waiting for the parent's end ends with a child's, too. */
static void watch_parent(const struct run *run)
{
	struct sigaction action = { .sa_handler = ignore };
	if (run->lifeline_fd < 0)
		return;
	if (sigaction(SIGCHLD, &action, NULL) < 0 ||
	    sigprocmask(SIG_BLOCK, NULL, &run->init->mask_while_waiting) < 0)
		die_errno(errno, "Can't arrange for the end");
	sigdelset(&run->init->mask_while_waiting, SIGCHLD);
}

/* ---- beside a process of COMMAND's own ---- */

bool init_split(struct run *run)
{
	int ends[2];
	channel_make_pair(ends);
	pid_t pid = sys_clone_process(0);
	if (pid < 0)
		die_because(errno, "Can't start a process for COMMAND: %s%s", errno_text(errno),
			    limits_cause(run->plan, errno));
	run->init->command = pid;
	run->init->socket = ends[pid == 0];
	close(ends[pid != 0]);
	/* Its parent's death must not leave COMMAND running; pid 1's ends the namespace anyway. */
	if (pid == 0 && run->shape.dies_with_supervisor && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die_errno(errno, "Can't arrange to die with the parent");
	return pid == 0;
}

void init_lead(const struct run *run, bool second_userns)
{
	channel_send(run->init->socket, MESSAGE_SECOND_USERNS, second_userns);
	for (int which = 0; second_userns && ns_has_second(run, which); which++) {
		AUTO_CLOSE int fd = ns_open_second(run, which);
		channel_send_fd(run->init->socket, MESSAGE_NAMESPACE_FD, 0, fd);
	}
}

bool init_follow(const struct run *run)
{
	struct init *init = run->init;
	struct message message;
	if (channel_receive(init->socket, true, &message, NULL) != 1) {
		int status = 0;
		waitpid(init->command, &status, 0);
		run_end_with_setup(run, status);
	}
	protocol_expect(&message, MESSAGE_SECOND_USERNS);
	init->second_userns = message.value;
	int n_followed = 0;
	for (; init->second_userns && ns_has_second(run, n_followed); n_followed++) {
		AUTO_CLOSE int fd = -1;
		if (channel_receive(init->socket, true, &message, &fd) != 1)
			_exit(1); /* COMMAND's process has said why */
		protocol_expect(&message, MESSAGE_NAMESPACE_FD);
		ns_join_second(run, n_followed, fd);
	}
	return n_followed > 0;
}

/* All of pid 1's own protection, the filters last. */
static void protect(struct run *run, bool filtered)
{
	close_what_init_needs_not(run);
	scrub_own_memory(run);
	if (!run->shape.pid_namespace && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die_errno(errno, "Can't become the one who reaps");
	if (filtered) /* after them madvise(2) may be forbidden */
		release_pages();
	filters_load(run, FILTER_INIT);
	/* Asked of a process that is no child, so that no status is lost. */
	if (filtered && waitpid(1, NULL, WNOHANG) < 0 && errno != ECHILD)
		die_errno(
			errno,
			"Can't reap under the seccomp programs given: they deny waiting for processes");
}

void init_live(struct run *run)
{
	const struct init *init = run->init;
	bool filtered = filters_are_asked_for(run);
	AUTO_CLOSE int pidfd = sys_pidfd_open(init->command, 0);
	if (pidfd < 0)
		die_errno(errno, "Can't watch COMMAND");
	if (!init->second_userns && prctl(PR_SET_DUMPABLE, 0) < 0)
		die_errno(errno, "Can't protect the reaper from COMMAND");
	give_up_privilege(run);
	keep_time(run);
	watch_parent(run);
	/* After this the supervisor takes COMMAND for started, unless it hears otherwise from it. */
	tell_starting(run, pidfd);
	close_fd(&pidfd);
	protect(run, filtered);
	if (!channel_try_send(init->socket, MESSAGE_PROTECTED, 0) &&
	    errno != EPIPE) /* EPIPE: it has died, and said why */
		die_errno(errno, "Can't let COMMAND go (do the seccomp programs allow write?)");
	reap(run, !filtered);
}

/* ---- lending ---- */

#ifdef SANITIZED
enum { STACKS_MAY_CHANGE = false };
#else
enum { STACKS_MAY_CHANGE = true };
#endif

/* A fork copies pid 1's memory, and exec throws the copy away: 0.05 ms of 1.5. Where pid 1 can have
 * all its protection before COMMAND's process exists, it lends its memory instead. It cannot where
 * COMMAND's own preparation would suffer: from filters beside the guards, from capabilities that are given up (uid 0
 * can be mapped only by who had CAP_SETFCAP: user_namespaces(7), 5.12), from a second user namespace that
 * somebody else makes. The caller's descriptors are closed afterwards, since
 * COMMAND inherits them; the second user namespace keeps it from pid 1's. */
static bool can_lend_memory(const struct run *run)
{
	const struct plan *plan = run->plan;
	return STACKS_MAY_CHANGE && run->shape.pid_namespace && run->shape.user_namespace &&
	       run->shape.second_userns && !run->shape.second_namespaces && !run->shape.caps &&
	       !run->mapper && run->shape.inner_uid != 0 && plan->ns.userns.fd < 0 &&
	       plan->ns.userns2.fd < 0 && plan->report.userns_block.fd < 0 &&
	       plan->ns.pidns.fd < 0 && !run->shape.userns_disabled &&
	       !plan->ns.assert_userns_disabled && !filters_are_asked_for(run);
}

void init_lend(struct run *run, void (*become_command)(struct run *run))
{
	if (!can_lend_memory(run))
		return;
	command_keep_words(run);
	scrub_own_memory(run);
	caps_drop_bounding(
		0); /* or COMMAND could not do without a second user namespace any more */
	give_up_privilege(run);
	keep_time(run);
	watch_parent(run);
	pid_t command = second_userns_start(run, become_command);
	if (command < 0)
		return;
	run->init->command = command;
	close_what_init_needs_not(run);
	reap(run, true);
}

/* ---- in COMMAND's process ---- */

static void take_leave(const struct run *run)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(getpid(), 0);
	if (pidfd < 0)
		die_errno(errno, "Can't watch COMMAND");
	/* Handlers become the default action at exec, which is SIGCHLD's for COMMAND. */
	if (last_resort_ms && sigaction(SIGALRM, &run->init->outer_alarm, NULL) < 0)
		die_errno(errno, "Can't restore what SIGALRM does");
	tell_starting(run, pidfd);
}

void init_await_leave(const struct run *run)
{
	struct init *init = run->init;
	struct message message;
	if (init->socket < 0) { /* pid 1 sleeps, and was ready before */
		take_leave(run);
		return;
	}
	if (channel_receive(init->socket, true, &message, NULL) != 1)
		_exit(1); /* it has said why */
	protocol_expect(&message, MESSAGE_PROTECTED);
	close_fd(&init->socket);
}
