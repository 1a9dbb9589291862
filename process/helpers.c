/* helpers.c - the processes beside COMMAND that work for the sandbox: fuse-overlayfs, the change lister, pasta, the
 * guard, the looker, the relay, the carriers. Each is a row of the table; all are started by one function.
 *
 * None is in the sandbox's pid namespace. Those that overlays need are in its first user namespace: where there is a
 * supervisor such a one is its child, which joins the user namespace; otherwise it is forked
 * twice, so that COMMAND has no child it does not know. What it works on are descriptors that setup
 * gives it (run/helper.c). What it does is its room's (mount/overlay-fuse.c).
 *
 * Without a pid namespace COMMAND can stop and kill its user's helpers all the same. A helper that
 * ended early makes the list of changes fail.
 */
#include "process/helpers.h"

#include "filter/look.h"
#include "limit/cgroup.h"
#include "mount/overlay-changes.h"
#include "mount/overlay-fuse.h"
#include "ns/idmap.h"
#include "ns/pasta.h"
#include "plan/given.h"
#include "plan/options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/carrier.h"
#include "process/guard.h"
#include "process/protocol.h"
#include "process/pty.h"
#include "process/state.h"
#include "run/entries.h"
#include "run/helper.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static const struct kind {
	char name[32];
	uint64_t capabilities; /* that it keeps */
	bool in_groups;        /* what it uses counts as COMMAND's; it gets the time to end there */
	bool outside;          /* it stays in the caller's user namespace */
	bool waits_for_word;   /* one byte lets it go on, the end of file ends it */
} kinds[] = {
	/* To read everything, and to give files the owner, mode and marks that the merged tree shows. */
	[HELPER_FUSE_OVERLAYFS] = { .name = "fuse-overlayfs",
				    .capabilities = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) |
						    CAP_BIT(CAP_DAC_READ_SEARCH) |
						    CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) |
						    CAP_BIT(CAP_SYS_ADMIN) /* trusted.* */ |
						    CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_SETFCAP),
				    .in_groups = true },
	[HELPER_CHANGE_LISTER] = { .name = "the process that lists them",
				   .capabilities = CAP_BIT(CAP_DAC_OVERRIDE) |
						   CAP_BIT(CAP_DAC_READ_SEARCH) |
						   CAP_BIT(CAP_SYS_ADMIN),
				   .waits_for_word = true },
	[HELPER_PASTA] = { .name = "pasta", .outside = true },
	[HELPER_GUARD] = { .name = "the guard",
			   .capabilities = ~0ULL /* those that the supervisor has left */ },
	[HELPER_LOOKER] = { .name = "the process that looks" },
	[HELPER_PTY_RELAY] = { .name = "the relay" },
	[HELPER_CARRIER] = { .name = "the carrier" },
	[HELPER_CARRIER_IN] = { .name = "the carrier" },
};

/* In a list of the supervisor's. */
struct helper {
	enum helper_kind kind;
	pid_t pid;   /* 0: its status was taken, and the number may be a stranger's */
	int status;  /* as of waitpid(2), once it was */
	int word_fd; /* -1: it waits for none */
	struct helper *next;
};

/* ---- in the helper ---- */

static void enter_user_namespace(const struct run *run, pid_t child)
{
	if (!run->shape.user_namespace && run->plan->ns.userns.fd < 0)
		return;
	AUTO_CLOSE int pidfd = sys_pidfd_open(child, 0);
	if (pidfd < 0 || setns(pidfd, CLONE_NEWUSER) < 0)
		die_errno(errno, "Can't enter the sandbox's user namespace");
	if (run->mapper)
		idmap_switch_ids(run);
}

/* What a new helper is told by who starts it. */
struct start {
	enum helper_kind kind;
	pid_t child;      /* is in the sandbox's user namespace; 0: so are we */
	int socket;       /* where its job comes from; -1: it has none */
	int word_fd;      /* -1: it waits for no word */
	int child_pidfd;  /* the guard's: whom it ends; a carrier's: with whom it ends */
	pid_t supervisor; /* the guard's, pasta's */
	int listener;     /* the looker's, and what it shares with the supervisor */
	struct look_memory *memory;
};

static void tell_failed(void *argument, const struct failure *failure)
{
	const struct start *start = argument;
	if (start->socket >= 0)
		helper_send_failed(start->socket, failure);
}

static _Noreturn void be_helper(const struct run *run, struct start *start)
{
	const struct kind *kind = &kinds[start->kind];
	write_patiently(NULL, NULL); /* that is the supervisor's */
	die_first_call(tell_failed, start);
	if (kind->in_groups)
		cgroups_enter_as_helper(run);
	if (start->child && !kind->outside)
		enter_user_namespace(run, start->child);
	switch (start->kind) {
	case HELPER_FUSE_OVERLAYFS:
		overlay_be_fuse_overlayfs(run, start->socket, kind->capabilities);
	case HELPER_CHANGE_LISTER:
		overlay_be_change_lister(run, start->socket, start->word_fd, kind->capabilities);
	case HELPER_PASTA:
		pasta_be(run, start->socket, start->supervisor);
	case HELPER_GUARD:
		guard_be(run, start->child_pidfd, start->supervisor);
	case HELPER_LOOKER:
		look_be_helper(run, start->socket, start->listener, start->memory);
	case HELPER_PTY_RELAY:
		pty_be_relay(run, start->socket);
	case HELPER_CARRIER:
	case HELPER_CARRIER_IN:
		carrier_be(run, start->kind == HELPER_CARRIER ? OUTWARD : INWARD, start->socket,
			   start->child_pidfd);
	}
	_exit(1);
}

/* The only place where one is born. Its pid, or -1 with errno. */
static pid_t start_helper(const struct run *run, struct start start)
{
	pid_t pid = sys_clone_process(0);
	if (pid == 0)
		be_helper(run, &start);
	return pid;
}

static _Noreturn void die_of_no_process(enum helper_kind kind, int error)
{
	die_errno(error, "Can't start a process for %s",
		  kind == HELPER_PASTA ? "--net-pasta" : "an overlay");
}

/* ---- in setup ---- */

static void start_here(const struct run *run, enum helper_kind kind, const int ends[2])
{
	pid_t pid = sys_clone_process(0);
	if (pid < 0)
		die_of_no_process(kind, errno);
	if (pid == 0) {
		close(ends[0]);
		if (start_helper(run, (struct start){
					      .kind = kind, .socket = ends[1], .word_fd = -1 }) < 0)
			die_of_no_process(kind, errno);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void ask_supervisor(const struct run *run, enum helper_kind kind, const int ends[2])
{
	channel_send_fd(run->supervisor_fd, MESSAGE_START_HELPER, (int) kind, ends[1]);
}

void helpers_choose_starter(struct run *run)
{
	run->start_helper = run->supervisor_fd < 0 ? start_here : ask_supervisor;
}

bool helpers_may_be_asked_for(const struct plan *plan)
{
	return overlay_may_need_helper(plan) || plan->net.pasta;
}

/* ---- in the supervisor ---- */

static void note(struct supervisor *self, enum helper_kind kind, pid_t pid, int word_fd)
{
	struct helper *helper = arena_alloc(sizeof(*helper));
	*helper = (struct helper){
		.kind = kind, .pid = pid, .word_fd = word_fd, .next = self->helpers
	};
	self->helpers = helper;
}

void helpers_start(const struct run *run, enum helper_kind kind, int socket)
{
	int word[2] = { -1, -1 };
	if (kind >= HELPER_GUARD)
		die("Setup asked for a helper that there is not");
	if (kinds[kind].waits_for_word && pipe2(word, O_CLOEXEC) < 0)
		die_errno(errno, "Can't make a pipe");
	struct supervisor *self = run->supervisor;
	pid_t pid = start_helper(run, (struct start){ .kind = kind,
						      .child = self->child,
						      .socket = socket,
						      .word_fd = word[0],
						      .supervisor = getpid() });
	if (pid < 0)
		die_of_no_process(kind, errno);
	close_fd(&word[0]);
	close(socket);
	note(self, kind, pid, word[1]);
}

void helpers_start_relay(const struct run *run, int socket)
{
	pid_t pid = start_helper(
		run, (struct start){ .kind = HELPER_PTY_RELAY, .socket = socket, .word_fd = -1 });
	if (pid < 0)
		die_errno(errno, "%s: Can't start the process that relays the terminal",
			  position_text(options_position(run->plan, "--pty")));
	close(socket);
	note(run->supervisor, HELPER_PTY_RELAY, pid, -1);
}

void helpers_start_looker(const struct run *run, int socket, int listener,
			  struct look_memory *memory)
{
	pid_t pid = start_helper(run, (struct start){ .kind = HELPER_LOOKER,
						      .socket = socket,
						      .word_fd = -1,
						      .listener = listener,
						      .memory = memory });
	if (pid < 0)
		die_errno(errno, "%s: Can't start the process that looks up what is denied",
			  position_text(options_position(run->plan, "--trace-denied")));
	close(socket);
	note(run->supervisor, HELPER_LOOKER, pid, -1);
}

enum helper_kind helpers_carrier(enum direction direction)
{
	return direction == OUTWARD ? HELPER_CARRIER : HELPER_CARRIER_IN;
}

void helpers_start_carrier(const struct run *run, enum direction direction)
{
	AUTO_CLOSE int child = sys_pidfd_open(run->supervisor->child, 0);
	pid_t pid = child < 0
			    ? -1
			    : start_helper(run,
					   (struct start){ .kind = helpers_carrier(direction),
							   .socket = run->carrier_fds[direction][1],
							   .word_fd = -1,
							   .child_pidfd = child });
	if (pid < 0)
		die_errno(errno, "%s: Can't start the process that carries its connections",
			  position_text(entries_position(run, direction)));
	note(run->supervisor, helpers_carrier(direction), pid, -1);
}

pid_t helpers_find(const struct run *run, enum helper_kind kind)
{
	for (const struct helper *helper = run->supervisor->helpers; helper; helper = helper->next)
		if (helper->kind == kind)
			return helper->pid;
	return 0;
}

static const char *guard_position(const struct run *run)
{
	const struct command_plan *command = &run->plan->command;
	const char *option = run->supervisor->lacks_timers  ? "--timeout"
			     : command->as_pid_1            ? "--as-pid-1"
			     : command->die_with_fd.fd >= 0 ? "--die-with-fd"
							    : "--die-with-parent";
	return position_text(options_position(run->plan, option));
}

void helpers_start_guard(const struct run *run)
{
	struct supervisor *self = run->supervisor;
	if (!run->shape.has_guard && !self->lacks_timers)
		return;
	AUTO_CLOSE int child = sys_pidfd_open(self->child, 0);
	self->guard = child < 0 ? -1
				: start_helper(run, (struct start){ .kind = HELPER_GUARD,
								    .socket = -1,
								    .word_fd = -1,
								    .child_pidfd = child,
								    .supervisor = getpid() });
	/* Before COMMAND can run, and so by us. */
	if (self->guard < 0 || setpgid(self->guard, self->guard) < 0)
		die_errno(
			errno,
			"%s: Can't start the process that ends the sandbox where the supervisor is kept from it",
			guard_position(run));
}

void helpers_require_guard(const struct run *run)
{
	if (run->supervisor->is_unguarded)
		die("%s: The process that ends the sandbox where the supervisor is kept from it was ended, and so is the sandbox",
		    guard_position(run));
}

void helpers_end_guard(const struct run *run)
{
	pid_t guard = run->supervisor->guard;
	if (guard && kill(guard, SIGKILL) == 0)
		waitpid(guard, NULL, 0);
}

int *helpers_fds(const struct run *run, size_t *ret_n)
{
	size_t n = 0, capacity = 0;
	int *fds = NULL;
	for (const struct helper *helper = run->supervisor->helpers; helper;
	     helper = helper->next) {
		fds = arena_grow(fds, n, &capacity, sizeof(int));
		fds[n++] = helper->word_fd;
	}
	*ret_n = n;
	return fds;
}

bool helpers_include(const struct run *run, pid_t pid)
{
	for (const struct helper *helper = run->supervisor->helpers; helper; helper = helper->next)
		if (helper->pid == pid)
			return true;
	return false;
}

static bool is_fuse(const struct helper *helper)
{
	return helper->kind == HELPER_FUSE_OVERLAYFS;
}

/* Where changes are listed the end of the list tells; when it is the end of all it may be by us. */
static void tell_end(const struct run *run, const struct helper *helper)
{
	const struct supervisor *self = run->supervisor;
	if (is_fuse(helper) && WIFSIGNALED(helper->status) && self->started && !self->is_over &&
	    !self->ending_ms && !overlay_lists_changes(run->plan))
		say_warning(
			"fuse-overlayfs was ended by signal %d: what it has merged cannot be used any more",
			WTERMSIG(helper->status));
}

void helpers_note_end(const struct run *run, pid_t pid, int status)
{
	struct supervisor *self = run->supervisor;
	if (pid == self->guard) {
		self->guard = 0;
		self->is_unguarded = WIFSIGNALED(status);
	}
	for (struct helper *helper = self->helpers; helper; helper = helper->next)
		if (helper->pid == pid) {
			helper->pid = 0;
			helper->status = status;
			tell_end(run, helper);
		}
}

void helpers_urge(const struct run *run, bool kill_fuse)
{
	for (const struct helper *helper = run->supervisor->helpers; helper;
	     helper = helper->next) {
		if (helper->pid)
			kill(helper->pid, SIGCONT);
		if (helper->pid && kill_fuse && is_fuse(helper))
			kill(helper->pid, SIGKILL);
	}
}

static bool has_ended_well(const struct helper *helper)
{
	if (WIFSIGNALED(helper->status))
		say_warning("Can't list changes: %s was ended by signal %d",
			    kinds[helper->kind].name, WTERMSIG(helper->status));
	/* A lister says what it cannot do; fuse-overlayfs's status says nothing of what was written. */
	return is_fuse(helper) ? !WIFSIGNALED(helper->status) : helper->status == 0;
}

void helpers_wait_for_fuse(const struct run *run, bool (*wait)(const struct run *run))
{
	enum { PATIENCE_MS = 10000 };
	int64_t end_ms = now_ms() + PATIENCE_MS;
	for (const struct helper *helper = run->supervisor->helpers; helper; helper = helper->next)
		while (is_fuse(helper) && helper->pid && now_ms() < end_ms && wait(run))
			;
}

/* fuse-overlayfs ends when the last of the mount is gone; a descriptor that was passed out of the
 * sandbox keeps it. */
static bool has_written_everything(const struct helper *helper)
{
	if (helper->pid)
		say_warning(
			"Can't list changes: fuse-overlayfs is still in use, by a descriptor outside of the sandbox");
	return !helper->pid && has_ended_well(helper);
}

static bool wait_for_lister(const struct run *run, const struct helper *helper,
			    bool (*wait)(const struct run *run))
{
	if (!helper->pid) { /* before it was asked for anything */
		if (has_ended_well(helper))
			say_warning("Can't list changes: the process that lists them is gone");
		return false;
	}
	write_all(helper->word_fd, "", 1); /* a lister that is gone shows in its status */
	while (helper->pid && wait(run))
		;
	return !helper->pid && has_ended_well(helper);
}

bool helpers_list_changes(const struct run *run, bool (*wait)(const struct run *run))
{
	bool done = true;
	for (const struct helper *helper = run->supervisor->helpers; helper && done;
	     helper = helper->next)
		if (is_fuse(helper))
			done = has_written_everything(helper);
	for (const struct helper *helper = run->supervisor->helpers; helper && done;
	     helper = helper->next)
		if (helper->kind == HELPER_CHANGE_LISTER)
			done = wait_for_lister(run, helper, wait);
	return done;
}
