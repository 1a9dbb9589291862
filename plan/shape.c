/* shape.c - what makes a plan sound, and what follows from it and its caller.
 *
 * Pure: everything is decided from the plan and the caller's facts; no system call, no exit. What one
 * subject's options contradict stands with that subject.
 */
#include "plan/shape.h"

#include "plan/command-options.h"
#include "plan/cover.h"
#include "plan/filter-options.h"
#include "plan/fs-options.h"
#include "plan/landlock-options.h"
#include "plan/limit-options.h"
#include "plan/lines.h"
#include "plan/map-options.h"
#include "plan/mask-options.h"
#include "plan/modifier-options.h"
#include "plan/net-options.h"
#include "plan/ns-options.h"
#include "plan/options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/report-options.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "utils.h"

#include <sched.h>
#include <string.h>

/* ---- the shape ---- */

static void choose_caps(const struct plan *plan, const struct caller *caller, struct shape *shape)
{
	uint64_t all = UINT64_MAX >> (63 - caps_last());
	shape->caps = map_options_give_caps(plan) ? map_options_caps(shape)
		      : caller->uid == 0          ? caller->permitted_caps
						  : 0;
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

/* No process that nobody needs: each row that asks for one is something that outlives setup. */
static void choose_topology(const struct plan *plan, const struct caller *caller,
			    struct shape *shape)
{
	struct option_walk walk = { 0 };
	uint8_t least = UINT8_MAX;
	shape->new_session = plan->command.new_session || plan->command.pty;
	for (const struct option_row *row; (row = options_next(&walk));) {
		bool init = row->with_init && !plan->command.as_pid_1;
		bool supervised = row->supervised && shape->topology != RUN_WITH_INIT &&
				  (!(row->traits & FOR_LEADER) || caller->is_group_leader);
		if ((!init && !supervised) || !options_in_force(plan, row))
			continue;
		uint8_t reason = init ? row->with_init : row->supervised;
		if (init && shape->topology != RUN_WITH_INIT)
			least = UINT8_MAX;
		if (reason >= least)
			continue;
		shape->topology = init ? RUN_WITH_INIT : RUN_SUPERVISED;
		shape->topology_reason = row->name;
		least = reason;
	}
	shape->stub_for = plan_mask_in_need_of_stub(plan);
	if (shape->stub_for && shape->topology == RUN_ALONE) {
		shape->topology = RUN_SUPERVISED;
		shape->topology_reason = shape->stub_for->position.option;
	}
}

static void choose_ends(const struct plan *plan, struct shape *shape)
{
	shape->ends_with_command = options_with_trait(plan, ENDS_WITH_COMMAND) || shape->stub_for;
	bool has_lifeline = plan->command.die_with_parent || plan->command.die_with_fd.fd >= 0;
	shape->dies_with_supervisor = has_lifeline || shape->ends_with_command;

	bool may_deny_init = plan->filter.n_seccomp && shape->topology == RUN_WITH_INIT;
	shape->has_guard =
		shape->pid_namespace && ((plan->command.as_pid_1 && shape->dies_with_supervisor) ||
					 (has_lifeline && may_deny_init));
	/* The kernel continues a stopped supervisor when its parent dies, and for no descriptor. */
	shape->has_guard |= !shape->pid_namespace && plan->command.die_with_fd.fd >= 0;
}

static struct shape find_shape(const struct plan *plan, const struct caller *caller)
{
	struct shape shape = {
		.pid_namespace = plan->ns.unshare_pid,
		.new_proc = plan->ns.unshare_pid || plan->ns.pidns.fd >= 0,
		.inner_uid = plan->ns.has_uid ? plan->ns.inner_uid : caller->uid,
		.inner_gid = plan->ns.has_gid ? plan->ns.inner_gid : caller->gid,
		.namespaces = CLONE_NEWNS,
	};
	choose_topology(plan, caller, &shape);
	choose_ends(plan, &shape);
	shape.locked_for = mask_options_in_need_of_lock(plan);
	shape.userns_disabled = plan->ns.disable_userns || shape.locked_for;
	bool joins = plan->ns.userns.fd >= 0,
	     must = !caller->may_mount || shape.locked_for || map_options_in_use(plan);
	shape.user_namespace = !joins && (plan->ns.unshare_user != WANT_NO || must);
	if (shape.user_namespace && plan->ns.unshare_user == WANT_TRY && !must)
		shape.optional_namespaces |= CLONE_NEWUSER;
	if (plan->ns.unshare_cgroup == WANT_TRY)
		shape.optional_namespaces |= CLONE_NEWCGROUP;

	map_options_shape(plan, caller, &shape);
	choose_caps(plan, caller, &shape);

	/* The second user namespace protects pid 1 from COMMAND, setup's mounts from COMMAND's
	 * capabilities, or is the one that the limit of --disable-userns allows. --userns2 is one of
	 * the caller's own. Who joins a namespace wants to be in that very one, so there only
	 * capabilities that were asked for count. */
	bool caps_in_sandbox =
		(shape.caps && shape.user_namespace) || (shape.ambient_caps && joins);
	shape.second_userns_required =
		plan->ns.userns2.fd < 0 && (caps_in_sandbox || shape.userns_disabled);
	shape.second_userns =
		shape.second_userns_required || (plan->ns.userns2.fd < 0 && shape.user_namespace &&
						 shape.topology == RUN_WITH_INIT);

	unsigned long own = (plan->ns.unshare_net ? CLONE_NEWNET : 0) |
			    (plan->ns.unshare_uts ? CLONE_NEWUTS : 0) |
			    (plan->ns.unshare_ipc ? CLONE_NEWIPC : 0);
	if (shape.second_userns_required && caps_in_sandbox) {
		/* With its own copy of the mount namespace setup's mounts are locked
		 * (mount_namespaces(7)); the others are made there too, so that the capabilities
		 * are good for something. A mount of message queues, or of sysfs, belongs to the
		 * namespace it was made in, which then has to be the first, and so it is where setup
		 * hands a carrier sockets, or pasta the namespace. */
		bool keeps_net =
			plan_has_op(plan, OP_SYS) || plan->net.n_passages || plan->net.pasta;
		unsigned long first = (plan_has_op(plan, OP_MQUEUE) ? CLONE_NEWIPC : 0) |
				      (keeps_net ? CLONE_NEWNET : 0);
		unsigned long inner = own & ~first;
		shape.second_namespaces = CLONE_NEWNS | inner;
		own &= ~inner;
	}
	shape.namespaces |= own | (shape.user_namespace ? CLONE_NEWUSER : 0) |
			    (plan->ns.unshare_pid ? CLONE_NEWPID : 0) |
			    (plan->ns.unshare_time ? CLONE_NEWTIME : 0) |
			    (plan->ns.unshare_cgroup != WANT_NO ? CLONE_NEWCGROUP : 0);
	shape.info_late = shape.second_namespaces && plan->report.userns_block.fd < 0;
	return shape;
}

/* ---- checking ---- */

static problem check_needs(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_given; i++) {
		const struct option_row *row = plan->given[i].row;
		if (!*row->needs)
			continue;
		const char *name = arena_copy(row->needs, strcspn(row->needs, ",; "));
		if (!options_in_force(plan, options_find(name)))
			return option_refused(plan, row->name,
					      arena_printf("needs %s%s", row->needs,
							   streq(name, "--unshare-net")
								   ? ns_options_taken_back(plan)
								   : ""));
	}
	return NULL;
}

problem plan_check(const struct plan *plan, const struct caller *caller, struct shape *ret_shape)
{
	*ret_shape = find_shape(plan, caller);
	problem bad = report_options_check(plan);
	if (!bad)
		bad = check_needs(plan);
	if (!bad)
		bad = ns_options_check(plan, caller, ret_shape);
	if (!bad)
		bad = map_options_check(plan, caller, ret_shape);
	if (!bad)
		bad = net_options_check(plan);
	if (!bad)
		bad = mask_options_check(plan, ret_shape);
	if (!bad)
		bad = command_options_check(plan, caller, ret_shape);
	if (!bad)
		bad = limit_options_check(plan);
	if (!bad)
		bad = modifier_options_check(plan, ret_shape);
	if (!bad)
		bad = fs_options_check(plan, ret_shape);
	if (!bad)
		bad = landlock_options_check(plan);
	return bad ? bad : filter_options_check(plan);
}

problem plan_drop_namespaces(const struct plan *plan, const struct caller *caller,
			     unsigned long missing, struct shape *shape)
{
	unsigned long gone = missing | ~shape->namespaces; /* what was dropped before, too */
	struct plan without = *plan;
	if (gone & CLONE_NEWUSER && plan->ns.unshare_user == WANT_TRY)
		without.ns.unshare_user = WANT_NO;
	if (gone & CLONE_NEWCGROUP && plan->ns.unshare_cgroup == WANT_TRY)
		without.ns.unshare_cgroup = WANT_NO;
	return plan_check(&without, caller, shape);
}

void shape_explain(const struct plan *plan, const struct shape *shape, struct text *text)
{
	static const char *const processes[] = {
		[RUN_ALONE] = "no process but COMMAND's own",
		[RUN_SUPERVISED] = "a supervisor outside",
		[RUN_WITH_INIT] = "a supervisor outside and a reaper inside",
	};
	explain_line(text, "split", "%s%s%s%s%s", processes[shape->topology],
		     shape->topology_reason ? ", for " : "",
		     shape->topology_reason ? shape->topology_reason : "",
		     plan->command.die_with_parent ? "; all of it dies with the parent" : "",
		     plan->command.die_with_fd.fd < 0
			     ? ""
			     : arena_printf("; all of it dies with descriptor %d",
					    plan->command.die_with_fd.fd));
}
