/* line.c - what one line needs, by carrying it out as far as COMMAND.
 *
 * Must not: change anything on the host, wait for anybody, or write to a descriptor of the caller's.
 */
#include "check/line.h"

#include "plan/cover.h"
#include "plan/explain.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The operation that mounts where `op` makes or changes something, by the words of the line; NULL: none. */
static const struct op *holder_of(const struct root_plan *root, const struct op *op)
{
	for (const struct op *below = op; below-- > root->ops;)
		if (below->inner_path && below->kind != OP_DIR && below->kind != OP_SYMLINK &&
		    below->kind != OP_FILE && below->kind != OP_CHMOD &&
		    plan_path_lies_in(op->inner_path, below->inner_path))
			return below;
	return NULL;
}

static bool would_change_host(const struct root_plan *root, const struct op *op)
{
	if (op->kind != OP_FILE && op->kind != OP_CHMOD)
		return false;
	const struct op *holder = holder_of(root, op);
	return holder && holder->kind == OP_BIND && !holder->read_only;
}

static bool can_be_made(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *parent = !slash          ? "."
			     : slash == path ? "/"
					     : arena_copy(path, (size_t) (slash - path));
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) < 0 && errno == ENOENT &&
	       faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0;
}

static const struct overlay *write_to_nothing(const struct overlay *overlay)
{
	struct overlay *copy = arena_alloc(sizeof(*copy));
	*copy = *overlay;
	copy->changes.fd = -1;
	if (!copy->writable)
		return copy;
	copy->upper = copy->work = (struct layer){ .fd = -1 };
	return copy;
}

static void check_directories(const struct op *op)
{
	const struct layer *const directories[] = { &op->overlay->upper, &op->overlay->work };
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		const char *path = directories[i]->path;
		if (op->overlay->writable && path &&
		    faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
			die_errno(errno, "%s: Can't write to %s %s", position_text(op->position),
				  i ? "WORKDIR" : "RWSRC", failing_path(path));
	}
}

/* What is bound writable is bound read-only, so that nothing can be made on it: what is to lie in it lies on a tmpfs
 * then (mount/level.h). The shape stays that of the line. */
static void leave_host_alone(struct plan *plan)
{
	struct root_plan *root = &plan->root, kept = *root;
	kept.ops = arena_alloc((root->n_ops + 1) * sizeof(*kept.ops));
	kept.n_ops = 0;
	for (size_t i = 0; i < root->n_ops; i++) {
		if (would_change_host(root, &root->ops[i])) {
			say_note("%s is not tried: it would change the host",
				 position_text(root->ops[i].position));
			continue;
		}
		struct op *op = &kept.ops[kept.n_ops++];
		*op = root->ops[i];
		if (op->overlay) {
			check_directories(op);
			op->overlay = write_to_nothing(op->overlay);
		}
		if (op->makes_source && op->outer_path && can_be_made(op->outer_path)) {
			say_note("%s would make %s on the host", position_text(op->position),
				 op->outer_path);
			*op = (struct op){ .kind = OP_TMPFS,
					   .inner_path = op->inner_path,
					   .mode = 0700,
					   .parent_mode = op->parent_mode,
					   .position = op->position };
		}
		op->read_only |= op->kind == OP_BIND;
	}
	*root = kept;
}

/* Nobody is waited for, and nobody is told. */
static void leave_caller_alone(struct plan *plan)
{
	plan->report.block.fd = plan->report.userns_block.fd = -1;
	plan->report.info.fd = plan->report.json_status.fd = plan->report.pidfd_socket.fd = -1;
	plan->filter.policy.dump.fd = plan->filter.policy.trace.fd = -1;
}

static const char stage_words[][48] = {
	[STAGE_SPLIT] = "processes and namespaces",
	[STAGE_BECOME] = "ids, host name, loopback device",
	[STAGE_PIN] = "every source",
	[STAGE_MOVE_IN] = "the new root",
	[STAGE_BUILD] = "every operation",
	[STAGE_LOCK] = "nothing can be undone",
	[STAGE_PREPARE] = "capabilities, session, directory",
	[STAGE_GO] = "filters, COMMAND",
};

bool line_check(struct host *host, struct plan *plan, struct run *run, check_story story,
		struct findings *ret_findings)
{
	struct trial trial;
	if (trial_begin(&trial)) {
		close_fd(&host->proc_fd);
		host->caller.parent = getppid();
		leave_host_alone(plan);
		leave_caller_alone(plan);
		story(host, plan, run);
	}
	trials_hear(&trial, 1);
	if (trial.pid < 0)
		trial.message = arena_printf("Can't start a process: %s%s", errno_text(trial.error),
					     diagnose_new_namespace(run, 0, trial.error));
	if (trial.stage < STAGE_SPLIT)
		trial.stage = STAGE_SPLIT;
	struct finding *read =
		finding_add(ret_findings, plan_stage_name(STAGE_READ), WORKS, "the words", NULL);
	read->notes = plan->warnings;
	read->n_notes = plan->n_warnings;
	for (enum stage stage = STAGE_SPLIT; stage <= STAGE_GO; stage++) {
		enum verdict verdict = trial.works || stage < trial.stage ? WORKS
				       : stage == trial.stage             ? FAILS
									  : UNTRIED;
		struct finding *finding =
			finding_add(ret_findings, plan_stage_name(stage), verdict,
				    stage_words[stage], verdict == FAILS ? trial.message : NULL);
		if (stage != (trial.works ? STAGE_GO : trial.stage))
			continue;
		finding->notes = trial.notes;
		finding->n_notes = trial.n_notes;
	}
	return trial.works;
}
