/* helpers.c - the processes beside COMMAND that work for the sandbox: fuse-overlayfs and the change lister.
 *
 * A helper is in the sandbox's first user namespace, never in its pid namespace: where there is a
 * supervisor it is the supervisor's child, which joins the user namespace; otherwise it is forked
 * twice, so that COMMAND has no child it does not know. What it works on are descriptors that setup
 * gives it (run/helper.c). What it does is its room's (mount/overlay-fuse.c).
 *
 * Without a pid namespace COMMAND can stop and kill its user's helpers all the same. A helper that
 * ended early makes the list of changes fail.
 */
#include "process/helpers.h"

#include "limit/cgroup.h"
#include "mount/overlay-changes.h"
#include "mount/overlay-fuse.h"
#include "plan/plan.h"
#include "process/protocol.h"
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
	const char *name;
	uint64_t capabilities; /* that it keeps */
	bool in_groups; /* what it uses it uses for COMMAND: it is not killed there before it had the time to end */
	bool waits_for_word; /* one byte lets it go on, the end of file ends it */
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
};

/* The supervisor's. */
static struct helper {
	enum helper_kind kind;
	pid_t pid;   /* 0: its status was taken, and the number may be a stranger's */
	int status;  /* as of waitpid(2), once it was */
	int word_fd; /* -1: it waits for none */
	struct helper *next;
} * helpers;

/* ---- in the helper ---- */

static void enter_user_namespace(const struct run *run, pid_t child)
{
	if (!run->shape.user_namespace && run->plan->ns.userns.fd < 0)
		return;
	AUTO_CLOSE int pidfd = sys_pidfd_open(child, 0);
	if (pidfd < 0 || setns(pidfd, CLONE_NEWUSER) < 0)
		die_errno(errno, "Can't enter the sandbox's user namespace");
}

static void tell_failed(void *setup_socket)
{
	helper_send_failed(*(const int *) setup_socket);
}

static _Noreturn void be_helper(const struct run *run, enum helper_kind kind, int socket,
				int word_fd)
{
	switch (kind) {
	case HELPER_FUSE_OVERLAYFS:
		overlay_be_fuse_overlayfs(run, socket, kinds[kind].capabilities);
	case HELPER_CHANGE_LISTER:
		overlay_be_change_lister(run, socket, word_fd, kinds[kind].capabilities);
	}
	_exit(1);
}

static pid_t fork_or_die(void)
{
	pid_t pid = sys_clone_process(0);
	if (pid < 0)
		die_errno(errno, "Can't start a process for an overlay");
	return pid;
}

/* ---- in setup ---- */

static void start_here(const struct run *run, enum helper_kind kind, const int ends[2])
{
	pid_t pid = fork_or_die();
	if (pid == 0) {
		close(ends[0]);
		if (fork_or_die() == 0)
			be_helper(run, kind, ends[1], -1);
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

/* ---- in the supervisor ---- */

void helpers_start(struct run *run, pid_t child, int socket, enum helper_kind kind)
{
	int word[2] = { -1, -1 };
	if (kind >= ARRAY_SIZE(kinds))
		die("Setup asked for a helper that there is not");
	if (kinds[kind].waits_for_word && pipe2(word, O_CLOEXEC) < 0)
		die_errno(errno, "Can't make a pipe");
	pid_t pid = fork_or_die();
	if (pid == 0) {
		close_fd(&word[1]);
		write_patiently(NULL); /* that is the supervisor's */
		die_first_call(tell_failed, &socket);
		if (kinds[kind].in_groups)
			cgroups_enter_as_helper(run);
		enter_user_namespace(run, child);
		be_helper(run, kind, socket, word[0]);
	}
	close_fd(&word[0]);
	close(socket);
	struct helper *helper = arena_alloc(sizeof(*helper));
	*helper = (struct helper){ .kind = kind, .pid = pid, .word_fd = word[1], .next = helpers };
	helpers = helper;
}

int *helpers_fds(size_t *ret_n)
{
	size_t n = 0, capacity = 0;
	int *fds = NULL;
	for (const struct helper *helper = helpers; helper; helper = helper->next) {
		fds = arena_grow(fds, n, &capacity, sizeof(int));
		fds[n++] = helper->word_fd;
	}
	*ret_n = n;
	return fds;
}

bool helpers_include(pid_t pid)
{
	for (const struct helper *helper = helpers; helper; helper = helper->next)
		if (helper->pid == pid)
			return true;
	return false;
}

void helpers_note_end(pid_t pid, int status)
{
	for (struct helper *helper = helpers; helper; helper = helper->next)
		if (helper->pid == pid) {
			helper->pid = 0;
			helper->status = status;
		}
}

static bool is_fuse(const struct helper *helper)
{
	return helper->kind == HELPER_FUSE_OVERLAYFS;
}

void helpers_urge(bool kill_fuse)
{
	for (const struct helper *helper = helpers; helper; helper = helper->next) {
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

void helpers_wait_for_fuse(bool (*wait)(void))
{
	enum { PATIENCE_MS = 10000 };
	int64_t end_ms = now_ms() + PATIENCE_MS;
	for (const struct helper *helper = helpers; helper; helper = helper->next)
		while (is_fuse(helper) && helper->pid && now_ms() < end_ms && wait())
			;
}

/* fuse-overlayfs ends when the last of the mount is gone; a descriptor that was passed out of the
 * sandbox keeps it. */
static bool has_written_everything(const struct helper *helper)
{
	if (helper->pid)
		say_warning("Can't list changes: fuse-overlayfs is still in use, by a descriptor "
			    "outside of the sandbox");
	return !helper->pid && has_ended_well(helper);
}

static bool wait_for_lister(const struct helper *helper, bool (*wait)(void))
{
	if (!helper->pid) { /* before it was asked for anything */
		if (has_ended_well(helper))
			say_warning("Can't list changes: the process that lists them is gone");
		return false;
	}
	write_all(helper->word_fd, "", 1); /* a lister that is gone shows in its status */
	while (helper->pid && wait())
		;
	return !helper->pid && has_ended_well(helper);
}

bool helpers_list_changes(bool (*wait)(void))
{
	bool done = true;
	for (const struct helper *helper = helpers; helper && done; helper = helper->next)
		if (is_fuse(helper))
			done = has_written_everything(helper);
	for (const struct helper *helper = helpers; helper && done; helper = helper->next)
		if (helper->kind == HELPER_CHANGE_LISTER)
			done = wait_for_lister(helper, wait);
	return done;
}
