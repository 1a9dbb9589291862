/* filters.c - filters in force: the guards of the caller's keys and terminal, the caller's
 * programs, and what the lists and profiles of policy.c come to.
 *
 * What may deny anything comes last: between loading it and exec there is nothing but exec, so it
 * may deny whatever setup needs. The guards deny nothing that setup needs and come as soon as it is
 * clear who needs them. They are read back, by asking for what they deny. Of the others it is made
 * sure that the kernel answers the call that loads them: whatever else asks could itself be what a
 * filter kills.
 */
#include "filter/filters.h"

#include "filter/compose.h"
#include "filter/denied-calls.h"
#include "filter/denied.h"
#include "filter/guards.h"
#include "filter/notify.h"
#include "filter/state.h"
#include "plan/calls.h"
#include "plan/filter-options.h"
#include "plan/plan.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/causes.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "built-profiles.h" /* made by tools/profiles.c */

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

struct late_program {
	size_t length;
	char bytes[BPF_MAXINSNS * sizeof(struct sock_filter) +
		   1]; /* one more shows what is too long */
};

/* ---- the caller's programs ---- */

static bool is_late(const struct plan *plan)
{
	return plan->filter.n_seccomp && !plan->filter.seccomp[0].bytes;
}

void filters_prepare(struct run *run)
{
	if (!is_late(run->plan))
		return;
	struct late_program *program = mmap(NULL, sizeof(*program), PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (program == MAP_FAILED)
		die_errno(errno, "Can't reserve memory for a seccomp program");
	run->filters->late_program = program;
}

void filters_read(struct run *run)
{
	if (!is_late(run->plan))
		return;
	const struct fd_at *at = &run->plan->filter.seccomp[0].at;
	struct late_program *program = run->filters->late_program;
	while (program->length < sizeof(program->bytes)) {
		ssize_t n = read_some(at->fd, program->bytes + program->length,
				      sizeof(program->bytes) - program->length);
		if (n < 0)
			die_errno(errno, "%s: Can't read descriptor %d",
				  position_text(at->position), at->fd);
		if (n == 0)
			break;
		program->length += (size_t) n;
	}
	problem bad = filters_check(at->position, program->bytes, program->length);
	if (bad)
		die("%s", bad);
}

enum { ANSWERED_BY_A_FILTER = -1 };

/* Returns the error; 0 for none. A filter in force, one of the caller's too, may answer in the kernel's
 * place that a program is loaded. It sees the arguments, and not what they point to, so that it lets
 * both of these calls pass or none; the kernel says EINVAL to the first, whose program is empty. */
static int try_load(bool by_prctl, const struct sock_filter *code, size_t n, unsigned long flags)
{
	struct sock_fprog program = { .filter = (struct sock_filter *) (uintptr_t) code };
	for (;;) {
		long result =
			by_prctl ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0)
				 : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
		if (program.len || (result < 0 && errno != EINVAL))
			return result < 0 ? errno : 0;
		if (result >= 0)
			return ANSWERED_BY_A_FILTER;
		program.len = (unsigned short) n;
	}
}

static const char *load_error(int error)
{
	if (error == ANSWERED_BY_A_FILTER)
		return "a filter that is already in force answers in the kernel's place that it is loaded, and it does not hold";
	return arena_printf("%s%s", errno_text(error),
			    error == ENOSYS
				    ? "; this kernel has no seccomp filters, or one forbids more"
			    : error == EACCES || error == EPERM
				    ? "; a filter that is already in force forbids it"
				    : "");
}

static void require_loaded(int error, const char *what)
{
	if (error)
		die_because(error == ANSWERED_BY_A_FILTER ? 0 : error,
			    "%s: Can't load the seccomp program: %s%s", what, load_error(error),
			    error == EINVAL ? "; it is no valid classic BPF for seccomp" : "");
}

/* One of the caller's: by prctl(2) if possible, as bubblewrap does it. An allow list that stands before
 * it may know no seccomp(2). */
static void load_given(const char *bytes, size_t length, struct position position)
{
	/* arena and mmap(2) memory is aligned for it */
	const struct sock_filter *code =
		__builtin_assume_aligned(bytes, _Alignof(struct sock_filter));
	size_t n = length / sizeof(*code);
	int error = try_load(true, code, n, 0);
	if (error && error != ANSWERED_BY_A_FILTER)
		error = try_load(false, code, n, 0);
	require_loaded(error, position_text(position));
}

void filters_load_guards(struct run *run)
{
	struct program guards[N_GUARDS];
	size_t n = guards_list(run, false, guards);
	bool in_composed = run->filters->is_composed && !run->filters->traced;
	if (!n || in_composed || run->filters->guarded)
		return;
	struct program program = n == 1 ? guards[0] : compose_joined(guards, n);
	/* Not for the speculation mitigation's sake: no other call shall become slower. */
	int error = try_load(false, program.code, program.n, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	const char *options = !run->host->has_tty            ? "--allow-keys does"
			      : run->plan->filter.allow_keys ? "--no-tty-guard does"
							     : "--allow-keys and --no-tty-guard do";
	if (error)
		die("Can't keep COMMAND from the caller's %s%s%s: Can't load a seccomp program: %s; %s without",
		    run->plan->filter.allow_keys ? "" : "kernel keys", n == 2 ? " and " : "",
		    run->host->has_tty ? "terminal" : "", load_error(error), options);
	if (!guards_hold(run))
		die("A seccomp program is loaded and does not hold; %s without", options);
	run->filters->guarded = true;
}

/* NULL, or why it is not in force. */
static const char *load_guard(struct program guard, bool (*holds)(void))
{
	int error = try_load(false, guard.code, guard.n, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	return error     ? load_error(error)
	       : holds() ? NULL
			 : "a seccomp program is loaded and does not hold";
}

void filters_guard_tcp(const struct run *run)
{
	const char *why = load_guard(guards_of_tcp(), guards_hold_tcp);
	if (why)
		die("%s: Can't restrict COMMAND: %s%s",
		    position_text(run->plan->landlock.rules[0].position), why,
		    cause_text(CAUSE_TCP_GUARD, NULL));
}

void filters_guard_subvolumes(const struct run *run)
{
	const char *why = run->guards_subvolumes
				  ? load_guard(guards_of_subvolumes(), guards_hold_subvolumes)
				  : NULL;
	if (why)
		die("Can't keep COMMAND from snapshots, on btrfs, of what is masked or protected: %s; --protect-accidents-only does without",
		    why);
}

/* ---- what the lists and profiles come to ---- */

/* In a trace everything that would be denied is notified instead, but clone3 where it makes
 * programs fall back to clone: the policy itself would cost them nothing there. */
static struct rules notified(const struct rules *rules)
{
	struct rules result = { .n = rules->n,
				.items = arena_alloc((rules->n + 1) * sizeof(*rules->items)) };
	for (size_t i = 0; i < rules->n; i++) {
		result.items[i] = rules->items[i];
		if (!policy_is_fallback(&rules->items[i]))
			result.items[i].action = SECCOMP_RET_USER_NOTIF;
	}
	return result;
}

/* `guards` come before whatever may only log, which lets a call pass without asking further. */
static struct program compose(const struct policy *policy, enum filtered whom, bool traced,
			      const struct program *guards, size_t n_guards)
{
	uint32_t native = seccomp_arch_native();
	uint32_t deny_action = traced ? SECCOMP_RET_USER_NOTIF : policy->deny_action;
	bool built = policy_uses_built_profile(policy) && !traced;
	struct policy lists = { .deny = policy->deny, .deny_action = policy->deny_action };
	struct verdicts verdicts = policy_resolve(built ? &lists : policy, whom);
	if (verdicts.bad)
		die("%s", verdicts.bad);
	struct rules layers[N_DENIED_LAYERS];
	policy_split_denied(&verdicts.denied, policy->deny_action, layers);

	struct program parts[2 + N_DENIED_LAYERS + N_GUARDS];
	size_t n = 0;
	if (!built) /* which has one of its own */
		parts[n++] = built_prologue;
	for (size_t i = 0; i < N_DENIED_LAYERS; i++) {
		for (size_t g = 0; i == DENIED_LOGGED && g < n_guards; g++)
			parts[n++] = guards[g];
		if (i == DENIED_LOGGED && built)
			parts[n++] = built_profiles[policy->profile - profiles][whom];
		else if (i == DENIED_LOGGED && verdicts.has_allow_list)
			parts[n++] = compose_allowed(&verdicts.allowed, deny_action, native, false);
		if (traced)
			layers[i] = notified(&layers[i]);
		if (layers[i].n)
			parts[n++] = compose_denied(&layers[i], deny_action, native, false);
	}
	return compose_joined(parts, n);
}

void filters_compose(struct run *run)
{
	const struct policy *policy = &run->plan->filter.policy;
	struct filters *filters = run->filters = arena_alloc(sizeof(*filters));
	if (run->plan->report.denied.fd >= 0) {
		denied_prepare(run);
		filters->notified = denied_program();
	}
	if (!policy_is_given(policy))
		return;
	filters->is_composed = true;
	filters->traced = policy->trace.fd >= 0;
	if (policy->dump.fd >= 0) { /* what the options say, and not what is always there */
		struct program program = compose(policy, FILTER_COMMAND, false, NULL, 0);
		if (!write_all(policy->dump.fd, program.code, program.n * sizeof(*program.code)))
			die_errno(errno, "%s: Can't write to descriptor %d",
				  position_text(policy->dump.position), policy->dump.fd);
		if (policy->dump.fd > STDERR_FILENO)
			close(policy->dump.fd);
	}
	if (filters->traced) { /* one program for both: there can be one listener */
		const struct program both[] = { compose(policy, FILTER_COMMAND, true, NULL, 0),
						filters->notified };
		filters->notified = compose_joined(both, both[1].n ? 2 : 1);
		return;
	}
	struct program guards[N_GUARDS];
	/* every built-in profile denies keys; tools/profiles.c makes no other */
	size_t n = guards_list(run, policy_uses_built_profile(policy), guards);
	filters->programs[FILTER_COMMAND] = compose(policy, FILTER_COMMAND, false, guards, n);
	if (run->shape.topology == RUN_WITH_INIT)
		filters->programs[FILTER_INIT] = compose(policy, FILTER_INIT, false, guards, n);
}

/* ---- loading ---- */

bool filters_are_asked_for(const struct run *run)
{
	return run->plan->filter.n_seccomp || run->filters->is_composed || run->filters->notified.n;
}

/* Behind the caller's own programs, whose author counted on loading some: an allow list, and more
 * so a profile, seldom leaves seccomp(2) to anybody. */
static void load_composed(const struct run *run, enum filtered whom)
{
	const struct program *program = &run->filters->programs[whom];
	unsigned long flags = run->plan->filter.policy.log ? SECCOMP_FILTER_FLAG_LOG : 0;
	require_loaded(try_load(false, program->code, program->n, flags), "seccomp lists");
}

void filters_load(struct run *run, enum filtered whom)
{
	const struct plan *plan = run->plan;
	const struct program *notified = &run->filters->notified;
	filters_load_guards(run);
	if (whom == FILTER_COMMAND && notified->n)
		notify_load(run, notified->code, notified->n);
	for (size_t i = 0; i < plan->filter.n_seccomp; i++) {
		const struct seccomp_source *source = &plan->filter.seccomp[i];
		const char *bytes =
			source->bytes ? source->bytes : run->filters->late_program->bytes;
		size_t length = source->bytes ? source->length : run->filters->late_program->length;
		load_given(bytes, length, source->at.position);
	}
	if (run->filters->is_composed && !run->filters->traced)
		load_composed(run, whom);
}
