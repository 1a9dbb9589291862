/* mask-check.c - whether what was masked and protected is so once all operations are done.
 *
 * Nobody but us changes mounts of the new root before COMMAND starts, so what holds here holds then. And what was read
 * back when it was attached holds where only masks and protections came after it: they show nothing but what covers, or
 * what is there, covers included, once more and read-only; and no link leads there that could lead elsewhere now.
 */
#include "mount/mask-check.h"

#include "mount/mask-cover.h"
#include "mount/mask-paths.h"
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
	    position_text(masked->op->position), mask_verb(masked->op), masked->path, who);
}

static void check_covered(const struct run *run, const struct masked *masked)
{
	struct kernel_statx found = { 0 };
	if (masked->stays_covered)
		return;
	bool is_object = masked->object.ino && !masked->is_stub;
	AUTO_CLOSE int fd = mask_look(run, is_object ? masked->path : masked->real,
				      is_object ? 0 : O_NOFOLLOW, &found);
	bool is_shown = fd >= 0 && mask_is_same(mask_object_of(&found), masked->shown);
	if (is_shown && masked->is_own_tmpfs) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
		if (sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
			die_errno(errno, "%s: Can't make %s read-only",
				  position_text(masked->op->position), masked->path);
	}
	/* A cover is read-only in each of its mounts. */
	bool holds = is_shown && found.stx_attributes & STATX_ATTR_MOUNT_ROOT &&
		     (mask_cover_is_one(run, masked->shown) || mask_is_read_only(fd));
	if (!holds && !is_within_later(run, masked))
		die_uncovered(run, masked, found.stx_mnt_id);
}

/* It still is, and cannot be made where the way to it leads by now. */
static void check_missing(struct run *run, const struct masked *masked)
{
	struct mask_place place;
	mask_walk(run, masked->op, masked->path, false, &place);
	bool is_as_before = place.tree == masked->tree && streq(place.real, masked->real);
	bool holds = !place.trouble && place.missing &&
		     (masked->is_stub ? is_as_before : !mask_can_make(run, &place));
	close_fd(&place.fd);
	if (!holds && !is_within_later(run, masked))
		die_uncovered(run, masked, masked->is_stub ? 0 : place.mount_id);
}

/* By the words of the line nobody had to be kept from user namespaces, but a link may have led to where COMMAND
 * can write. */
static void check_lock(struct run *run, const struct masked *masked)
{
	struct mask_place place;
	if (mask_mounts_stay(run) || !masked->was_writable)
		return;
	mask_walk(run, masked->op, masked->path, false, &place);
	close_fd(&place.fd);
	if (place.writable && !(masked->was_mount_root && place.is_at_the_end))
		die("%s: Can't %s %s: it leads to %s, where COMMAND can write and, from %s, take it off: name that place%s",
		    position_text(masked->op->position), mask_verb(masked->op), masked->path,
		    place.writable,
		    run->shape.caps ? "a mount namespace of its own"
				    : "a user namespace made inside",
		    run->shape.caps ? "" : ", or add --unshare-user --disable-userns");
}

void mask_check(struct run *run)
{
	struct masks *masks = run->mounts->masks;
	if (!masks)
		return;
	mask_walk_forget(run); /* what is read-only now counts */
	mask_pins_close(run);
	for (size_t i = 0; i < masks->n; i++) {
		struct masked *masked = &masks->items[i];
		if (masked->shown.ino)
			check_covered(run, masked);
		else
			check_missing(run, masked);
		check_lock(run, masked);
	}
	mask_paths_check(run);
	mask_walk_forget(run);
}
