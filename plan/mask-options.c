/* mask-options.c - --mask and --protect as the line asks for them: rows, contradictions, words.
 *
 * A mount on a directory entry keeps it from being renamed and removed by whoever has the mount; for anybody
 * else the kernel takes the mount away (mount_namespaces(7)). So where COMMAND could write to what lies
 * below, nobody may make user namespaces inside, by which alone it would get a mount namespace of its own.
 */
#include "plan/mask-options.h"

#include "plan/cover.h"
#include "plan/given.h"
#include "plan/lines.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

#include <sched.h>

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("mask", "PATH", FILESYSTEM, "hide what is at PATH: nothing to see, and nothing to make there", OWN, .value = OP_MASK),
	ROW("mask-try", "PATH", FILESYSTEM, "the same, with a warning where it cannot be had", OWN, .value = OP_MASK, .traits = SKIP_MISSING),
	ROW("protect", "PATH", FILESYSTEM, "keep what is at PATH from being changed, moved or removed", OWN, .value = OP_PROTECT),
	ROW("protect-try", "PATH", FILESYSTEM, "the same, with a warning where it cannot be had", OWN, .value = OP_PROTECT, .traits = SKIP_MISSING),
	ROW("mask-glob", "PATTERN", FILESYSTEM, "hide what matches now, as in a shell with globstar", OWN, .value = OP_MASK),
	ROW("protect-glob", "PATTERN", FILESYSTEM, "protect what matches now", OWN, .value = OP_PROTECT),
	ROW("glob-across-mounts", "", FILESYSTEM, "look for matches below mounts in the pattern's directory, too", FLAG, AT(root.glob_across_mounts)),
	ROW("protect-accidents-only", "", FILESYSTEM, "leave user namespaces inside possible, which undo the two", FLAG, AT(root.accidents_only)),
};
/* clang-format on */
const struct option_rows mask_option_rows = { rows, ARRAY_SIZE(rows) };

const struct op *mask_options_in_need_of_lock(const struct plan *plan)
{
	for (size_t i = 0; i < plan->root.n_ops && !plan->root.accidents_only; i++)
		if (plan_is_mask(&plan->root.ops[i]) &&
		    plan_mask_can_be_taken_off(plan, &plan->root.ops[i]))
			return &plan->root.ops[i];
	return NULL;
}

/* ---- contradictions ---- */

static problem check_one(const struct plan *plan, const struct op *op)
{
	const struct op *later = plan_who_uncovers(plan, op);
	if (!op->pattern && plan_is_root_path(op->inner_path))
		return problem_at(
			op->position,
			"PATH is the sandbox's root: it takes --remount-ro /, or a first operation that shows something else at /");
	if (later)
		return problem_at(later->position,
				  "covers %s, which %s is to %s: put it before that",
				  op->inner_path, position_text(op->position),
				  op->kind == OP_MASK ? "hide" : "keep");
	return NULL;
}

/* Whose capabilities are good for the mounts that we make. */
static problem check_privilege(const struct plan *plan, const struct shape *shape,
			       const struct op *op)
{
	const struct op *locked_for = shape->locked_for;
	bool has_own_copy = shape->second_namespaces & CLONE_NEWNS;
	if (shape->caps && (locked_for || !has_own_copy))
		return problem_at(
			op->position,
			"does not hold against the capabilities that COMMAND keeps: %s, or add --protect-accidents-only",
			options_given(plan, "--cap-add")
				? "leave out --cap-add, and give --unshare-user --cap-drop ALL"
				: "add --unshare-user --cap-drop ALL");
	if (!locked_for)
		return NULL;
	const struct fd_at others[] = { plan->ns.userns, plan->ns.userns2,
					plan->report.userns_block };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i].fd >= 0)
			return problem_at(
				others[i].position,
				"cannot be combined with %s, which lies in what COMMAND can write to and so takes a user namespace of our own, the last one; or add --protect-accidents-only",
				position_text(locked_for->position));
	return NULL;
}

problem mask_options_check(const struct plan *plan, const struct shape *shape)
{
	const struct op *first = NULL;
	bool has_pattern = false;
	problem bad = NULL;
	for (const struct op *op = plan->root.ops; !bad && op < plan->root.ops + plan->root.n_ops;
	     op++) {
		if (!plan_is_mask(op))
			continue;
		if (!first)
			first = op;
		has_pattern |= op->pattern != NULL;
		bad = check_one(plan, op);
	}
	if (!bad && !has_pattern && plan->root.glob_across_mounts)
		return option_refused(plan, "--glob-across-mounts",
				      "needs --mask-glob or --protect-glob");
	if (!bad && !first && plan->root.accidents_only)
		return option_refused(plan, "--protect-accidents-only",
				      "needs --mask or --protect");
	if (!bad && first && !plan->root.accidents_only)
		bad = check_privilege(plan, shape, shape->locked_for ? shape->locked_for : first);
	return bad;
}

/* ---- in words ---- */

const char *mask_text(const struct op *op)
{
	return arena_printf("%s %s %s%s",
			    op->kind == OP_MASK ? "hide" : "keep from change, with all above it,",
			    op->pattern ? "what matches now:" : "what is at", op->inner_path,
			    op->skip_missing ? ", if that can be had" : "");
}

static void list_paths(const struct plan *plan, enum op_kind kind, struct text *list,
		       const char *verb)
{
	bool has_begun = false;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		if (plan->root.ops[i].kind != kind)
			continue;
		text_add(list, "%s%s%s",
			 has_begun      ? ", "
			 : list->length ? "; "
					: "",
			 has_begun ? "" : verb, plan->root.ops[i].inner_path);
		has_begun = true;
	}
}

void mask_options_explain(const struct plan *plan, const struct shape *shape, struct text *text)
{
	struct text list = { 0 };
	list_paths(plan, OP_MASK, &list, "hidden: ");
	list_paths(plan, OP_PROTECT, &list, "kept: ");
	if (!list.length)
		return;
	explain_line(text, "", "%s", list.bytes);
	if (plan->root.accidents_only)
		explain_line(text, "",
			     "  against accidents only: a user namespace made inside undoes it");
	else if (shape->locked_for)
		explain_line(
			text, "",
			"  for that COMMAND gets a user namespace in which no other can be made");
}
