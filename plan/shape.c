/* shape.c - what follows from a plan and its caller, and what makes the two sound.
 *
 * Pure: everything is decided from the plan and the caller's facts; no system call, no exit.
 */
#include "plan/shape.h"

#include "plan/calls.h"
#include "plan/options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "sys/capabilities.h"
#include "utils.h"

#include <sched.h>
#include <string.h>

static void choose_caps(const struct plan *plan, const struct caller *caller, struct shape *shape)
{
	uint64_t all = UINT64_MAX >> (63 - caps_last());
	shape->caps = caller->uid == 0 ? caller->permitted_caps : 0;
	for (size_t i = 0; i < plan->command.n_cap_ops; i++) {
		const struct cap_op *op = &plan->command.cap_ops[i];
		uint64_t bits = op->cap < 0 ? all : UINT64_C(1) << op->cap;
		shape->caps = op->add ? shape->caps | bits : shape->caps & ~bits;
		shape->ambient_caps =
			op->add ? shape->ambient_caps | bits : shape->ambient_caps & ~bits;
	}
	if (!shape->user_namespace &&
	    plan->ns.userns.fd < 0) { /* "ALL" is all that the caller has */
		shape->caps &= caller->permitted_caps;
		shape->ambient_caps &= caller->permitted_caps;
	}
}

bool plan_has_op(const struct plan *plan, enum op_kind kind)
{
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (plan->root.ops[i].kind == kind)
			return true;
	return false;
}

/* No process that nobody needs: each reason here is something that outlives setup. */
static void choose_topology(const struct plan *plan, const struct caller *caller,
			    struct shape *shape)
{
	const struct {
		bool asked;
		enum topology topology;
		const char *option;
	} reasons[] = {
		{ plan->ns.unshare_pid && !plan->command.as_pid_1, RUN_WITH_INIT, "--unshare-pid" },
		{ plan->report.n_lock_files > 0, RUN_WITH_INIT, "--lock-file" },
		{ plan->report.sync.n > 0 && !plan->command.as_pid_1, RUN_WITH_INIT, "--sync-fd" },
		{ plan->command.as_pid_1, RUN_SUPERVISED, "--as-pid-1" },
		{ plan->ns.pidns.fd >= 0, RUN_SUPERVISED, "--pidns" },
		{ overlay_lists_changes(plan), RUN_SUPERVISED, "--overlay-changes" },
		{ plan->report.json_status.fd >= 0, RUN_SUPERVISED, "--json-status-fd" },
		{ plan->command.die_with_parent, RUN_SUPERVISED, "--die-with-parent" },
		{ plan->limit.timeout_ms > 0, RUN_SUPERVISED, "--timeout" },
		{ plan->limit.n_limits > 0, RUN_SUPERVISED,
		  plan->limit.n_limits ? plan->limit.limits[0].position.option : NULL },
		{ plan->limit.cgroup, RUN_SUPERVISED, "--cgroup" },
		{ plan->filter.policy.trace.fd >= 0, RUN_SUPERVISED, "--seccomp-trace" },
		/* setsid(2): EPERM for the leader of a process group, so its child does it */
		{ plan->command.new_session && caller->is_group_leader, RUN_SUPERVISED,
		  "--new-session" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (!reasons[i].asked)
			continue;
		shape->topology = reasons[i].topology;
		shape->topology_reason = reasons[i].option;
		return;
	}
}

struct shape plan_shape(const struct plan *plan, const struct caller *caller)
{
	struct shape shape = {
		.pid_namespace = plan->ns.unshare_pid,
		.new_proc = plan->ns.unshare_pid || plan->ns.pidns.fd >= 0,
		.inner_uid = plan->ns.has_uid ? plan->ns.inner_uid : caller->uid,
		.inner_gid = plan->ns.has_gid ? plan->ns.inner_gid : caller->gid,
		.namespaces = CLONE_NEWNS,
	};
	choose_topology(plan, caller, &shape);
	shape.ends_with_command = plan->limit.timeout_ms > 0 || plan->limit.n_limits ||
				  plan->limit.cgroup || overlay_lists_changes(plan);
	shape.dies_with_supervisor = plan->command.die_with_parent || shape.ends_with_command;

	bool may_deny_init = plan->filter.n_seccomp && shape.topology == RUN_WITH_INIT;
	shape.has_guard =
		shape.pid_namespace && ((plan->command.as_pid_1 && shape.dies_with_supervisor) ||
					(plan->command.die_with_parent && may_deny_init));

	bool joins = plan->ns.userns.fd >= 0;
	shape.user_namespace = !joins && (plan->ns.unshare_user != WANT_NO || !caller->may_mount);
	shape.user_namespace_optional =
		shape.user_namespace && plan->ns.unshare_user == WANT_TRY && caller->may_mount;

	choose_caps(plan, caller, &shape);

	/* The second level protects pid 1 from COMMAND, setup's mounts from COMMAND's capabilities,
	 * or counts against the limit of --disable-userns. --userns2 is a second level of the
	 * caller's own. Who joins a namespace wants to be in that very one, so there only
	 * capabilities that were asked for count. */
	bool caps_in_sandbox =
		(shape.caps && shape.user_namespace) || (shape.ambient_caps && joins);
	shape.inner_required =
		plan->ns.userns2.fd < 0 && (caps_in_sandbox || plan->ns.disable_userns);
	shape.inner_level =
		shape.inner_required || (plan->ns.userns2.fd < 0 && shape.user_namespace &&
					 shape.topology == RUN_WITH_INIT);

	unsigned long own = (plan->ns.unshare_net ? CLONE_NEWNET : 0) |
			    (plan->ns.unshare_uts ? CLONE_NEWUTS : 0) |
			    (plan->ns.unshare_ipc ? CLONE_NEWIPC : 0);
	if (shape.inner_required && caps_in_sandbox) {
		/* With its own copy of the mount namespace setup's mounts are locked
		 * (mount_namespaces(7)); the others are made there too, so that the capabilities
		 * are good for something. A message queue mount belongs to the namespace it was
		 * made in, which then has to be the first level's. */
		unsigned long inner =
			plan_has_op(plan, OP_MQUEUE) ? own & ~(unsigned long) CLONE_NEWIPC : own;
		shape.inner_namespaces = CLONE_NEWNS | inner;
		own &= ~inner;
	}
	shape.namespaces |= own | (shape.user_namespace ? CLONE_NEWUSER : 0) |
			    (plan->ns.unshare_pid ? CLONE_NEWPID : 0) |
			    (plan->ns.unshare_cgroup != WANT_NO ? CLONE_NEWCGROUP : 0);
	shape.info_late = shape.inner_namespaces && plan->report.userns_block.fd < 0;
	return shape;
}

/* ---- checking ---- */

static problem refuse(const struct plan *plan, const char *option, const char *why)
{
	return arena_printf("%s: %s", position_text(options_position(plan, option)), why);
}

static problem check_limits(const struct plan *plan)
{
	if (!plan->limit.timeout_ms && options_given(plan, "--kill-after"))
		return refuse(plan, "--kill-after", "needs --timeout");
	/* An orphan goes to the first process of its own pid namespace; one that was joined is not
	 * ours to end. */
	bool has_group = plan->limit.cgroup;
	for (size_t i = 0; i < plan->limit.n_limits; i++)
		has_group |= !plan->limit.limits[i].optional;
	if (plan->limit.timeout_ms && !has_group && plan->ns.pidns.fd >= 0 && !plan->ns.unshare_pid)
		return refuse(plan, "--timeout",
			      "with --pidns needs --unshare-pid or --limit, to find what COMMAND "
			      "leaves behind");
	return NULL;
}

static problem check_namespaces(const struct plan *plan, const struct caller *caller,
				const struct shape *shape)
{
	if (plan->ns.userns.fd >= 0 && plan->ns.unshare_user != WANT_NO)
		return refuse(plan, "--userns",
			      "cannot be combined with --unshare-user, --unshare-user-try or "
			      "--unshare-all: a user "
			      "namespace is joined or made, not both");
	if (plan->report.userns_block.fd >= 0 && plan->ns.unshare_user == WANT_NO)
		return refuse(plan, "--userns-block-fd", "needs --unshare-user");
	if (plan->report.userns_block.fd >= 0 && plan->report.info.fd < 0)
		return refuse(plan, "--userns-block-fd",
			      "needs --info-fd, which tells the caller whose id maps to write");
	if (plan->ns.disable_userns && plan->ns.unshare_user != WANT_YES)
		return refuse(plan, "--disable-userns", "needs --unshare-user");
	if (plan->ns.disable_userns && plan->report.userns_block.fd >= 0)
		return refuse(plan, "--disable-userns",
			      "cannot be combined with --userns-block-fd");
	if (plan->ns.disable_userns && plan->ns.userns2.fd >= 0)
		return refuse(plan, "--disable-userns", "cannot be combined with --userns2");
	bool other_ids = shape->user_namespace || plan->ns.userns.fd >= 0;
	if (!other_ids && shape->inner_uid != caller->uid)
		return refuse(plan, "--uid", "needs --unshare-user or --userns");
	if (!other_ids && shape->inner_gid != caller->gid)
		return refuse(plan, "--gid", "needs --unshare-user or --userns");
	if (plan->ns.hostname && !plan->ns.unshare_uts)
		return refuse(plan, "--hostname", "needs --unshare-uts");
	if (plan->ns.hostname && strlen(plan->ns.hostname) > 64)
		return refuse(plan, "--hostname", "a host name has at most 64 bytes");
	if (plan->command.keep_fds.n && !plan->command.close_fds)
		return refuse(plan, "--keep-fd",
			      "needs --close-fds; without it every descriptor is passed on");
	if (plan->command.as_pid_1 && !plan->ns.unshare_pid)
		return refuse(plan, "--as-pid-1", "needs --unshare-pid");
	if (plan->command.as_pid_1 && plan->report.n_lock_files)
		return refuse(
			plan, "--as-pid-1",
			"cannot be combined with --lock-file, which needs a process to hold it");
	return NULL;
}

/* Ranges are compared in 64 bits, of which the kernel takes the low 32: denying one too many is
 * safe, allowing one too many is not. */
static problem check_no_range_is_allowed(const struct plan *plan)
{
	const struct rules *allow = &plan->filter.policy.allow;
	for (size_t i = 0; i < allow->n; i++)
		if (allow->items[i].word && !allow->items[i].mask)
			return refuse(plan, "--seccomp-allow",
				      arena_printf("%s is a range, which can only be denied; name "
						   "each that is to be allowed",
						   policy_rule_text(&allow->items[i])));
	return NULL;
}

static problem check_flags_are_deniable(const struct plan *plan)
{
	const struct rules *allow = &plan->filter.policy.allow;
	for (size_t i = 0;
	     i < allow->n && !(plan->filter.policy.profile && !plan->filter.policy.profile->allows);
	     i++)
		if (allow->items[i].word && allow->items[i].mask &&
		    allow->items[i].mask == allow->items[i].value &&
		    allow->items[i].mask != UINT32_MAX)
			return refuse(plan, "--seccomp-allow",
				      arena_printf("%s means every call with this flag, whatever "
						   "else is in it; deny the "
						   "others instead",
						   policy_rule_text(&allow->items[i])));
	return NULL;
}

static problem check_policy(const struct plan *plan)
{
	static const char *const need_policy[] = { "--seccomp-errno", "--seccomp-log",
						   "--seccomp-dump", "--seccomp-trace" };
	static const char *const promises[] = { "--seccomp", "--add-seccomp-fd", "--disable-userns",
						"--assert-userns-disabled" };
	for (size_t i = 0; i < ARRAY_SIZE(need_policy) && !policy_is_given(&plan->filter.policy);
	     i++)
		if (options_given(plan, need_policy[i]))
			return refuse(plan, need_policy[i],
				      "needs something to be denied: --seccomp-profile, "
				      "--seccomp-deny or --seccomp-allow");
	for (size_t i = 0; i < ARRAY_SIZE(promises) && plan->filter.policy.trace.fd >= 0; i++)
		if (options_given(plan, promises[i]))
			return refuse(plan, "--seccomp-trace",
				      arena_printf("lets everything through and cannot stand "
						   "beside a promise of safety "
						   "like %s",
						   promises[i]));
	if (plan->filter.policy.trace.fd >= 0 && plan->command.as_pid_1)
		return refuse(plan, "--seccomp-trace", "cannot be combined with --as-pid-1");
	problem bad = check_no_range_is_allowed(plan);
	return bad ? bad : check_flags_are_deniable(plan);
}

problem plan_check(const struct plan *plan, const struct caller *caller)
{
	struct shape shape = plan_shape(plan, caller);
	problem bad = check_namespaces(plan, caller, &shape);
	if (!bad)
		bad = check_limits(plan);
	if (!bad)
		bad = check_policy(plan);
	if (bad)
		return bad;
	/* Without a user namespace of its own the sandbox has no capabilities but the caller's. */
	if (!shape.user_namespace && plan->ns.userns.fd < 0)
		for (size_t i = 0; i < plan->command.n_cap_ops; i++) {
			const struct cap_op *op = &plan->command.cap_ops[i];
			if (op->add && op->cap >= 0 && !(caller->permitted_caps >> op->cap & 1))
				return arena_printf("%s: the caller does not have %s itself; with "
						    "--unshare-user it "
						    "can be given within the sandbox",
						    position_text(op->position),
						    caps_name(op->cap));
		}
	return NULL;
}

bool plan_first_op_is_root(const struct plan *plan)
{
	if (!plan->root.n_ops)
		return false;
	const struct op *op = &plan->root.ops[0];
	const char *path = op->inner_path;
	return (op->kind == OP_BIND || op->kind == OP_OVERLAY || op->kind == OP_TMPFS) &&
	       *skip_slashes(path) == '\0';
}
