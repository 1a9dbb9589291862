/* outside.c - what a line would do outside the sandbox: told, and kept from it. Paths are taken by their words.
 *
 * Must not: change anything on the host, let anybody be waited for, or written to.
 */
#include "check/outside.h"

#include "plan/cover.h"
#include "plan/map-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void note(struct outside *outside, const char *text)
{
	outside->notes = arena_grow(outside->notes, outside->n_notes, &outside->capacity_notes,
				    sizeof(*outside->notes));
	outside->notes[outside->n_notes++] = text;
}

static void refuse(struct outside *outside, enum stage stage, problem bad)
{
	if (!outside->refused) {
		outside->refused = bad;
		outside->stage = stage;
	}
}

/* Cuts the last name off; "." and "/" are above all others. */
static const char *above(const char *path)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	while (length && path[length - 1] != '/')
		length--;
	while (length > 1 && path[length - 1] == '/')
		length--;
	return length ? arena_copy(path, length) : ".";
}

static bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

/* ---- looking ---- */

/* In a user namespace of his own nobody is kept from his own directories, if their group is his, too; and root is from
 * those of others, unless their ids are mapped there. */
static bool is_kept_from(const struct run *run, const char *directory)
{
	struct stat status;
	bool loses_rights = run->shape.user_namespace && !map_options_in_use(run->plan);
	if (loses_rights)
		caps_lower(CAP_BIT(CAP_DAC_OVERRIDE));
	int done = faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS), error = errno;
	if (loses_rights)
		caps_raise_permitted();
	const struct caller *caller = &run->host->caller;
	return done < 0 && (error != EACCES || stat(directory, &status) < 0 ||
			    status.st_uid != caller->uid || status.st_gid != caller->gid);
}

/* Whether the source, which is missing, would be there by then: made by the operation itself, in what is there or what an
 * earlier one would have made, or by that one. */
static bool would_be_made(const struct run *run, const struct op *op)
{
	if (op->kind != OP_BIND || !op->outer_path || exists(op->outer_path))
		return false;
	const char *path = op->makes_source ? above(op->outer_path) : op->outer_path;
	if (op->makes_source && exists(path) && !is_kept_from(run, path))
		return true;
	for (const struct op *made = run->plan->root.ops; made < op; made++)
		if (made->makes_source && path_is_within(path, made->outer_path) &&
		    path_is_within(made->outer_path, path))
			return would_be_made(run, made);
	return false;
}

/* Its source is missing, and it does nothing. */
static bool is_skipped(const struct run *run, const struct op *op)
{
	return op->skip_missing && op->outer_path &&
	       faccessat(AT_FDCWD, op->outer_path, F_OK, AT_EACCESS) < 0 && errno == ENOENT &&
	       !would_be_made(run, op);
}

static bool is_mount(const struct run *run, const struct op *op)
{
	return op->inner_path && op->kind != OP_DIR && op->kind != OP_SYMLINK &&
	       op->kind != OP_FILE && op->kind != OP_CHMOD && op->kind != OP_REMOUNT_RO &&
	       !is_skipped(run, op);
}

/* The writable bind in which the operation has its place; NULL: it has it elsewhere. */
static const struct op *holder_of(const struct run *run, const struct op *op)
{
	for (const struct op *below = op; op->inner_path && below-- > run->plan->root.ops;)
		if (is_mount(run, below) && plan_path_below(op->inner_path, below->inner_path))
			return below->kind == OP_BIND && !below->read_only ? below : NULL;
	return NULL;
}

static bool changes_what_is_there(const struct op *op)
{
	return op->kind == OP_FILE || op->kind == OP_CHMOD;
}

static bool makes_its_place(const struct run *run, const struct op *op)
{
	return !plan_is_mask(op) && op->kind != OP_REMOUNT_RO && !is_skipped(run, op);
}

/* Where its place is on the host; NULL: that cannot be said. */
static const char *place_on_host(const struct op *op, const struct op *holder)
{
	const char *outer = holder->outer_path;
	return outer ? arena_printf("%s/%s", streq(outer, "/") ? "" : outer,
				    plan_path_below(op->inner_path, holder->inner_path))
		     : NULL;
}

/* Whether no link is on the way, and so it is that directory and no other. */
static bool is_found_without_links(const char *path, struct stat *ret_status)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };
	AUTO_CLOSE int fd = sys_openat2(AT_FDCWD, path, &how);
	return fd >= 0 && fstat(fd, ret_status) == 0;
}

static void look_at_place(const struct run *run, const struct op *op, const char *path,
			  struct outside *outside)
{
	struct stat status;
	const char *directory = above(path);
	if (exists(path))
		return;
	while (!exists(directory) && !streq(directory, "/") && !streq(directory, "."))
		directory = above(directory);
	if (!is_found_without_links(directory, &status))
		return;
	if (is_kept_from(run, directory))
		refuse(outside, STAGE_BUILD,
		       problem_at(op->position, "Can't make %s on the host, for %s is not writable",
				  path, directory));
	else
		note(outside, arena_printf("%s would make %s on the host",
					   position_text(op->position), path));
}

void outside_look(const struct run *run, struct outside *ret_outside)
{
	const struct root_plan *root = &run->plan->root;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		const struct op *holder = holder_of(run, op);
		const char *path =
			holder && makes_its_place(run, op) ? place_on_host(op, holder) : NULL;
		if (op->makes_source && would_be_made(run, op))
			note(ret_outside,
			     arena_printf("%s would make %s on the host",
					  position_text(op->position), op->outer_path));
		struct stat status;
		if (path && op->kind == OP_FILE && lstat(path, &status) == 0 &&
		    S_ISDIR(status.st_mode))
			refuse(ret_outside, STAGE_BUILD,
			       problem_at(op->position, "Can't write the file %s: %s",
					  op->inner_path, errno_text(EISDIR)));
		if (holder && changes_what_is_there(op))
			note(ret_outside, arena_printf("%s is not tried: it would change the host",
						       position_text(op->position)));
		else if (path)
			look_at_place(run, op, path, ret_outside);
	}
}

/* ---- leaving it alone ---- */

/* Layers must not overlap, which RWSRC may with one (overlayfs says so of lower ones). */
static bool can_be_layer(const struct overlay *overlay)
{
	char upper[PATH_MAX], layer[PATH_MAX];
	const char *path = overlay->upper.path;
	if (!path || faccessat(AT_FDCWD, path, R_OK | X_OK, AT_EACCESS) < 0 ||
	    !realpath(path, upper))
		return false;
	for (size_t i = 0; i < overlay->n_layers; i++)
		if (!overlay->layers[i].path || !realpath(overlay->layers[i].path, layer) ||
		    path_is_within(upper, layer) || path_is_within(layer, upper))
			return false;
	return true;
}

/* RWSRC is the topmost layer then, if it can be one: what is in there counts. */
static const struct overlay *write_to_nothing(const struct op *op)
{
	const struct overlay *overlay = op->overlay;
	struct overlay *copy = arena_alloc(sizeof(*copy));
	*copy = *overlay;
	copy->changes.fd = -1;
	if (!copy->writable)
		return copy;
	copy->upper = copy->work = (struct layer){ .fd = -1 };
	if (can_be_layer(overlay)) {
		copy->layers = arena_alloc((copy->n_layers + 1) * sizeof(*copy->layers));
		memcpy(copy->layers, overlay->layers, copy->n_layers * sizeof(*copy->layers));
		copy->layers[copy->n_layers++] = (struct layer){ .path = overlay->upper.path,
								 .fd = -1,
								 .position = op->position };
	}
	return copy;
}

/* What is bound writable is bound read-only, so that nothing can be made on it: what is to lie in it lies on a tmpfs
 * then (mount/level.h). */
static void leave_host_alone(const struct run *run, struct plan *plan)
{
	struct root_plan *root = &plan->root, kept = *root;
	kept.ops = arena_alloc((root->n_ops + 1) * sizeof(*kept.ops));
	kept.n_ops = 0;
	bool lacks_file = false;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		bool stays = changes_what_is_there(op) && holder_of(run, op);
		if (stays && (lacks_file || op->kind == OP_FILE)) {
			lacks_file = true; /* which a later one may look for */
			continue;
		}
		struct op *copy = &kept.ops[kept.n_ops++];
		*copy = *op;
		copy->asked = op;
		copy->stays_as_is = stays;
		if (op->overlay)
			copy->overlay = write_to_nothing(op);
		if (would_be_made(run, op))
			*copy = (struct op){ .kind = OP_TMPFS,
					     .asked = op,
					     .inner_path = op->inner_path,
					     .mode = 0700,
					     .parent_mode = op->parent_mode,
					     .position = op->position };
		copy->read_only |= copy->kind == OP_BIND;
	}
	*root = kept;
}

static void leave_caller_alone(struct plan *plan)
{
	plan->report.block.fd = plan->report.userns_block.fd = -1;
	plan->report.info.fd = plan->report.json_status.fd = plan->report.pidfd_socket.fd = -1;
	plan->report.denied.fd = -1;
	plan->net.n_published = 0; /* it would be listened there */
	plan->filter.policy.dump.fd = plan->filter.policy.trace.fd = -1;
}

/* The shape stays that of the line: who asks for a supervisor has one. */
void outside_leave_alone(const struct run *run, struct plan *plan)
{
	leave_host_alone(run, plan);
	leave_caller_alone(plan);
}
