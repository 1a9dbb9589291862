/* landlock.c - whom COMMAND may reach: Landlock, and memory that is never executed.
 *
 * The rules are made in setup, while there is a root to look paths up in, and hold in COMMAND's process alone: pid 1 is
 * where signals and sockets of COMMAND's must not lead. A ruleset only handles what an option asked for, so each
 * restricts its own kind; that of paths is the only one of files, and with one of files the kernel allows no mount(2).
 *
 * Must not: take the kernel's word for it. A filter around us may answer in its place.
 */
#include "filter/landlock.h"

#include "filter/filters.h"
#include "plan/given.h"
#include "plan/landlock-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <sys/prctl.h>

enum handled { FILES, NET, SCOPE, N_HANDLED };
struct landlock_kind_row {
	uint8_t abi;
	char linux_version[8]; /* that has it */
	uint8_t handled;
	uint32_t bit;
};
static const struct landlock_kind_row kinds[N_LANDLOCK_KINDS] = {
	[LANDLOCK_CONNECT_TCP] = { 4, "6.7", NET, KERNEL_LANDLOCK_CONNECT_TCP },
	[LANDLOCK_BIND_TCP] = { 4, "6.7", NET, KERNEL_LANDLOCK_BIND_TCP },
	[LANDLOCK_CONNECT_UDP] = { 10, "7.2", NET, KERNEL_LANDLOCK_CONNECT_UDP },
	[LANDLOCK_BIND_UDP] = { 10, "7.2", NET, KERNEL_LANDLOCK_BIND_UDP },
	[LANDLOCK_CONNECT_UNIX] = { 9, "7.1", FILES, KERNEL_LANDLOCK_RESOLVE_UNIX },
	[LANDLOCK_SCOPE_ABSTRACT] = { 6, "6.12", SCOPE, KERNEL_LANDLOCK_SCOPE_ABSTRACT },
	[LANDLOCK_SCOPE_SIGNAL] = { 6, "6.12", SCOPE, KERNEL_LANDLOCK_SCOPE_SIGNAL },
};

static _Noreturn void die_of(const struct landlock_rule *rule, int error)
{
	die_errno(error, "%s: Can't restrict COMMAND", position_text(rule->position));
}

/* The kernel cannot do it. */
static void go_without(const struct plan *plan, const struct landlock_rule *rule, bool has_landlock)
{
	const char *cause = cause_text(has_landlock ? CAUSE_LANDLOCK_OLD : CAUSE_LANDLOCK_MISSING,
				       kinds[rule->kind].linux_version);
	if (!plan->landlock.may_be_missing)
		die("%s: Can't restrict COMMAND%s; --landlock-try goes on without",
		    position_text(rule->position), cause);
	say_warning("%s: COMMAND is not restricted%s", position_text(rule->position), cause);
}

/* ret_can: a bit for each kind that is restricted. -1: nothing is. */
static int make_ruleset(const struct plan *plan, unsigned *ret_can)
{
	uint64_t handled[N_HANDLED] = { 0 };
	long abi = sys_landlock_create_ruleset(NULL, 0, KERNEL_LANDLOCK_VERSION);
	if (abi < 0 && errno != ENOSYS && errno != EOPNOTSUPP)
		die_of(&plan->landlock.rules[0], errno);
	for (enum landlock_kind kind = 0; kind < N_LANDLOCK_KINDS; kind++) {
		const struct landlock_rule *rule = landlock_first(plan, kind);
		if (rule && abi < kinds[kind].abi)
			go_without(plan, rule, abi > 0);
		if (!rule || abi < kinds[kind].abi)
			continue;
		handled[kinds[kind].handled] |= kinds[kind].bit;
		*ret_can |= 1U << kind;
	}
	/* With any right over files the kernel denies moving one to another directory, unless that is allowed. */
	handled[FILES] |= handled[FILES] ? KERNEL_LANDLOCK_REFER : 0;
	if (!*ret_can)
		return -1;
	const struct kernel_landlock_ruleset attributes = { handled[FILES], handled[NET],
							    handled[SCOPE] };
	int fd = sys_landlock_create_ruleset(&attributes, sizeof(attributes), 0);
	if (fd < 0)
		die_of(&plan->landlock.rules[0], errno);
	if (fd <= STDERR_FILENO) /* all of which are open */
		die("%s: Can't restrict COMMAND: a filter around answers in the kernel's place",
		    position_text(plan->landlock.rules[0].position));
	return fd;
}

static void allow_ports(int ruleset_fd, const struct landlock_rule *rule)
{
	for (unsigned port = rule->first_port; port <= rule->last_port; port++) {
		const struct kernel_landlock_port attributes = { kinds[rule->kind].bit, port };
		if (sys_landlock_add_rule(ruleset_fd, KERNEL_LANDLOCK_PORT, &attributes) < 0)
			die_of(rule, errno);
	}
}

static void allow_path(int ruleset_fd, const struct landlock_rule *rule, uint32_t access, int fd)
{
	const struct kernel_landlock_path attributes = { access, fd };
	if (sys_landlock_add_rule(ruleset_fd, KERNEL_LANDLOCK_PATH, &attributes) < 0)
		die_of(rule, errno);
}

void landlock_make(struct run *run,
		   int (*open_path)(const struct run *run, const struct landlock_rule *rule))
{
	const struct landlock_plan *plan = &run->plan->landlock;
	if (!plan->n_rules)
		return;
	unsigned can = 0;
	int ruleset_fd = run->landlock_fd = make_ruleset(run->plan, &can);
	for (size_t i = 0; i < plan->n_rules; i++) {
		const struct landlock_rule *rule = &plan->rules[i];
		AUTO_CLOSE int fd = rule->path ? open_path(run, rule) : -1;
		if (!(can >> rule->kind & 1))
			continue;
		if (kinds[rule->kind].handled == NET)
			allow_ports(ruleset_fd, rule);
		if (rule->path)
			allow_path(ruleset_fd, rule, KERNEL_LANDLOCK_RESOLVE_UNIX, fd);
	}
	if (can >> LANDLOCK_CONNECT_UNIX & 1)
		allow_path(ruleset_fd, landlock_first(run->plan, LANDLOCK_CONNECT_UNIX),
			   KERNEL_LANDLOCK_REFER, run->root.fd);
}

/* A filter sees a number and not what is open there, so it lets both calls pass or none; to the first one, with
 * nothing there, the kernel says EBADF. */
static void restrict_self(const struct landlock_rule *rule, int ruleset_fd)
{
	int copy = fcntl(ruleset_fd, F_DUPFD_CLOEXEC, ruleset_fd + 1);
	if (copy < 0)
		die_of(rule, errno);
	close(ruleset_fd);
	if (sys_landlock_restrict_self(ruleset_fd) >= 0)
		die("%s: Can't restrict COMMAND: a filter around answers in the kernel's place",
		    position_text(rule->position));
	if (dup3(copy, ruleset_fd, O_CLOEXEC) < 0 || sys_landlock_restrict_self(ruleset_fd) < 0)
		die_because(errno, "%s: Can't restrict COMMAND: %s%s",
			    position_text(rule->position), errno_text(errno),
			    errno == E2BIG ? "; 16 restrictions in one another are the most" : "");
	close(copy);
	close(ruleset_fd);
}

void landlock_enforce(const struct run *run)
{
	if (run->landlock_fd < 0)
		return;
	if (landlock_judges_tcp(run->plan))
		filters_guard_tcp(run);
	restrict_self(&run->plan->landlock.rules[0], run->landlock_fd);
}

void mdwe_enforce(const struct plan *plan)
{
	if (!plan->landlock.mdwe)
		return;
	const char *position = position_text(options_position(plan, "--mdwe"));
	if (prctl(KERNEL_PR_SET_MDWE, KERNEL_PR_MDWE_REFUSE_EXEC_GAIN, 0L, 0L, 0L) < 0)
		die_because(errno, "%s: Can't keep written memory from being executed: %s%s",
			    position, errno_text(errno),
			    errno == EINVAL ? cause_text(CAUSE_MDWE_MISSING, NULL) : "");
	if (prctl(KERNEL_PR_GET_MDWE, 0L, 0L, 0L, 0L) != KERNEL_PR_MDWE_REFUSE_EXEC_GAIN)
		die("%s: The kernel reported that written memory is not executed, and it is; nothing was run",
		    position);
}
