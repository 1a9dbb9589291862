/* bwrapish - a sandbox that a normal user composes from command-line flags.
 *
 * HACKING.md has the map of the folders. This file is the story: main(), and what each process does, in order.
 */
#include "check/check.h"
#include "check/trial.h"
#include "filter/filters.h"
#include "limit/cgroup.h"
#include "mount/build.h"
#include "mount/newroot.h"
#include "ns/clocks.h"
#include "ns/idmap.h"
#include "ns/mapper.h"
#include "ns/namespaces.h"
#include "ns/pasta.h"
#include "ns/second-userns.h"
#include "plan/command-options.h"
#include "plan/explain.h"
#include "plan/mistakes.h"
#include "plan/options.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "process/command.h"
#include "process/end.h"
#include "process/helpers.h"
#include "process/init.h"
#include "process/report.h"
#include "process/split.h"
#include "process/supervisor.h"
#include "process/tell.h"
#include "run/entries.h"
#include "run/foresee.h"
#include "run/run.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define COMPATIBLE_WITH "0.13.1" /* the bubblewrap whose command line this is */

/* ---- 2 read, 3 check ---- */

static bool read_and_close(int fd, char **ret_bytes, size_t *ret_length)
{
	bool done = read_all(fd, SIZE_MAX / 4, ret_bytes, ret_length);
	close_fd(&fd);
	return done;
}

/* Before the line is read, as behind a fault of it, --exit-codes may stand all the same. */
static void find_exit_codes(void *argument, const struct failure *failure)
{
	(void) failure;
	if (command_options_ask_for_env_codes(argument))
		die_set_status(EXIT_SETUP);
}

static _Noreturn void print_and_exit(const char *text)
{
	_exit(write_all(STDOUT_FILENO, text, strlen(text)) ? 0 : die_status());
}

static void read_and_check(int argc, char **argv, struct host *host, struct plan *plan,
			   struct run *run)
{
	const char *program = argc > 0 ? argv[0] : "bwrapish";
	enum reading reading = READ_NOTHING;
	static const struct option_io io = { host_is_open_by_caller, fd_has_end, fd_is_writable,
					     read_and_close };
	problem bad = options_read(argc, argv, &io, plan, &reading);
	say_set_levels(plan->level_prefix);
	if (plan->command.exit_codes == EXIT_CODES_ENV ||
	    (bad && command_options_ask_for_env_codes(argv)))
		die_set_status(EXIT_SETUP);
	die_first_call(report_early_failure, run);
	problem two = check_question(plan);
	if (two)
		die("%s", two);
	if (bad && check_is_asked_for(plan))
		check_refuse(plan, STAGE_READ, bad);
	if (bad)
		die("%s", bad);
	for (size_t i = 0; i < plan->n_warnings && !check_is_asked_for(plan); i++)
		say_warning("%s", plan->warnings[i]);
	switch (reading) {
	case READ_HELP:
		print_and_exit(options_help(program));
	case READ_VERSION:
		print_and_exit(host->as_bwrap ? "bubblewrap " COMPATIBLE_WITH
						" (bwrapish " BWRAPISH_VERSION ")\n"
					      : "bwrapish " BWRAPISH_VERSION "\n");
	case READ_NOTHING: {
		if (check_is_asked_for(plan) && mistakes_took_command(plan, argc, argv))
			check_refuse(plan, STAGE_READ, mistakes_no_command(plan, argc, argv));
		if (check_is_asked_for(plan))
			break;
		const char *help = host->as_bwrap ? options_help(program) : options_usage(program);
		if (host->as_bwrap || argc <= 1)
			write_all(STDERR_FILENO, help, strlen(help));
		if (argc > 1)
			die("%s", mistakes_no_command(plan, argc, argv));
		_exit(die_status());
	}
	case READ_PLAN:
		break;
	}
	run_tell_stage(run, STAGE_CHECK);
	if (plan->command.listen_fds)
		host_learn_listen_fds(host, plan);
	bad = plan_check(plan, &host->caller, &run->shape);
	if (bad && check_is_asked_for(plan))
		check_refuse(plan, STAGE_CHECK, bad);
	if (bad)
		die("%s", bad);
	if (plan->dry_run || plan->verbose)
		foresee(run);
	if (plan->dry_run) {
		struct text text = { 0 };
		plan_explain(plan, &run->shape, &host->caller, &text);
		print_and_exit(text.bytes);
	}
}

/* ---- the sandbox, from within ---- */

/* The last steps, in whatever process COMMAND is to be executed. */
static _Noreturn void become_command(struct run *run)
{
	run_tell_stage(run, STAGE_PREPARE);
	command_prepare(run);
	if (run->shape.topology == RUN_WITH_INIT)
		init_await_leave(run);
	second_userns_assert_none(run);
	if (run->plan->rehearses)
		trial_rehearse_exec(run);
	command_go(run);
}

/* What is told of the sandbox where the second user namespace has to be there first. */
static void tell_late(struct run *run)
{
	if (!run->shape.info_late)
		return;
	tell_namespaces(run);
	tell_steps_down(run);
}

/* Where setup's process becomes COMMAND. */
static void lock(struct run *run)
{
	filters_prepare(run);
	command_make_environment(run);
	second_userns_enter(run);
	tell_late(run);
	command_wait(run);
	filters_read(run);
}

static _Noreturn void be_init(struct run *run)
{
	if (init_follow(run)) {
		/* The reported child-pid is this process: callers who attach to it have to find
		 * COMMAND's namespaces. */
		tell_late(run);
		command_wait(run);
		filters_read(run);
	}
	init_live(run);
}

/* Where it becomes pid 1. Returns in COMMAND's process. */
static void lock_with_init(struct run *run)
{
	init_take_locks(run);
	filters_prepare(run);
	if (!run->shape.second_namespaces) { /* otherwise they are waited for in pid 1 */
		command_wait(run);
		filters_read(run);
	}
	command_make_environment(run);
	filters_load_guards(run); /* once for both processes */
	init_lend(run, become_command);
	if (!init_split(run))
		be_init(run);
	init_lead(run, second_userns_enter(run));
}

/* What becomes the sandbox does, in whatever process it is. */
static _Noreturn void be_sandbox(struct run *run)
{
	const struct plan *plan = run->plan;
	if (run->shape.dies_with_supervisor && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		die_errno(errno, "Can't arrange to die with the parent");

	run_tell_stage(run, STAGE_BECOME);
	ns_verify(run);
	if (plan->ns.userns.fd < 0) /* otherwise it was made as soon as that was joined */
		clocks_enter(run, -1);
	if (!run->shape.info_late)
		tell_namespaces(run);
	idmap_become(run);
	ns_furnish(run, run->shape.namespaces);
	entries_end(run, false);
	ns_part_from_host(run);
	command_new_keyring(run);

	run_tell_stage(run, STAGE_PIN);
	helpers_choose_starter(run);
	pasta_start(run);
	newroot_pin(run);
	tell_pinned(run);
	if (!run->shape.info_late)
		tell_steps_down(run);
	command_set_label(run, "fscreate", "--file-label", plan->root.file_label);
	run_tell_stage(run, STAGE_MOVE_IN);
	newroot_enter(run);
	entries_end(run, true);
	run_tell_stage(run, STAGE_BUILD);
	build_root(run);
	tell_terminal(run);
	entries_await_ready(run);
	pasta_await(run);
	tell_and_await_ready(run);

	run_tell_stage(run, STAGE_LOCK);
	command_make_rules(run);
	if (run->shape.topology == RUN_WITH_INIT)
		lock_with_init(run);
	else
		lock(run);
	become_command(run);
}

static _Noreturn void carry_out(struct host *host, struct plan *plan, struct run *run)
{
	run_tell_stage(run, STAGE_SPLIT);
	host_learn(host, plan);
	mapper_start(run);
	host_forbid_privilege();
	command_check_labels(plan);
	command_check_pidfd_socket(plan);
	filters_compose(run);

	if (run->shape.topology == RUN_ALONE) {
		ns_enter_in_place(run);
		be_sandbox(run);
	}
	supervisor_prepare(run);
	cgroups_make(run, end_await);
	int socket;
	pid_t child = split_off(run, &socket);
	if (child > 0)
		supervisor_run(run, child, socket);
	be_sandbox(run);
}

int main(int argc, char **argv, char **envp)
{
	struct host host = { 0 };
	struct plan plan = { 0 };
	struct run run = { .plan = &plan,
			   .host = &host,
			   .supervisor_fd = -1,
			   .lifeline_fd = -1,
			   .going_fd = -1,
			   .pasta_fd = -1,
			   .landlock_fd = -1,
			   .root.fd = -1,
			   .pty = { -1, -1 },
			   .carrier_fds = { { -1, -1 }, { -1, -1 } } };

	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	bool as_bwrap = argc > 0 && streq(slash ? slash + 1 : argv[0], "bwrap");
	say_set_prefix(as_bwrap ? "bwrap" : "bwrapish");

	die_first_call(find_exit_codes, argv);
	host.as_bwrap = as_bwrap;
	host_arrive(&host, argv, envp);
	read_and_check(argc, argv, &host, &plan, &run);
	if (check_is_asked_for(&plan))
		check_carry_out(&host, &plan, &run, carry_out);
	carry_out(&host, &plan, &run);
}
