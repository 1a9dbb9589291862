/* supervisor.c - the process outside: waits for COMMAND, passes signals on, reports, and dies with its
 * parent.
 *
 * It keeps no capability and no descriptor that it does not need, cannot be looked into from inside
 * (it is not dumpable), and lives as short as it can. A root caller's keeps two capabilities, each
 * only where the end of the sandbox cannot do without: CAP_KILL, for limits without a new user
 * namespace, and CAP_DAC_OVERRIDE, for groups, or stubs without a new user namespace, in a directory that
 * the caller may not write to otherwise. COMMAND is not started before all that is so (MESSAGE_READY).
 *
 * It must never end without its child having ended, or at least been killed, except that pid 1
 * goes on when COMMAND is over.
 */
#include "process/supervisor.h"

#include "limit/cgroup.h"
#include "limit/usage.h"
#include "mount/stub.h"
#include "ns/namespaces.h"
#include "plan/descriptors.h"
#include "plan/given.h"
#include "plan/limit-options.h"
#include "plan/ns-options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "process/deadline.h"
#include "process/descendants.h"
#include "process/end.h"
#include "process/forward.h"
#include "process/helpers.h"
#include "process/lifeline.h"
#include "process/looker.h"
#include "process/outer-init.h"
#include "process/passages.h"
#include "process/protocol.h"
#include "process/relay.h"
#include "process/report.h"
#include "process/signals.h"
#include "process/state.h"
#include "process/verdict.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>

enum { MOST_AT_ONCE = 256 }; /* of those that may come faster than they can be reaped */

static void learn_terminal(struct supervisor *self)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && self->terminal < 0; fd++)
		if (isatty(fd) && tcgetsid(fd) == getsid(0) && tcgetpgrp(fd) == getpgrp())
			self->terminal = fd;
}

/* When this process dies: it kills before it speaks. */
static void end_all(void *argument, const struct failure *failure)
{
	struct run *run = argument;
	struct supervisor *self = run->supervisor;
	relay_abandon(run);
	if (!self->is_over && self->child)
		end_and_remove(run);
	else if (!self->is_over)
		cgroups_remove(run);
	passages_abandon(run);
	if (failure->exit_status == EXIT_TIMED_OUT)
		report_timeout(run);
	/* What the sandbox has said before is the cause. */
	report_failure(run, self->failure
				    ? self->failure
				    : &(struct told_failure){ .failure = *failure, .stage = -1 });
	if (run->supervisor->asked_by)
		end_leave_by(run, run->supervisor->asked_by);
}

void supervisor_prepare(struct run *run)
{
	struct supervisor *self = run->supervisor = arena_alloc(sizeof(*self));
	self->lifeline_fd = self->parent_pidfd = self->going_fd = self->socket = -1;
	self->command_pidfd = self->terminal = -1;
	self->relay_socket = -1;
	die_first_call(end_all, run);
	end_require_own_proc(run);
	learn_terminal(self);
	self->signals = signals_block(run);
	deadline_set(run);
	lifeline_watch(run);
	passages_prepare(run);
	if (end_must_find_the_rest(run) || run->plan->ns.pidns.fd >= 0)
		self->earlier = descendants_find(run->host->proc_fd);
	if (end_must_find_the_rest(run) && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		die_errno(errno, "Can't become the one who finds what COMMAND leaves behind");
}

static int exit_code_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Ours, or COMMAND as one. */
static bool has_pid_1(const struct run *run)
{
	return run->plan->command.as_pid_1 || run->shape.topology == RUN_WITH_INIT;
}

static void drop_privilege(struct run *run)
{
	const struct plan *plan = run->plan;
	const struct supervisor *self = run->supervisor;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		die_errno(errno, "Can't protect the supervisor from COMMAND");
	uint64_t permitted, effective, ambient;
	caps_of_process(&permitted, &effective, &ambient);
	/* Who made a user namespace has every capability over it from outside (user_namespaces(7)).
	 * Without one a root caller's COMMAND may become a user whom only CAP_KILL can still end. */
	bool may_lose_it = run->shape.ends_with_command && !run->shape.user_namespace;
	bool may_not_write =
		cgroups_are_in_closed(run) || (run->shape.stub_for && !run->shape.user_namespace);
	bool looks = plan->report.denied.fd >= 0 && !run->shape.user_namespace;
	uint64_t needed = (may_lose_it ? CAP_BIT(CAP_KILL) : 0) |
			  (may_not_write ? CAP_BIT(CAP_DAC_OVERRIDE) : 0) |
			  (looks ? CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH) : 0);
	if (permitted)
		caps_drop_all_but(permitted & needed);
	const int ours[] = { self->socket,
			     signals_fd(self->signals),
			     self->lifeline_fd,
			     self->parent_pidfd,
			     relay_fd(run),
			     run->shape.ends_with_command || run->shape.new_session ||
					     has_pid_1(run) || plan->ns.pidns.fd >= 0
				     ? run->host->proc_fd
				     : -1 };
	size_t n_helpers;
	const int *helper_fds = helpers_fds(run, &n_helpers);
	size_t n_sync =
		plan->command.as_pid_1 ? plan->report.sync.n : 0; /* otherwise pid 1 holds them */
	int *keep = arena_alloc(
		(ARRAY_SIZE(ours) + n_sync + plan->n_fds + n_helpers + CGROUPS_MOST_FDS) *
		sizeof(int));
	memcpy(keep, ours, sizeof(ours));
	if (n_helpers)
		memcpy(keep + ARRAY_SIZE(ours), helper_fds, n_helpers * sizeof(int));
	size_t n_keep = ARRAY_SIZE(ours) + n_helpers;
	for (size_t i = 0; i < n_sync; i++)
		keep[n_keep++] = plan->report.sync.items[i].fd;
	n_keep += fds_with_trait(plan, SUPERVISOR_WRITES | SUPERVISOR_WAITS, keep + n_keep);
	if (!close_all_except(keep, n_keep + cgroups_fds(run, keep + n_keep)))
		die_errno(errno, "Can't close the descriptors that the supervisor must not have");
	helpers_start_guard(run);
	channel_send_unless_gone(self->socket, MESSAGE_READY);
}

static enum phase phase_of(const struct supervisor *self)
{
	return self->started ? PHASE_STARTED : self->takes_helpers ? PHASE_PIN : PHASE_PREPARE;
}

/* The caller has got all that setup told, and setup waits for that. */
static void let_setup_go_on(struct supervisor *self)
{
	self->waits_for_maps = false;
	channel_send_unless_gone(self->socket, MESSAGE_REPORTED);
}

static void hear_namespaces(struct run *run, const struct message *message)
{
	struct supervisor *self = run->supervisor;
	memcpy(run->ns_ids, message->numbers, sizeof(run->ns_ids));
	report_namespaces(run, self->child);
	close_consumed(run->plan->report.info.fd);
	self->waits_for_maps = run->plan->report.userns_block.fd >= 0;
	if (!self->waits_for_maps)
		let_setup_go_on(self);
}

/* Where /proc is that of another pid namespace the number is, too. */
static void hear_going(struct run *run, const struct message *message, int going_fd)
{
	struct supervisor *self = run->supervisor;
	if (self->userns_id) { /* the first one counts */
		close_fd(&going_fd);
		return;
	}
	self->going_fd = going_fd;
	self->userns_id = message->numbers[GOING_USERNS];
	self->command = run->shape.topology == RUN_SUPERVISED ? self->child
			: procfile_shows_own_pids(run->host->proc_fd)
				? (pid_t) message->numbers[GOING_PID]
				: 0;
}

static void hear_terminal(struct run *run, const struct message *message, int master)
{
	if (!relay_is_due(run))
		protocol_refuse(message);
	relay_start(run, master);
	relay_await_ready(run, end_await);
	drop_privilege(run);
}

/* Takes the descriptor over. */
static void hear_message(struct run *run, const struct message *message, int attached_fd,
			 const char *words)
{
	struct supervisor *self = run->supervisor;
	protocol_check(message, attached_fd, phase_of(self));
	switch (message->kind) {
	case MESSAGE_NAMESPACES:
		hear_namespaces(run, message);
		break;
	case MESSAGE_START_HELPER:
		helpers_start(run, (enum helper_kind) message->value, attached_fd);
		break;
	case MESSAGE_PINNED:
		self->takes_helpers = false;
		if (!relay_is_due(run))
			drop_privilege(run);
		break;
	case MESSAGE_TERMINAL:
		hear_terminal(run, message, attached_fd);
		break;
	case MESSAGE_STEPPED_DOWN:
		report_step_down(run, message->value, message->numbers[0]);
		break;
	case MESSAGE_STARTING:
		self->started = true;
		self->command_pidfd = attached_fd;
		if (run->shape.new_session)
			forward_learn_session(run);
		relay_go_on(run);
		passages_tell_lost(run);
		break;
	case MESSAGE_LISTENER:
		looker_begin(run, attached_fd);
		break;
	case MESSAGE_GOING:
		hear_going(run, message, attached_fd);
		break;
	case MESSAGE_STUB_NAME:
	case MESSAGE_STUB_PLACE:
	case MESSAGE_STUB_LOCK:
		stubs_hear(run, message, attached_fd);
		break;
	case MESSAGE_NOT_STARTED:
		self->not_started = true;
		report_hear_failure(run, message, words);
		break;
	case MESSAGE_ENDED:
	case MESSAGE_ALL_ENDED:
		self->ended = true;
		self->init_ends = message->kind == MESSAGE_ALL_ENDED;
		self->status = message->value;
		break;
	}
}

/* False when the other side is gone. */
static bool hear_messages(struct run *run)
{
	struct message message;
	int heard = -1, attached_fd;
	struct supervisor *self = run->supervisor;
	while (!self->ended && (heard = channel_receive_words(self->socket, false, &message,
							      &attached_fd, self->words)) > 0)
		hear_message(run, &message, attached_fd, self->words);
	return heard < 0;
}

/* The end of file of what exec closes: it was, or whoever was to do it has ended. */
static void hear_of_exec(struct run *run)
{
	struct supervisor *self = run->supervisor;
	struct pollfd exec = { .fd = self->going_fd };
	if (poll(&exec, 1, 0) <= 0)
		return;
	hear_messages(run);
	close_fd(&self->going_fd);
	if (self->started && !self->not_started)
		report_started(run);
}

/* How long poll(2) may sleep. */
static int ms_to_sleep(const struct run *run)
{
	const struct supervisor *self = run->supervisor;
	int64_t due_ms = looker_due_ms(run);
	if (self->deadline_ms && self->deadline_ms < due_ms)
		due_ms = self->deadline_ms;
	int64_t left = due_ms < INT64_MAX ? due_ms - now_ms() : INT64_MAX;
	/* While it listens it will hear of the start, and has nothing to give back before. */
	bool may_settle = !self->settled && (self->started || !self->listens);
	if (may_settle && left > RELEASE_AFTER_MS)
		left = RELEASE_AFTER_MS;
	return self->may_reap_more || left < 0 ? 0
	       : left == INT64_MAX             ? -1
	       : left > INT_MAX                ? INT_MAX
					       : (int) left;
}

/* Whether setup asks for something, or pid 1 tells the end: otherwise what is sent only says how
 * far it is, and is read when that matters. To be woken for it costs both sides more than the rest of
 * the message. */
static bool must_listen(const struct run *run)
{
	const struct plan *plan = run->plan;
	return run->shape.topology == RUN_WITH_INIT || plan->report.info.fd >= 0 ||
	       plan->report.json_status.fd >= 0 || plan->filter.policy.trace.fd >= 0 ||
	       plan->report.denied.fd >= 0 || run->supervisor->takes_helpers ||
	       run->host->terminal.replaced || run->shape.stub_for;
}

static _Noreturn void end_with_setup(const struct run *run, const struct usage *usage, int status)
{
	const char *position = limits_position(run->plan, "memory.max");
	if (run->supervisor->timed_out)
		end_of_time(run);
	if (usage->oom_kills > 0)
		die("Setup was ended by the kernel: the memory that %s allows is not enough to start",
		    position ? position
		    : run->plan->limit.cgroup
			    ? position_text(options_position(run->plan, "--cgroup"))
			    : "the group");
	report_not_started(run, status);
	run_end_with_setup(run, status);
}

/* When nobody else is left in its namespace: its own end, in which the kernel takes the sandbox's mounts apart, matters to
 * those only who count, list or remove afterwards, or see by a lock, a descriptor or its number that the sandbox is gone. */
static bool may_leave_init(const struct run *run)
{
	const struct shape *shape = &run->shape;
	const struct report_plan *report = &run->plan->report;
	return !shape->ends_with_command ||
	       (shape->pid_namespace && !shape->stub_for && !run->cgroups &&
		!overlay_lists_changes(run->plan) && report->json_status.fd < 0 &&
		report->info.fd < 0 && report->pidfd_socket.fd < 0 && !report->n_lock_files &&
		!report->sync.n);
}

/* The end of everything that ends with COMMAND. False: it, or a list of changes, is not whole. */
static bool end_with_command(struct run *run, bool started, int status, struct usage *usage)
{
	bool lists_changes = overlay_lists_changes(run->plan), listed = true;
	bool all_ended = end_sandbox(run);
	if (all_ended)
		end_remove_stubs(run);
	if (run->cgroups || lists_changes)
		helpers_wait_for_fuse(run, end_is_list_wanted);
	if (!started || (run->cgroups && status) || run->plan->report.json_status.fd >= 0)
		usage_read(run, usage);
	if (started && lists_changes)
		listed = helpers_list_changes(run, end_is_list_wanted);
	cgroups_remove(run);
	return listed && all_ended;
}

/* What has ended by now, helpers, too: before COMMAND, whose end that may be the reason of. */
static void take_the_ended(const struct run *run)
{
	int status;
	for (int n = 0; n < MOST_AT_ONCE && end_take_status(run, &status) > 0; n++)
		;
}

static _Noreturn void finish(struct run *run, int status)
{
	enum { PATIENCE_MS = 1000 };
	struct supervisor *self = run->supervisor;
	take_the_ended(run);
	self->is_over = true;
	passages_cut_network(run);
	signals_take(self->signals); /* what came until now was for COMMAND */
	struct usage usage = { 0 };
	bool started = self->started && !self->not_started, done = true;
	if (run->last_resort_ms && now_ms() >= run->last_resort_ms && !self->ended)
		self->timed_out = self->killed = true; /* by pid 1, while we were stopped */
	bool leaves_init = self->init_ends && may_leave_init(run);
	if (leaves_init && self->init_is_ours)
		end_await_child(run, PATIENCE_MS);
	if (run->shape.ends_with_command && !leaves_init)
		done = end_with_command(run, started, status, &usage);
	if (self->silent_ms && self->silent_ms < now_ms() + PATIENCE_MS)
		self->silent_ms = now_ms() + PATIENCE_MS;
	relay_finish(run, end_is_list_wanted);
	looker_finish(run);
	passages_finish(run, end_is_list_wanted);
	if (!started)
		end_with_setup(run, &usage, status);
	int exit_code = self->killed      ? EXIT_KILLED
			: self->timed_out ? EXIT_TIMED_OUT
					  : exit_code_of(status);
	run_tell(run,
		 WIFSIGNALED(status) ? "COMMAND was ended by signal %d"
				     : "COMMAND ended with status %d",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	hear_of_exec(run);
	if (self->timed_out)
		report_timeout(run);
	report_end(run, status);
	if (run->shape.ends_with_command)
		report_usage(run, &usage, verdict_word(run, &usage, status));
	report_exit(run, exit_code);
	verdict_tell(run, &usage, status);
	if (done && WIFSIGNALED(status) && !self->timed_out)
		end_leave_by(run, WTERMSIG(status));
	end_leave(run, done ? exit_code : self->cut_short ? self->cut_short : die_status());
}

static void let_maps_pass(const struct run *run)
{
	if (!wait_for_byte(run->plan->report.userns_block.fd))
		die_errno(errno, "%s: Can't read descriptor %d",
			  position_text(run->plan->report.userns_block.position),
			  run->plan->report.userns_block.fd);
	let_setup_go_on(run->supervisor);
}

/* Others than the child are intermediate processes of split.c, or lost their parents: they must not keep us from
 * looking at the time. */
static bool reap_until_child(const struct run *run, int *ret_status)
{
	struct supervisor *self = run->supervisor;
	bool had_child = self->child > 0;
	pid_t pid = 1;
	for (int n = 0; n < MOST_AT_ONCE && pid > 0; n++) {
		pid = end_take_status(run, ret_status);
		if (had_child && !self->child)
			return true;
	}
	self->may_reap_more = pid > 0;
	return false;
}

static void begin(struct run *run, pid_t child, int socket)
{
	struct supervisor *self = run->supervisor;
	self->child = child;
	self->socket = socket;
	bool has_timer = write_patiently(end_may_go_on_writing, self);
	host_forget_environment(run->host, run->plan); /* helpers are born with what is left */
	if (!has_timer)
		deadline_note_no_timer(run);
	if (has_pid_1(run)) {
		AUTO_CLOSE int pidfd = sys_pidfd_open(child, 0);
		self->child_in_proc = procfile_pid_of(run->host->proc_fd, pidfd);
	}
	passages_start(run);
	self->takes_helpers = helpers_may_be_asked_for(run->plan);
	/* Otherwise once all helpers have been started. */
	if (!self->takes_helpers && !relay_is_due(run))
		drop_privilege(run);
	if (run->shape.topology == RUN_WITH_INIT && may_leave_init(run))
		self->init_is_ours = outer_init_may_reap_nobody(run);
	cgroups_sweep(run); /* while the sandbox is being set up, which need not wait for it */
	self->listens = must_listen(run);
	if (run->plan->report.json_status.fd >= 0)
		self->words = arena_alloc(WORDS_CAPACITY + 2);
}

/* The parent is gone, or --die-with-fd's, and so is everything. */
static _Noreturn void end_with_lifeline(struct run *run)
{
	enum { AWAKE_MS = 200 };
	const struct supervisor *self = run->supervisor;
	hear_messages(run); /* of a start, that nobody has listened for */
	/* COMMAND may stop us once more before it is over, and nobody continues us then. */
	signals_wake_at(now_ms() + AWAKE_MS, AWAKE_MS);
	end_and_remove(run);
	if (!self->started || self->not_started)
		end_of_lifeline(run);
	hear_of_exec(run);
	report_end(run, SIGKILL);
	report_exit(run, EXIT_KILLED);
	end_leave(run, EXIT_KILLED);
}

void supervisor_run(struct run *run, pid_t child, int socket)
{
	enum { N_OWN_EVENTS = 6 };
	bool connected = true;
	struct supervisor *self = run->supervisor;
	begin(run, child, socket);
	for (;;) {
		struct pollfd events[] = {
			{ .fd = signals_fd(self->signals), .events = POLLIN },
			{ .fd = connected && self->listens ? socket : -1, .events = POLLIN },
			{ .fd = self->lifeline_fd, .events = POLLIN },
			{ .fd = self->waits_for_maps ? run->plan->report.userns_block.fd : -1,
			  .events = POLLIN },
			{ .fd = self->going_fd },
			{ .fd = self->untold.length ? run->plan->report.json_status.fd : -1,
			  .events = POLLOUT },
			[N_OWN_EVENTS + LOOKER_EVENTS - 1] = { 0 },
		};
		looker_poll(run, events + N_OWN_EVENTS);
		int n_ready = poll(events, ARRAY_SIZE(events), ms_to_sleep(run));
		if (n_ready < 0 && errno != EINTR)
			die_errno(errno, "Can't wait for the sandbox");
		if (events[2].revents)
			end_with_lifeline(run);
		if (connected && (events[1].revents || !self->listens))
			connected = hear_messages(run);
		if (n_ready == 0 && !self->settled) {
			if (self->started)
				release_pages();
			self->settled = self->started;
			self->listens = true; /* setup is slow */
		}
		if (events[3].revents)
			let_maps_pass(run);
		looker_hear(run, events + N_OWN_EVENTS);
		if (events[4].revents)
			hear_of_exec(run);
		if (events[5].revents)
			report_untold(run, 0);
		if (self->ended)
			finish(run, self->status);
		if (events[0].revents)
			forward_signals(run);

		int status;
		if (reap_until_child(run, &status)) {
			if (connected)
				hear_messages(run);
			finish(run, self->ended ? self->status : status);
		}
		helpers_require_guard(run);
		if (self->is_hung_up)
			forward_hangup(run);
		if (self->deadline_ms && now_ms() >= self->deadline_ms && !deadline_take_step(run))
			finish(run, SIGKILL);
	}
}
