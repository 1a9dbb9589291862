/* explain.c - how a plan is told to a person, stage by stage.
 *
 * Pure: everything is decided from the plan and the caller's facts; no system call, no exit.
 */
#include "plan/explain.h"

#include "plan/cover.h"
#include "plan/filter-options.h"
#include "plan/limit-options.h"
#include "plan/options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/policy.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "sys/capabilities.h"
#include "utils.h"

#include <sched.h>
#include <string.h>

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

static void explain_mounts_on_overlay(const struct plan *plan, const struct op *overlay,
				      struct text *text)
{
	const char *list = plan_mounts_on_overlay(plan, overlay);
	if (list)
		add_line(
			text, "",
			"  %sCOMMAND can take off what is mounted there, and finds nothing of the layers behind it: %s",
			overlay->overlay->backend == OVERLAY_FUSE ? ""
								  : "if that is fuse-overlayfs's, ",
			list);
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
	filters_explain(plan, add_go_line, text);
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
		if (plan_has_op(plan, OP_BIND) || plan_has_op(plan, OP_DEV) ||
		    plan_has_op(plan, OP_OVERLAY))
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
