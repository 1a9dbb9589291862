/* mask-check.c - whether what was masked and protected is so once all operations are done.
 *
 * Nobody but us changes mounts of the new root before COMMAND starts, so what holds here holds then.
 */
#include "mount/mask-check.h"

#include "mount/mask-cover.h"
#include "mount/mask-pins.h"
#include "mount/mask-state.h"
#include "mount/mask-walk.h"
#include "mount/mask.h"
#include "mount/state.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

static const char *verb_of(const struct masked *masked)
{
	return masked->op->kind == OP_MASK ? "hide" : "protect";
}

static bool is_read_only(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && fs.f_flags & ST_RDONLY;
}

/* -1: there is nothing. */
static int look(const struct run *run, const char *path, int flags, struct kernel_statx *ret)
{
	int fd = path_open(run->root.fd, path, O_PATH | flags);
	if (fd >= 0 && sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
				 STATX_INO | STATX_MNT_ID, ret) < 0)
		close_fd(&fd);
	return fd;
}

/* ---- still covered ---- */

/* A later one that hides all of where this one is. */
static bool is_within_later(const struct run *run, const struct masked *masked)
{
	const struct masks *masks = run->mounts->masks;
	for (const struct masked *later = masked + 1; later < masks->items + masks->n; later++)
		if (later->op->kind == OP_MASK && later->shown.ino &&
		    path_is_within(masked->real, later->real))
			return true;
	return false;
}

static _Noreturn void die_uncovered(const struct run *run, const struct masked *masked,
				    uint64_t mount_id)
{
	const char *who = "a later operation";
	for (size_t i = (size_t) (masked->op - run->plan->root.ops); i < run->plan->root.n_ops; i++)
		if (mount_id && run->mounts->pins[i].mount_id == mount_id)
			who = position_text(run->plan->root.ops[i].position);
	die("%s: Can't %s %s: %s shows something else there; put it before that",
	    position_text(masked->op->position), verb_of(masked), masked->path, who);
}

static void check_covered(const struct run *run, const struct masked *masked)
{
	struct kernel_statx found = { 0 };
	bool is_object = masked->object.ino && !masked->is_stub;
	AUTO_CLOSE int fd = look(run, is_object ? masked->path : masked->real,
				 is_object ? 0 : O_NOFOLLOW, &found);
	bool is_shown = fd >= 0 && mask_is_same(mask_object_of(&found), masked->shown);
	if (is_shown && masked->is_own_tmpfs) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
		if (sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
			die_errno(errno, "%s: Can't make %s read-only",
				  position_text(masked->op->position), masked->path);
	}
	/* A cover is read-only in each of its mounts, and nobody makes ours writable. */
	bool holds =
		is_shown && found.stx_attributes & STATX_ATTR_MOUNT_ROOT &&
		(mask_cover_is_one(run, masked->shown) ||
		 (masked->mount_id && found.stx_mnt_id == masked->mount_id) || is_read_only(fd));
	if (!holds && !is_within_later(run, masked))
		die_uncovered(run, masked, found.stx_mnt_id);
}

/* It still is, and cannot be made where the way to it leads by now. */
static void check_missing(struct run *run, const struct masked *masked)
{
	struct mask_place place;
	mask_walk(run, masked->op, masked->path, false, &place);
	bool holds = !place.trouble && place.missing && !mask_can_make(run, &place);
	close_fd(&place.fd);
	if (!holds && !is_within_later(run, masked))
		die_uncovered(run, masked, place.mount_id);
}

/* By the words of the line nobody had to be kept from user namespaces, but a link may have led to where COMMAND
 * can write. */
static void check_lock(struct run *run, const struct masked *masked)
{
	struct mask_place place;
	if (run->shape.userns_disabled || run->plan->root.accidents_only || !masked->was_writable)
		return;
	mask_walk(run, masked->op, masked->path, false, &place);
	close_fd(&place.fd);
	if (place.writable && !(masked->was_mount_root && place.is_at_the_end))
		die("%s: Can't %s %s: it leads to %s, where COMMAND can write and, from a user namespace made inside, take it off: name that place, or add --unshare-user --disable-userns",
		    position_text(masked->op->position), verb_of(masked), masked->path,
		    place.writable);
}

/* ---- a second path ---- */

/* Both as mask_place_text() has them: what is nowhere on the host is not within its root. */
static bool is_within(const char *place, const char *top)
{
	return path_is_within(place, top) && !(streq(top, "/") && strncmp(place, "//", 2) == 0);
}

/* The op shows, to be written to, a part of what is protected: elsewhere, or it would be a hole that was wanted. What
 * is missing has no parts: nothing of its name can be made in its directory, whatever else lies there. */
static void check_part(const struct run *run, const struct masked *masked, const char *object,
		       const struct op *op, const char *source)
{
	struct kernel_statx found;
	if (masked->op->kind != OP_PROTECT || masked->parent.ino || !is_within(source, object) ||
	    streq(source, object) || plan_path_below(op->inner_path, masked->path))
		return;
	AUTO_CLOSE int fd = look(run, op->inner_path, 0, &found);
	if (fd >= 0 && found.stx_mnt_id == run->mounts->pins[op - run->plan->root.ops].mount_id &&
	    !is_read_only(fd))
		die("%s: Can't protect %s: %s shows a part of it, %s, which can be written to there",
		    position_text(masked->op->position), masked->path, position_text(op->position),
		    op->inner_source ? op->inner_source : source);
}

/* A mount lies on what the way leads through, and user namespaces, in which it would not, cannot be made; or they can,
 * but there the mount is locked at this very path. */
static bool is_held(const struct run *run, const struct masked *passed, const char *inner)
{
	struct kernel_statx found;
	if ((run->shape.userns_disabled || run->plan->root.accidents_only) &&
	    (passed->was_mount_root || mask_is_pinned(run, passed->object)))
		return true;
	AUTO_CLOSE int fd = look(run, inner, O_NOFOLLOW, &found);
	return fd >= 0 && found.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* The directory in which nothing can be made or replaced by the path that was given. */
static void check_room(const struct run *run, const struct masked *masked, const struct op *op,
		       const char *inner, bool is_layer)
{
	struct kernel_statx found;
	AUTO_CLOSE int fd = look(run, inner, O_NOFOLLOW, &found);
	if (fd < 0 || is_read_only(fd) || !mask_can_make_in(run, fd) ||
	    !(is_layer || mask_is_same(mask_object_of(&found), masked->parent)))
		return;
	const char *way = !masked->name ? NULL
					: arena_printf("%s%s%s", inner,
						       streq(inner, "/") ? "" : "/", masked->name);
	if (way && !is_held(run, masked, way))
		die("%s: Can't %s %s: the way to it leads through %s, which COMMAND can replace by another path, %s, that %s shows; make that one read-only",
		    position_text(masked->op->position), verb_of(masked), masked->path,
		    masked->name, way, position_text(op->position));
	if (!way)
		die("%s: Can't %s %s: it does not exist, and %s lets COMMAND make it, in %s",
		    position_text(masked->op->position), verb_of(masked), masked->path,
		    position_text(op->position), inner);
}

/* The op at `inner` shows what `outer`, a place on the host, is or has in it. */
static void check_view(const struct run *run, const struct masked *masked, const char *object,
		       const struct op *op, const char *outer, bool is_layer)
{
	struct kernel_statx found;
	if (!is_within(object, outer))
		return;
	const char *rest = skip_slashes(object + strlen(outer));
	const char *inner =
		plan_is_root_path(op->inner_path)
			? arena_join("/", rest)
			: arena_printf("%s%s%s", op->inner_path, *rest ? "/" : "", rest);
	if (masked->parent.ino) {
		check_room(run, masked, op, inner, is_layer);
		return;
	}
	if (streq(inner, masked->real)) /* there it is covered */
		return;
	AUTO_CLOSE int fd = look(run, inner, O_NOFOLLOW, &found);
	bool may_be_seen = masked->op->kind == OP_PROTECT || masked->is_stub;
	if (fd < 0 || (may_be_seen && is_read_only(fd)) ||
	    (is_layer ? mask_is_same(mask_object_of(&found), masked->shown)
		      : !mask_is_same(mask_object_of(&found), masked->object)))
		return;
	die("%s: Can't %s %s: %s shows it once more, at %s", position_text(masked->op->position),
	    verb_of(masked), masked->path, position_text(op->position), inner);
}

static void check_paths(const struct run *run, const struct masked *masked, const char *object,
			bool is_layer)
{
	static const struct op root = { .inner_path = "/",
					.position = { .option = "the new root" } };
	const struct plan *plan = run->plan;
	if (masked->tree || is_layer)
		check_view(run, masked, object, &root, mask_place_text(run, NULL, ""), is_layer);
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct op *op = &plan->root.ops[i];
		const struct pin *pin = &run->mounts->pins[i];
		/* What covers its own place was looked at. */
		if (pin->mount_id && (op != masked->tree || is_layer)) {
			const char *source = mask_place_text(run, op, "");
			check_view(run, masked, object, op, source, is_layer);
			check_part(run, masked, object, op, source);
		}
		if (pin->inner_source && !is_layer) { /* with all that was mounted there */
			check_view(run, masked, masked->real, op, pin->inner_source, false);
			check_part(run, masked, masked->real, op, pin->inner_source);
		}
		for (size_t j = 0; pin->layer_sources && pin->layer_sources[j]; j++)
			if ((masked->op->kind == OP_MASK && !masked->parent.ino) ||
			    (op->overlay->upper.path && !pin->layer_sources[j + 1]))
				check_view(run, masked, object, op, pin->layer_sources[j], true);
	}
}

static void check_second_paths(const struct run *run, const struct masked *masked)
{
	if (!masked->object.ino && !masked->parent.ino)
		return;
	check_paths(run, masked, mask_place_text(run, masked->tree, masked->below), false);
	const struct pin *pin =
		masked->tree ? &run->mounts->pins[masked->tree - run->plan->root.ops] : NULL;
	for (size_t i = 0; pin && pin->layer_sources && pin->layer_sources[i]; i++) {
		const char *below = skip_slashes(masked->below), *layer = pin->layer_sources[i];
		check_paths(run, masked,
			    *below ? arena_printf("%s/%s", streq(layer, "/") ? "" : layer, below)
				   : layer,
			    true);
	}
}

void mask_check(struct run *run)
{
	struct masks *masks = run->mounts->masks;
	if (masks) {
		mask_walk_forget(run); /* what is read-only now counts */
		mask_pins_close(run);
	}
	for (size_t i = 0; masks && i < masks->n; i++) {
		struct masked *masked = &masks->items[i];
		if (masked->shown.ino)
			check_covered(run, masked);
		else
			check_missing(run, masked);
		check_lock(run, masked);
		check_second_paths(run, masked);
	}
	for (size_t i = 0; masks && i < masks->n_passed; i++)
		check_second_paths(run, &masks->passed[i]);
}
