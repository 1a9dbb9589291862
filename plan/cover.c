/* cover.c - which operation covers what, by the words of the plan, and what COMMAND can make of it.
 *
 * Pure: links, and what is missing on the host, are nothing that words tell.
 */
#include "plan/cover.h"

#include "plan/operand.h"
#include "plan/pattern.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "utils.h"

#include <string.h>

bool plan_is_mask(const struct op *op)
{
	return op->kind == OP_MASK || op->kind == OP_PROTECT;
}

bool plan_is_private_file(const struct op *op)
{
	return op->kind >= OP_DATA && op->kind <= OP_HOSTS;
}

static bool is_mounted(const struct op *op)
{
	return (op->kind <= OP_MQUEUE && op->kind != OP_REMOUNT_RO) || plan_is_private_file(op) ||
	       (plan_is_mask(op) && !op->pattern);
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
	const char *path = normal_path(op->inner_path);
	for (;;) {
		const struct op *cover = find_cover(plan, is_missing, n, path);
		const struct op *remount = find_remount(plan, n, cover);
		if (remount || !cover || cover->read_only || plan_is_mask(cover))
			return remount ? remount : cover;
		if (cover->kind != OP_BIND_INNER)
			return NULL;
		n = (size_t) (cover - plan->root.ops);
		path = normal_path(cover->inner_source);
	}
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

const char *plan_mounts_on_overlay(const struct plan *plan, const struct op *overlay)
{
	struct text list = { 0 };
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (may_lie_on(plan, overlay, &plan->root.ops[i]))
			text_add(&list, "%s%s", list.length ? ", " : "",
				 position_text(plan->root.ops[i].position));
	return list.bytes;
}

const struct op *plan_as_asked(const struct op *op)
{
	return op->asked ? op->asked : op;
}

bool plan_stays_writable(const struct plan *plan, const struct op *op)
{
	size_t n = plan->root.n_ops;
	while (op && !find_remount(plan, n, op)) {
		const struct op *asked = plan_as_asked(op);
		if (asked->read_only || asked->mount_flags & MOUNT_ATTR_RDONLY)
			return false;
		if (op->kind != OP_BIND_INNER)
			return asked->kind == OP_OVERLAY ? asked->overlay->upper.path != NULL
							 : asked->kind == OP_BIND;
		n = (size_t) (op - plan->root.ops);
		op = find_cover(plan, NULL, n, normal_path(op->inner_source));
	}
	return false;
}

const char *plan_op_risk(const struct plan *plan, const struct op *op, const bool *is_missing,
			 bool userns_disabled)
{
	bool protects = ((op->kind == OP_BIND || op->kind == OP_BIND_INNER) && op->read_only) ||
			op->kind == OP_OVERLAY || op->kind == OP_TMPFS || op->kind == OP_DATA ||
			op->kind == OP_RESOLV_CONF || op->kind == OP_HOSTS ||
			op->kind == OP_REMOUNT_RO;
	const char *path = protects ? normal_path(op->inner_path) : NULL;
	if (!protects)
		return NULL;
	struct text covers = { 0 }, risks = { 0 };
	bool on_bind = false, is_deep = false;
	/* What stands on another's top goes with that one; what may be missing may cover nothing. */
	for (const struct op *cover = op;
	     (cover = find_cover(plan, is_missing, (size_t) (cover - plan->root.ops), path));) {
		const char *rest = rest_below(cover, path);
		if (*rest && plan_stays_writable(plan, cover)) {
			text_add(&covers, "%s%s", covers.length ? " or " : "",
				 position_text(cover->position));
			on_bind |= cover->kind != OP_OVERLAY;
			is_deep |= strchr(rest, '/') != NULL;
		}
		if (*rest && (is_missing || !cover->skip_missing))
			break;
	}
	if (is_deep)
		text_add(&risks,
			 "; COMMAND can put something else in place of a directory above it");
	if (!userns_disabled)
		text_add(&risks, "; without --disable-userns COMMAND can take it off");
	if (on_bind) /* an overlay does not look for changes of what is below it */
		text_add(&risks, "; whoever renames or removes it on the host takes it off");
	return covers.length && risks.length ? arena_printf("it lies in what %s shows writable: %s",
							    covers.bytes, risks.bytes + 2)
					     : NULL;
}

/* ---- masks ---- */

/* For a pattern, which may match many, any name in the directory where the first can be. */
static const char *mask_path(const struct op *mask)
{
	return normal_path(mask->pattern ? arena_join(mask->pattern->base, "/*")
					 : mask->inner_path);
}

bool plan_can_be_written(const struct plan *plan, const struct op *cover)
{
	bool writable = !cover || !plan_as_asked(cover)->read_only;
	if (cover && cover->kind == OP_OVERLAY)
		writable &= cover->overlay->writable;
	else if (cover)
		writable &= cover->kind != OP_PROC && cover->kind != OP_PROC_PID &&
			    cover->kind != OP_PROC_TRY && !plan_is_mask(cover);
	return writable && !find_remount(plan, plan->root.n_ops, cover);
}

/* Whether a mount in the pattern's directory, which is looked into as well, can be written to. */
static bool finds_writable_mounts(const struct plan *plan, const struct op *mask)
{
	if (!mask->pattern || !plan->root.glob_across_mounts)
		return false;
	struct op base = { .inner_path = mask->pattern->base };
	for (const struct op *op = plan->root.ops; op < mask; op++)
		if (is_mounted(op) && rest_below(&base, normal_path(op->inner_path)) &&
		    plan_can_be_written(plan, op))
			return true;
	return false;
}

bool plan_mask_can_be_taken_off(const struct plan *plan, const struct op *mask)
{
	const char *path = mask_path(mask);
	if (finds_writable_mounts(plan, mask))
		return true;
	/* What a mount of its own shows goes with that mount, but may be in a tree below it once more. */
	bool is_direct = true;
	for (size_t n = (size_t) (mask - plan->root.ops);;) {
		const struct op *cover = find_cover(plan, NULL, n, path);
		const char *rest = cover ? rest_below(cover, path) : path;
		bool counts = is_direct ||
			      (cover && (cover->kind == OP_BIND || cover->kind == OP_BIND_INNER ||
					 cover->kind == OP_OVERLAY));
		if (counts && *rest && plan_can_be_written(plan, cover))
			return true;
		if (!cover)
			return false;
		n = (size_t) (cover - plan->root.ops);
		if (!cover->skip_missing) {
			path = normal_path(cover->inner_path);
			is_direct = false;
		}
	}
}

const struct op *plan_who_uncovers(const struct plan *plan, const struct op *mask)
{
	const char *path = mask_path(mask);
	for (const struct op *op = mask + 1; op < plan->root.ops + plan->root.n_ops; op++)
		if (is_mounted(op) && !plan_is_mask(op) && !op->skip_missing &&
		    rest_below(op, path))
			return op;
	return NULL;
}

/* Whether, by the words of the plan, something of `op` is shown elsewhere before the first n are done. */
static bool is_taken_along(const struct plan *plan, const struct op *op, size_t n)
{
	const char *path = normal_path(op->inner_path);
	for (const struct op *other = op + 1; other < plan->root.ops + n; other++) {
		if (other->kind != OP_BIND_INNER)
			continue;
		struct op source = { .inner_path = other->inner_source };
		if (rest_below(&source, path) || rest_below(op, normal_path(other->inner_source)))
			return true;
	}
	return false;
}

static const struct op *who_hides(const struct plan *plan, const struct op *op)
{
	const char *path = normal_path(op->inner_path);
	bool makes = op->kind == OP_DIR || op->kind == OP_FILE || op->kind == OP_SYMLINK;
	if (plan_is_mask(op) || !(is_mounted(op) || makes))
		return NULL;
	for (const struct op *over = op + 1; over < plan->root.ops + plan->root.n_ops; over++) {
		const char *rest = is_mounted(over) && !plan_is_mask(over) && !over->skip_missing &&
						   over->kind != OP_HOSTS
					   ? rest_below(over, path)
					   : NULL;
		/* A directory or a file may be made for what is mounted there, and a link is followed. */
		if (rest && (*rest || !makes))
			return is_taken_along(plan, op, (size_t) (over - plan->root.ops)) ? NULL
											  : over;
	}
	return NULL;
}

/* Whether the path or what is above it matches the pattern, by their words. */
static bool pattern_has(const struct pattern *pattern, const char *path)
{
	const char *name = plan_path_below(path, *pattern->base ? pattern->base : "/");
	pattern_set at = pattern_start(pattern);
	bool is_match = false;
	for (size_t n; name && !is_match && *(name = skip_slashes(name)); name += n) {
		n = strcspn(name, "/");
		at = pattern_step(pattern, at, arena_copy(name, n), &is_match);
	}
	return is_match;
}

const struct op *plan_find_mask(const struct plan *plan, enum op_kind kind, const char *path)
{
	for (const struct op *op = plan->root.ops + plan->root.n_ops; op-- > plan->root.ops;)
		if (op->kind == kind &&
		    (op->pattern ? pattern_has(op->pattern, path)
				 : plan_path_below(path, op->inner_path) != NULL))
			return op;
	return NULL;
}

const struct op *plan_who_keeps(const struct plan *plan, const char *path)
{
	for (const struct op *op = plan->root.ops + plan->root.n_ops; op-- > plan->root.ops;) {
		const char *below = is_mounted(op) ? plan_path_below(op->inner_path, path) : NULL;
		if (below && (plan_is_mask(op) || !*below))
			return op;
	}
	return NULL;
}

const char *plan_first_hidden(const struct plan *plan)
{
	for (const struct op *op = plan->root.ops; op < plan->root.ops + plan->root.n_ops; op++) {
		bool shows = op->kind == OP_BIND || op->kind == OP_OVERLAY;
		const struct op *over = shows ? who_hides(plan, op) : NULL;
		if (over)
			return arena_printf("%s hides what %s shows", position_text(over->position),
					    position_text(op->position));
	}
	return NULL;
}

const char *plan_op_hidden(const struct plan *plan, const struct op *op)
{
	const struct op *over = who_hides(plan, op);
	return over ? arena_printf("hidden by %s: put that first, or leave this out",
				   position_text(over->position))
		    : NULL;
}

const char *plan_pattern_option(const struct op *op)
{
	if (!plan_is_mask(op) || op->pattern || !strpbrk(op->inner_path, "*?["))
		return NULL;
	return op->kind == OP_MASK ? "--mask-glob" : "--protect-glob";
}

const char *plan_op_mistake(const struct plan *plan, const struct op *op)
{
	const char *hidden = plan_op_hidden(plan, op);
	struct text text = { 0 };
	if (!op->pattern && op->inner_path[0] != '/')
		text_add(&text, "; %s is relative, and /%s inside", op->inner_path,
			 normal_path(op->inner_path));
	const char *engines = strrchr(op->inner_path, ':');
	if (engines && (operand_choice(":ro :rw :z :Z :U", engines) >= 0 ||
			strncmp(engines, ":size=", 6) == 0))
		text_add(
			&text,
			"; its name ends with %s: --ro-bind is read-only, and --size stands before --tmpfs",
			engines);
	if (plan_pattern_option(op))
		text_add(&text, "; it is a path: %s takes a pattern", plan_pattern_option(op));
	for (const struct op *link = plan->root.ops; !op->pattern && link < op; link++) {
		const char *rest = link->kind == OP_SYMLINK
					   ? rest_below(link, normal_path(op->inner_path))
					   : NULL;
		const struct op *hides_link = rest && *rest ? who_hides(plan, link) : NULL;
		if (rest && *rest && (!hides_link || hides_link > op))
			text_add(&text, "; the link of %s leads there by %s",
				 position_text(link->position), link->text);
	}
	if (hidden)
		text_add(&text, "; %s", hidden);
	return text.length ? text.bytes + 2 : NULL;
}

static bool lies_in_written_bind(const struct plan *plan, const struct op *mask)
{
	const char *path = normal_path(mask->inner_path);
	for (size_t n = (size_t) (mask - plan->root.ops);;) {
		const struct op *cover = find_cover(plan, NULL, n, path);
		if (!cover)
			return false;
		if (cover->kind == OP_BIND && *rest_below(cover, path) &&
		    plan_can_be_written(plan, cover))
			return true;
		if (!cover->skip_missing)
			return false;
		n = (size_t) (cover - plan->root.ops);
	}
}

const struct op *plan_mask_in_need_of_stub(const struct plan *plan)
{
	for (const struct op *op = plan->root.ops; op < plan->root.ops + plan->root.n_ops; op++)
		if (plan_is_mask(op) && !op->pattern && !op->skip_missing &&
		    lies_in_written_bind(plan, op))
			return op;
	return NULL;
}

bool plan_goes_on_below(const struct plan *plan, const struct op *mask)
{
	for (const struct op *op = mask + 1; op < plan->root.ops + plan->root.n_ops; op++) {
		if (plan_is_mask(op))
			continue;
		const char *rest = rest_below(mask, normal_path(op->inner_path));
		if (rest && *rest)
			return true;
	}
	return false;
}

const char *plan_path_below(const char *path, const char *top)
{
	struct op op = { .inner_path = top };
	return rest_below(&op, normal_path(path));
}

bool plan_is_root_path(const char *path)
{
	return !*normal_path(path);
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
