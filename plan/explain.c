/* explain.c - what makes a plan sound, what follows from it, and how it is told to a person.
 *
 * Pure: everything is decided from the plan and the caller's facts; no system call, no exit.
 */
#include "plan/explain.h"

#include "plan/calls.h"
#include "plan/limit-options.h"
#include "plan/options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "utils.h"

#include <sched.h>
#include <string.h>

/* ---- the shape ---- */

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

static bool has_op(const struct plan *plan, enum op_kind kind)
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
			has_op(plan, OP_MQUEUE) ? own & ~(unsigned long) CLONE_NEWIPC : own;
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

/* ---- telling ---- */

static const char *propagation_text(const struct op *op)
{
	bool private = op->propagation == PROPAGATION_PRIVATE ||
		       (op->propagation == PROPAGATION_DEFAULT && op->read_only);
	return private ? "" : "; mounts that the host adds below it later appear";
}

const char *plan_op_text(const struct op *op, const struct shape *shape)
{
	const char *to = op->inner_path;
	switch (op->kind) {
	case OP_BIND: {
		const char *what = op->outer_path ? op->outer_path
						  : arena_printf("descriptor %d", op->outer_fd);
		return arena_printf("show the host's %s %s at %s%s%s%s", what,
				    op->read_only ? "read-only" : "writable", to,
				    op->devices ? ", device nodes usable" : "",
				    op->skip_missing ? ", if it exists" : "", propagation_text(op));
	}
	case OP_OVERLAY:
		return overlay_text(op);
	case OP_REMOUNT_RO:
		return arena_printf("make the mount at %s read-only", to);
	case OP_TMPFS:
		return arena_printf("an empty tmpfs at %s, mode %04o%s", to, op->mode,
				    op->size_bytes
					    ? arena_printf(", at most %llu bytes",
							   (unsigned long long) op->size_bytes)
					    : "");
	case OP_PROC:
		return shape->new_proc ? arena_printf("a new procfs at %s", to)
				       : arena_printf("the host's /proc at %s", to);
	case OP_DEV:
		return arena_printf("a small /dev at %s", to);
	case OP_MQUEUE:
		return arena_printf("message queues at %s", to);
	case OP_DIR:
		return arena_printf("a directory at %s, mode %04o", to, op->mode);
	case OP_FILE:
		return arena_printf("write what descriptor %d holds to %s, mode %04o", op->outer_fd,
				    to, op->mode);
	case OP_DATA:
		return arena_printf(
			"show a private copy of what descriptor %d holds %s at %s, mode %04o",
			op->outer_fd, op->read_only ? "read-only" : "writable", to, op->mode);
	case OP_SYMLINK:
		return arena_printf("a symbolic link at %s to %s", to, op->link_target);
	case OP_CHMOD:
		return arena_printf("set the mode of %s to %04o", to, op->mode);
	}
	return "";
}

/* One line: the stage's name where it begins, then words, controls escaped so that no path can
 * look like a line of its own. */
static PRINTF_LIKE(3, 4) void add_line(struct text *text, const char *stage, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *words = arena_vprintf(fmt, args);
	va_end(args);
	char *shown = arena_alloc(4 * strlen(words) + 1);
	escape_controls(words, strlen(words), shown);
	text_add(text, " %-9s %s\n", stage, shown);
}

static void explain_group_and_time(const struct plan *plan, const struct shape *shape,
				   struct text *text)
{
	if (shape->ends_with_command)
		add_line(text, "", "what COMMAND leaves behind is killed when it ends");
	for (size_t i = 0; i < plan->limit.n_limits; i++)
		add_line(text, "", "%s: a control group with %s %s%s",
			 position_text(plan->limit.limits[i].position), plan->limit.limits[i].key,
			 plan->limit.limits[i].value,
			 plan->limit.limits[i].optional ? ", if it can be had" : "");
	if (plan->limit.cgroup)
		add_line(text, "", "%s: made in %s",
			 position_text(options_position(plan, "--cgroup")), plan->limit.cgroup);
	if (plan->limit.timeout_ms)
		add_line(text, "", "%s: SIGTERM after %g s, and %g s later SIGKILL for everything",
			 position_text(options_position(plan, "--timeout")),
			 (double) plan->limit.timeout_ms / 1000,
			 (double) plan->limit.kill_after_ms / 1000);
	if (plan->limit.timeout_ms && !shape->pid_namespace)
		add_line(text, "",
			 "without --unshare-pid COMMAND may stop and kill whoever keeps this time");
}

static void explain_split(const struct plan *plan, const struct shape *shape, struct text *text)
{
	static const char *const processes[] = {
		[RUN_ALONE] = "no process but COMMAND's own",
		[RUN_SUPERVISED] = "a supervisor outside",
		[RUN_WITH_INIT] = "a supervisor outside and a reaper inside",
	};
	add_line(text, "split", "%s%s%s%s", processes[shape->topology],
		 shape->topology_reason ? ", for " : "",
		 shape->topology_reason ? shape->topology_reason : "",
		 plan->command.die_with_parent ? "; all of it dies with the parent" : "");
	const struct {
		const struct fd_at *at;
		const char *what;
	} served[] = {
		{ &plan->report.info, "write child-pid and namespaces to" },
		{ &plan->report.json_status, "write status lines to" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(served); i++)
		if (served[i].at->fd >= 0)
			add_line(text, "", "%s: %s descriptor %d",
				 position_text(served[i].at->position), served[i].what,
				 served[i].at->fd);
	for (size_t i = 0; i < plan->report.sync.n; i++)
		add_line(text, "", "%s: keep open while the sandbox lives: descriptor %d",
			 position_text(plan->report.sync.items[i].position),
			 plan->report.sync.items[i].fd);
}

static void explain_become(const struct plan *plan, const struct shape *shape,
			   const struct caller *caller, struct text *text)
{
	static const struct {
		unsigned long flag;
		const char *name;
	} kinds[] = {
		{ CLONE_NEWUSER, "user" },     { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "pid" },
		{ CLONE_NEWNET, "net" },       { CLONE_NEWIPC, "ipc" },  { CLONE_NEWUTS, "uts" },
		{ CLONE_NEWCGROUP, "cgroup" },
	};
	struct text new = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		unsigned long flag = kinds[i].flag;
		bool maybe = (flag == CLONE_NEWUSER && shape->user_namespace_optional) ||
			     (flag == CLONE_NEWCGROUP && plan->ns.unshare_cgroup == WANT_TRY);
		if ((shape->namespaces | shape->inner_namespaces) & flag)
			text_add(&new, " %s%s", kinds[i].name,
				 maybe ? " (if the kernel has it)" : "");
	}
	add_line(text, "become", "new namespaces:%s", new.bytes);
	const struct fd_at joined[] = { plan->ns.userns, plan->ns.pidns };
	for (size_t i = 0; i < ARRAY_SIZE(joined); i++)
		if (joined[i].fd >= 0)
			add_line(text, "", "%s: join what descriptor %d refers to",
				 position_text(joined[i].position), joined[i].fd);
	if (plan->report.userns_block.fd >= 0)
		add_line(text, "", "%s: the caller writes the id maps",
			 position_text(plan->report.userns_block.position));
	else if (shape->user_namespace)
		add_line(text, "", "uid %u inside is %u outside, gid %u is %u; no other id exists",
			 shape->inner_uid, caller->uid, shape->inner_gid, caller->gid);
	if (plan->ns.hostname)
		add_line(text, "", "host name %s", plan->ns.hostname);
	if (plan->ns.unshare_net)
		add_line(text, "", "the network is a loopback device");
}

static bool is_mounted(const struct op *op)
{
	return (op->kind <= OP_MQUEUE && op->kind != OP_REMOUNT_RO) || op->kind == OP_DATA;
}

static bool is_normal(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");
		if (n == 0 || (path[0] == '.' && (n == 1 || (n == 2 && path[1] == '.'))) ||
		    (path[n] && !path[n + 1]))
			return false;
		path += n + (path[n] == '/');
	}
	return true;
}

/* The path without what does not lead on: "a/b" for "/a//./x/../b/". */
static const char *normal_path(const char *path)
{
	path = skip_slashes(path);
	if (is_normal(path))
		return path;
	char *normal = arena_alloc(strlen(path) + 1);
	size_t length = 0, n;
	for (; *path; path = skip_slashes(path + n)) {
		n = strcspn(path, "/");
		if (n == 2 && strncmp(path, "..", 2) == 0) {
			while (length && normal[--length] != '/')
				;
		} else if (n != 1 || *path != '.') {
			if (length)
				normal[length++] = '/';
			memcpy(normal + length, path, n);
			length += n;
		}
	}
	normal[length] = '\0';
	return normal;
}

/* What of `path`, which is normal, lies below where the operation is; NULL: it does not. */
static const char *rest_below(const struct op *op, const char *path)
{
	const char *top = normal_path(op->inner_path);
	size_t length = strlen(top);
	if (strncmp(path, top, length) != 0 || (length && path[length] && path[length] != '/'))
		return NULL;
	return skip_slashes(path + length);
}

/* The operation that has mounted what the path lies in once the first n are done, which is the last
 * that covers it; NULL: none, it is the new root's. It may have mounted nothing where that is not
 * known. */
static const struct op *find_cover(const struct plan *plan, const bool *is_missing, size_t n,
				   const char *path)
{
	while (n-- > 0)
		if (is_mounted(&plan->root.ops[n]) && rest_below(&plan->root.ops[n], path) &&
		    !(is_missing && is_missing[n]))
			return &plan->root.ops[n];
	return NULL;
}

/* The --remount-ro that has closed what `cover` mounted (NULL: the new root) once the first n are done;
 * NULL: none. */
static const struct op *find_remount(const struct plan *plan, size_t n, const struct op *cover)
{
	const char *top = cover ? normal_path(cover->inner_path) : "";
	for (const struct op *op = cover ? cover + 1 : plan->root.ops; op < plan->root.ops + n;
	     op++)
		if (op->kind == OP_REMOUNT_RO && streq(normal_path(op->inner_path), top))
			return op;
	return NULL;
}

const struct op *plan_who_made_read_only(const struct plan *plan, const struct op *op,
					 const bool *is_missing)
{
	size_t n = (size_t) (op - plan->root.ops);
	const struct op *cover = find_cover(plan, is_missing, n, normal_path(op->inner_path));
	const struct op *remount = find_remount(plan, n, cover);
	return remount ? remount : cover && cover->read_only ? cover : NULL;
}

/* Whether, by the words of the plan, `op` may mount something on this overlay, below its top: what
 * covers that stays. */
static bool may_lie_on(const struct plan *plan, const struct op *overlay, const struct op *op)
{
	const char *path = normal_path(op->inner_path);
	const struct op *cover = op;
	if (!is_mounted(op) || overlay->overlay->backend == OVERLAY_KERNEL)
		return false;
	do
		cover = find_cover(plan, NULL, (size_t) (cover - plan->root.ops), path);
	while (cover && cover != overlay && cover->skip_missing);
	return cover == overlay && *rest_below(cover, path);
}

static void explain_mounts_on_overlay(const struct plan *plan, const struct op *overlay,
				      struct text *text)
{
	struct text list = { 0 };
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (may_lie_on(plan, overlay, &plan->root.ops[i]))
			text_add(&list, "%s%s", list.length ? ", " : "",
				 position_text(plan->root.ops[i].position));
	if (list.length)
		add_line(text, "",
			 "  %sCOMMAND can take off what is mounted there, and finds nothing of the "
			 "layers behind it: %s",
			 overlay->overlay->backend == OVERLAY_FUSE
				 ? ""
				 : "if that is fuse-overlayfs's, ",
			 list.bytes);
}

static bool stays_writable(const struct plan *plan, const struct op *op)
{
	bool writable = op->kind == OP_OVERLAY ? op->overlay->upper.path != NULL
					       : op->kind == OP_BIND && !op->read_only;
	return writable && !find_remount(plan, plan->root.n_ops, op);
}

const char *plan_op_risk(const struct plan *plan, const struct op *op, const bool *is_missing)
{
	bool protects = (op->kind == OP_BIND && op->read_only) || op->kind == OP_OVERLAY ||
			op->kind == OP_TMPFS || op->kind == OP_DATA || op->kind == OP_REMOUNT_RO;
	const char *path = protects ? normal_path(op->inner_path) : NULL;
	if (!protects)
		return NULL;
	struct text covers = { 0 }, risks = { 0 };
	bool on_bind = false, is_deep = false;
	/* What stands on another's top goes with that one; what may be missing may cover nothing. */
	for (const struct op *cover = op;
	     (cover = find_cover(plan, is_missing, (size_t) (cover - plan->root.ops), path));) {
		const char *rest = rest_below(cover, path);
		if (*rest && stays_writable(plan, cover)) {
			text_add(&covers, "%s%s", covers.length ? " or " : "",
				 position_text(cover->position));
			on_bind |= cover->kind == OP_BIND;
			is_deep |= strchr(rest, '/') != NULL;
		}
		if (*rest && (is_missing || !cover->skip_missing))
			break;
	}
	if (is_deep)
		text_add(&risks,
			 "; COMMAND can put something else in place of a directory above it");
	if (!plan->ns.disable_userns)
		text_add(&risks, "; without --disable-userns COMMAND can take it off");
	if (on_bind) /* an overlay does not look for changes of what is below it */
		text_add(&risks, "; whoever renames or removes it on the host takes it off");
	return covers.length && risks.length ? arena_printf("it lies in what %s shows writable: %s",
							    covers.bytes, risks.bytes + 2)
					     : NULL;
}

static void explain_build(const struct plan *plan, const struct shape *shape, struct text *text)
{
	if (plan->root.file_label)
		add_line(text, "", "SELinux label of what is made: %s", plan->root.file_label);
	if (plan->root.tolerate_submounts)
		add_line(text, "", "a submount whose flags cannot be set is only warned about");
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		add_line(text, i ? "" : "build", "%s: %s",
			 position_text(plan->root.ops[i].position),
			 plan_op_text(&plan->root.ops[i], shape));
		const char *risk = plan_op_risk(plan, &plan->root.ops[i], NULL);
		if (risk)
			add_line(text, "", "  %s", risk);
		if (plan->root.ops[i].overlay)
			explain_mounts_on_overlay(plan, &plan->root.ops[i], text);
	}
}

static void explain_lock(const struct plan *plan, const struct shape *shape, struct text *text)
{
	if (plan->ns.userns2.fd >= 0)
		add_line(text, "lock", "%s: join what descriptor %d refers to",
			 position_text(plan->ns.userns2.position), plan->ns.userns2.fd);
	else if (shape->inner_level)
		add_line(text, "lock", "a second user namespace for COMMAND%s",
			 plan->ns.disable_userns ? ", the last one: a third is impossible" : "");
	if (plan->ns.assert_userns_disabled)
		add_line(text, "lock", "refuse to go on where one more user namespace can be made");
}

static void explain_prepare(const struct plan *plan, const struct shape *shape,
			    const struct caller *caller, struct text *text)
{
	static const char *const verbs[] = { [ENV_CLEAR] = "forget all of it",
					     [ENV_SET] = "set ",
					     [ENV_UNSET] = "forget ",
					     [ENV_KEEP] = "take from the caller " };
	struct text caps = { 0 };
	for (int cap = 0; cap <= caps_last(); cap++)
		if (shape->caps >> cap & 1)
			text_add(&caps, " %s", caps_name(cap));
	add_line(text, "prepare", "capabilities:%s", caps.bytes ? caps.bytes : " none");
	for (size_t i = 0; i < plan->command.n_env_ops;
	     i++) /* names only: values are often secrets */
		add_line(text, "", "environment: %s%s", verbs[plan->command.env_ops[i].action],
			 plan->command.env_ops[i].name ? plan->command.env_ops[i].name : "");
	if (plan->command.chdir)
		add_line(text, "", "directory: %s", plan->command.chdir);
	else
		add_line(text, "", "directory: %s%sHOME if it exists, else /",
			 caller->directory ? caller->directory : "",
			 caller->directory ? " if it exists inside, else " : "");
	if (plan->command.new_session)
		add_line(text, "", "a new terminal session");
	if (plan->command.close_fds)
		add_line(text, "", "no descriptor above 2 is passed on%s",
			 plan->command.keep_fds.n ? " but those of --keep-fd" : "");
	for (size_t i = 0; i < plan->report.n_lock_files; i++)
		add_line(text, "", "%s: hold a lock on %s",
			 position_text(plan->report.lock_files[i].position),
			 plan->report.lock_files[i].path);
	if (plan->report.block.fd >= 0)
		add_line(text, "", "%s: wait for descriptor %d",
			 position_text(plan->report.block.position), plan->report.block.fd);
	if (plan->filter.no_tty_guard)
		add_line(text, "", "the caller's terminal is not guarded");
	if (plan->filter.allow_keys)
		add_line(text, "", "the caller's kernel keys are not guarded");
	if (plan->command.exec_label)
		add_line(text, "", "SELinux label of COMMAND: %s", plan->command.exec_label);
}

static void explain_rlimits(const struct plan *plan, struct text *text)
{
	for (size_t i = 0; i < plan->limit.n_rlimits; i++)
		add_line(text, "", "%s: %s at most %s, and no more than %s by COMMAND's own choice",
			 position_text(plan->limit.rlimits[i].position),
			 limits_resource_name(plan->limit.rlimits[i].resource),
			 limits_rlim_text(plan->limit.rlimits[i].limit.rlim_cur),
			 limits_rlim_text(plan->limit.rlimits[i].limit.rlim_max));
}

static void add_go_line(struct text *text, const char *line)
{
	add_line(text, "", "%s", line);
}

/* A word as a shell would have to be told it. */
static const char *quoted(const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
	if (*word && word[strspn(word, plain)] == '\0')
		return word;
	struct text text = { 0 };
	text_add(&text, "'");
	for (; *word; word++)
		text_add(&text, *word == '\'' ? "'\\%c'" : "%c", *word);
	text_add(&text, "'");
	return text.bytes;
}

static void explain_go(const struct plan *plan, struct text *text)
{
	for (size_t i = 0; i < plan->filter.n_seccomp; i++)
		add_line(text, i ? "" : "go", "%s: load the seccomp program in descriptor %d",
			 position_text(plan->filter.seccomp[i].at.position),
			 plan->filter.seccomp[i].at.fd);
	if (policy_is_given(&plan->filter.policy))
		add_line(text, plan->filter.n_seccomp ? "" : "go",
			 "load what the lists of system calls come to, last of all");
	policy_explain(plan, add_go_line, text);
	struct text words = { 0 };
	for (char *const *word = plan->command.argv; *word; word++)
		text_add(&words, " %s", quoted(*word));
	add_line(text, plan->filter.n_seccomp || policy_is_given(&plan->filter.policy) ? "" : "go",
		 "run%s%s%s", words.bytes, plan->command.argv0 ? ", which sees itself as " : "",
		 plan->command.argv0 ? quoted(plan->command.argv0) : "");
}

void plan_explain_stage(const struct plan *plan, const struct shape *shape,
			const struct caller *caller, enum stage stage, struct text *text)
{
	switch (stage) {
	case STAGE_SPLIT:
		explain_split(plan, shape, text);
		explain_group_and_time(plan, shape, text);
		return;
	case STAGE_BECOME:
		explain_become(plan, shape, caller, text);
		return;
	case STAGE_PIN:
		if (has_op(plan, OP_BIND) || has_op(plan, OP_DEV) || has_op(plan, OP_OVERLAY))
			add_line(text, "pin",
				 "every source, as a detached copy with its flags set");
		return;
	case STAGE_MOVE_IN:
		add_line(text, "move in", "/ is %s; nothing of the host is left",
			 !plan_first_op_is_root(plan) ? "an empty tmpfs"
			 : plan->root.ops[0].skip_missing
				 ? "what the first operation shows, or else an empty tmpfs"
				 : "what the first operation shows");
		return;
	case STAGE_BUILD:
		explain_build(plan, shape, text);
		return;
	case STAGE_LOCK:
		explain_lock(plan, shape, text);
		return;
	case STAGE_PREPARE:
		explain_prepare(plan, shape, caller, text);
		explain_rlimits(plan, text);
		return;
	case STAGE_GO:
		explain_go(plan, text);
		return;
	}
}

void plan_explain(const struct plan *plan, const struct caller *caller, struct text *text)
{
	struct shape shape = plan_shape(plan, caller);
	for (enum stage stage = STAGE_SPLIT; stage <= STAGE_GO; stage++)
		plan_explain_stage(plan, &shape, caller, stage, text);
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
