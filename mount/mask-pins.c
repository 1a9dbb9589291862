/* mask-pins.c - what keeps a directory or link from being renamed and removed.
 *
 * rename(2), rmdir(2) and unlink(2) answer EBUSY for an entry that any mount of the caller's mount namespace
 * lies on, whatever that is mounted over (is_local_mountpoint()). So a pin is a mount in a second view of the
 * tree, a clone that is attached in the scratch tmpfs, below the new root, where no path leads: look-ups in
 * the visible tree never meet it, and no rename in there crosses a mount. Each depth has a view of its own, so that no
 * look-up of what is to be pinned there meets a pin above it: any mount will do for one.
 *
 * Must not: attach anything where COMMAND could see it.
 */
#include "mount/mask-pins.h"

#include "bind-mount.h"
#include "mount/mask-cover.h"
#include "mount/mask-state.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <string.h>

/* A second view of a mount, for what lies at one depth below its top. The kernel looks at all that is mounted in it when a
 * part of it is cloned (mask_pins_clone()), so it has room for not too many. */
struct view {
	uint64_t of_mount_id;
	size_t depth, n_pins;
};
enum { MOST_PINS = 64 };

/* What is pinned in one. */
struct pinned {
	uint64_t of_mount_id;
	const char *below;
	struct mask_object object;
	bool has_names; /* others, by which it is not pinned */
};

struct mask_pins {
	struct view *views;
	size_t n_views, capacity_views;
	struct pinned *items;
	size_t n, capacity;
	size_t open_view; /* that was used last: its number, which is in its name in the scratch tmpfs */
	int open_fd;
	int last_fd; /* the directory that was pinned last, in its view; -1: none */
};

_Noreturn void mask_die_changed(const struct op *op, const char *path)
{
	die("%s: %s was changed while the sandbox was set up", position_text(op->position), path);
}

/* EINVAL: the host's mounts below are locked, and come along or not at all (mount_namespaces(7)). */
static int clone_top(const struct op *op, int fd)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int clone = sys_open_tree(fd, "", flags);
	if (clone < 0 && errno == EINVAL)
		clone = sys_open_tree(fd, "", flags | AT_RECURSIVE);
	if (clone < 0)
		die_errno(errno, "%s: Can't clone what is above %s", position_text(op->position),
			  op->inner_path);
	return clone;
}

/* Returns its top. */
static int make_view(struct run *run, const struct op *op, const struct mask_mount *mount,
		     const char *name)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	struct kernel_statx status;
	AUTO_CLOSE int top_fd = path_open(run->root.fd, mount->top, O_PATH | O_DIRECTORY);
	if (top_fd < 0 ||
	    sys_statx(top_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) < 0 ||
	    status.stx_mnt_id != mount->id)
		mask_die_changed(op, op->inner_path);
	int clone = clone_top(op, top_fd);
	if (sys_mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
	    mkdirat(run->mounts->scratch.fd, name, 0700) < 0)
		die_errno(errno, "%s: Can't make a second view", position_text(op->position));
	bind_attach(op, clone, run->mounts->scratch.fd, name);
	return clone;
}

static bool has_room(const struct view *view, const struct mask_mount *mount, size_t depth)
{
	return view->of_mount_id == mount->id && view->depth == depth && view->n_pins < MOST_PINS;
}

/* The top of one in which to pin, as pins->open_fd. */
static void open_view(struct run *run, const struct op *op, const struct mask_mount *mount,
		      size_t depth)
{
	struct mask_pins *pins = run->mounts->masks->pins;
	if (pins->open_fd >= 0 && has_room(&pins->views[pins->open_view], mount, depth))
		return;
	size_t i = 0;
	while (i < pins->n_views && !has_room(&pins->views[i], mount, depth))
		i++;
	const char *name = arena_join("view", arena_number(i, 10));
	close_fd(&pins->open_fd);
	pins->open_view = i;
	if (i < pins->n_views) {
		pins->open_fd =
			openat(run->mounts->scratch.fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (pins->open_fd < 0)
			die_errno(errno, "%s: Can't open a second view",
				  position_text(op->position));
		return;
	}
	pins->open_fd = make_view(run, op, mount, name);
	pins->views =
		arena_grow(pins->views, pins->n_views, &pins->capacity_views, sizeof(*pins->views));
	pins->views[pins->n_views++] = (struct view){ .of_mount_id = mount->id, .depth = depth };
}

static size_t depth_of(const char *below)
{
	size_t depth = 0;
	while ((below = strchr(below, '/'))) {
		below++;
		depth++;
	}
	return depth;
}

/* Of what has several names each is pinned: a link can have them. */
static bool is_pinned(const struct mask_pins *pins, const struct mask_mount *mount,
		      const char *below, struct mask_object found)
{
	for (size_t i = pins->n; i-- > 0;) {
		const struct pinned *pin = &pins->items[i];
		if (mask_is_same(pin->object, found) && pin->of_mount_id == mount->id &&
		    streq(pin->below, below))
			return true;
	}
	return false;
}

bool mask_is_pinned(const struct run *run, struct mask_object object)
{
	const struct mask_pins *pins = run->mounts->masks->pins;
	for (size_t i = 0; pins && i < pins->n; i++)
		if (mask_is_same(pins->items[i].object, object) && !pins->items[i].has_names)
			return true;
	return false;
}

void mask_pin(struct run *run, const struct op *op, const struct mask_mount *mount,
	      const char *below, const struct kernel_statx *found)
{
	struct mask_object object = mask_object_of(found), cover;
	struct mask_pins *pins = run->mounts->masks->pins;
	if (!pins) {
		pins = run->mounts->masks->pins = arena_alloc(sizeof(*pins));
		pins->open_fd = pins->last_fd = -1;
	}
	struct kernel_statx status;
	if (is_pinned(pins, mount, below, object))
		return;
	open_view(run, op, mount, depth_of(below));
	AUTO_CLOSE int there = path_open(pins->open_fd, below, O_PATH | O_NOFOLLOW);
	if (there < 0 ||
	    sys_statx(there, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &status) < 0 ||
	    !mask_is_same(mask_object_of(&status), object))
		mask_die_changed(op, op->inner_path);
	AUTO_CLOSE int clone =
		mask_cover_clone(run, op, S_ISLNK(found->stx_mode) ? S_IFREG : S_IFDIR, &cover);
	bind_attach(op, clone, there, "");
	pins->items = arena_grow(pins->items, pins->n, &pins->capacity, sizeof(*pins->items));
	pins->items[pins->n++] =
		(struct pinned){ .of_mount_id = mount->id,
				 .below = arena_string(below),
				 .object = object,
				 .has_names = !S_ISDIR(found->stx_mode) && found->stx_nlink > 1 };
	pins->views[pins->open_view].n_pins++;
	close_fd(&pins->last_fd);
	pins->last_fd = there;
	there = -1;
}

int mask_pins_clone(const struct run *run, const struct mask_place *place)
{
	const struct mask_pins *pins = run->mounts->masks->pins;
	const struct pinned *last = pins && pins->n ? &pins->items[pins->n - 1] : NULL;
	if (!last || !place->name || place->is_mount_root || last->of_mount_id != place->mount_id ||
	    !mask_is_same(last->object, place->parent) || S_ISDIR(place->status.stx_mode))
		return -1;
	return sys_open_tree(pins->last_fd, place->name,
			     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
}

void mask_pins_close(const struct run *run)
{
	struct mask_pins *pins = run->mounts->masks->pins;
	if (!pins)
		return;
	close_fd(&pins->open_fd);
	close_fd(&pins->last_fd);
}
