/* mask-paths.c - whether what is masked or protected can be had at a second path.
 *
 * Paths do not tell: the host may show one directory at two of them, and what was covered here may be shown anew
 * (level.c). So it is asked where in which file system a thing lies, and what other mounts show of that. An overlay is a
 * file system of its own: what it shows comes from its layers, which are known by their paths on the host.
 */
#include "mount/mask-paths.h"

#include "bind-mount.h"
#include "mount/mask-cover.h"
#include "mount/mask-pins.h"
#include "mount/mask-state.h"
#include "mount/mask-walk.h"
#include "mount/mask.h"
#include "mount/state.h"
#include "plan/cover.h"
#include "plan/lines.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/mountinfo.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <string.h>

/* Where something is, whatever path leads to it. */
struct spot {
	uint64_t device; /* mountinfo's, which on btrfs is not that of stat(2) */
	const char *path;
};

/* A mount in the new root, but for what covers. */
struct view {
	uint64_t id;
	const char *inner;
	struct spot spot;
	const struct op *op; /* that has brought it */
	bool is_named;       /* by that one, and not something that lay below its source */
	bool is_stored;      /* and no interface of the kernel's */
	bool is_tried;       /* read-only for a rehearsal alone */
};

struct mask_mounts {
	const struct mountinfo *mounts;
	size_t n;
};

struct paths {
	const struct run *run;
	const struct mountinfo *mounts;
	size_t n_mounts;
	const char *top; /* where the new root is */
	struct view *views;
	size_t n_views;
	bool has_subvolumes;
};

static const struct op new_root = { .inner_path = "/", .position = { .option = "the new root" } };

/* What of `path` lies behind `top`, which it is within. */
static const char *behind(const char *path, const char *top)
{
	return skip_slashes(path + strlen(top));
}

static const char *below(const char *top, const char *rest)
{
	return *rest ? arena_join(streq(top, "/") ? "" : top, arena_join("/", rest)) : top;
}

static struct pin *pin_of(const struct run *run, const struct op *op)
{
	return &run->mounts->pins[op - run->plan->root.ops];
}

/* ---- on the host ---- */

/* NFS does not tell its mounts' roots; their paths tell as much as can be known then. */
static struct spot spot_on_host(const struct mountinfo *mount)
{
	return (struct spot){ mount->device, mount->root ? mount->root : mount->point };
}

/* Which mount a path leads to; NULL: it is not below / (chroot). */
static const struct mountinfo *find_host_mount(const struct run *run, const char *path)
{
	const struct mask_mounts *host = run->mounts->masks->host;
	const struct mountinfo *last = NULL;
	for (const struct mountinfo *mount = host->mounts; mount < host->mounts + host->n; mount++)
		if (path_is_within(path, mount->point) &&
		    (!last || path_is_within(mount->point, last->point)))
			last = mount;
	return last;
}

static struct spot find_on_host(const struct run *run, const struct op *op, const char *path)
{
	const struct mountinfo *last = find_host_mount(run, path);
	if (!last)
		die("%s: Can't tell which mount the layer %s is on, which may show what is masked or protected",
		    position_text(op->position), path);
	struct spot spot = spot_on_host(last);
	spot.path = below(spot.path, behind(path, last->point));
	return spot;
}

static struct mask_mounts *read_mounts(const struct run *run)
{
	struct mask_mounts *ret = arena_alloc(sizeof(*ret));
	ret->mounts = mountinfo_read(run->host->proc_fd, &ret->n);
	if (!ret->mounts)
		die_errno(errno, "Can't read /proc/self/mountinfo");
	return ret;
}

static const char *find_layer(const struct run *run, const struct op *op, const struct layer *layer)
{
	AUTO_CLOSE int fd = layer->path ? open(layer->path, O_PATH | O_CLOEXEC)
					: fcntl(layer->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		die_errno(errno, "%s: Can't look at the layer", position_text(layer->position));
	const char *path = bind_shown_path(run, layer->position, fd);
	find_on_host(run, op, path);
	return path;
}

void mask_paths_prepare(const struct run *run)
{
	struct masks *masks = run->mounts->masks;
	if (masks && run->plan->rehearses)
		masks->host = read_mounts(run);
}

void mask_paths_note_layers(const struct run *run, const struct op *op)
{
	const struct overlay *overlay = plan_as_asked(op)->overlay;
	const char **sources = arena_alloc((overlay->n_layers + 2) * sizeof(*sources));
	struct masks *masks = run->mounts->masks;
	if (!masks)
		return;
	if (!masks->host)
		masks->host = read_mounts(run);
	for (size_t i = 0; i < overlay->n_layers; i++)
		sources[i] = find_layer(run, op, &overlay->layers[i]);
	if (overlay->upper.path)
		sources[overlay->n_layers] = find_layer(run, op, &overlay->upper);
	pin_of(run, op)->layer_sources = sources;
}

/* ---- the mounts ---- */

void mask_paths_note_mounts(const struct run *run, const struct op *op)
{
	struct masks *masks = run->mounts->masks;
	bool shows = masks->hides && masks->protects; /* what is hidden elsewhere */
	if (!masks->mounts && !shows && mask_is_last(run, op))
		masks->mounts = read_mounts(run);
}

static const struct mountinfo *find_mount(const struct paths *paths, uint64_t id)
{
	for (size_t i = 0; i < paths->n_mounts; i++)
		if (paths->mounts[i].id == id)
			return &paths->mounts[i];
	return NULL;
}

/* The same, or what is shown once more by a protection that came after all were looked at. */
static const struct mountinfo *find_shown(const struct paths *paths, uint64_t id)
{
	const struct masks *masks = paths->run->mounts->masks;
	const struct mountinfo *mount = find_mount(paths, id);
	for (size_t i = masks->n; !mount && i-- > 0;)
		if (masks->items[i].mount_id == id) {
			id = masks->items[i].below_id;
			mount = find_mount(paths, id);
		}
	return mount;
}

/* The operation that it is of, or that the mount which it lies on is of, and so on. */
static const struct op *find_owner(const struct paths *paths, const struct mountinfo *mount,
				   const struct mountinfo **ret_named)
{
	const struct root_plan *root = &paths->run->plan->root;
	for (; mount; mount = find_mount(paths, mount->parent_id)) {
		*ret_named = mount;
		for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++)
			if (pin_of(paths->run, op)->mount_id == mount->id)
				return op;
		if (mount->parent_id == mount->id)
			break;
	}
	return &new_root;
}

static struct spot spot_of(const struct paths *paths, const struct mountinfo *mount)
{
	const struct mountinfo *named;
	if (mount->root)
		return (struct spot){ mount->device, mount->root };
	const struct op *op = find_owner(paths, mount, &named);
	const char *source = op == &new_root ? NULL : pin_of(paths->run, op)->source;
	const char *path = source && named->device == mount->device
				   ? below(source, behind(mount->point, named->point))
				   : arena_join("//", arena_number(mount->id, 10)); /* nowhere */
	return (struct spot){ mount->device, path };
}

/* Or one that --bind-inner has taken along. */
static bool is_protection(const struct paths *paths, const struct mountinfo *mount,
			  const struct op *owner)
{
	const struct masks *masks = paths->run->mounts->masks;
	for (const struct masked *item = masks->items; item < masks->items + masks->n; item++) {
		const struct mountinfo *own =
			item->op->kind == OP_PROTECT ? find_mount(paths, item->mount_id) : NULL;
		if (own && (own == mount || (item->op < owner && own->device == mount->device &&
					     own->root && streq(own->root, mount->root))))
			return true;
	}
	return false;
}

/* Whether it is the mount of the operation's source, or what a level shows of that, and not one below it. */
static bool is_of_source(const struct paths *paths, const struct view *view,
			 const struct mountinfo *on_host)
{
	const char *source = pin_of(paths->run, view->op)->source;
	return view->is_named || (source && on_host == find_host_mount(paths->run, source));
}

/* What --bind-inner has taken along is as it was. */
static bool was_tried(const struct paths *paths, const struct view *view)
{
	for (const struct view *other = paths->views; other < view; other++)
		if (other->is_tried && other->spot.device == view->spot.device &&
		    streq(other->spot.path, view->spot.path))
			return true;
	return false;
}

/* Whether it can be written to in the run that is rehearsed. */
static bool is_tried(const struct paths *paths, const struct view *view,
		     const struct mountinfo *mount, const struct mountinfo *named)
{
	const struct root_plan *root = &paths->run->plan->root;
	if (!paths->run->plan->rehearses || view->op == &new_root)
		return false;
	const struct op *asked = plan_as_asked(view->op);
	const char *source = pin_of(paths->run, view->op)->source;
	const char *rest = behind(mount->point, named->point);
	const struct mountinfo *on_host =
		source ? find_host_mount(paths->run, below(source, rest)) : NULL;
	bool is_writable =
		is_of_source(paths, view, on_host) ? plan_stays_writable(paths->run->plan, view->op)
		: asked->kind == OP_BIND_INNER     ? was_tried(paths, view)
						   : asked->kind == OP_BIND && !asked->read_only &&
							 !(asked->mount_flags & MOUNT_ATTR_RDONLY);
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		rest = op->kind == OP_REMOUNT_RO ? plan_path_below(op->inner_path, view->inner)
						 : NULL;
		is_writable &= !rest || *rest;
	}
	for (; mount != named; mount = find_mount(paths, mount->parent_id))
		is_writable &= !is_protection(paths, mount, view->op);
	return is_writable && !(on_host && on_host->is_read_only);
}

static void list_views(struct paths *paths)
{
	const struct mountinfo *root = find_mount(paths, paths->run->root.mount_id);
	if (!root)
		die("Can't find the new root in /proc/self/mountinfo");
	paths->top = root->point;
	paths->views = arena_alloc(paths->n_mounts * sizeof(*paths->views));
	for (const struct mountinfo *mount = paths->mounts; mount < paths->mounts + paths->n_mounts;
	     mount++) {
		const struct mountinfo *named = NULL;
		if (!path_is_within(mount->point, paths->top) ||
		    mask_cover_is_of(paths->run, mount->device))
			continue;
		const struct op *op = find_owner(paths, mount, &named);
		struct view *view = &paths->views[paths->n_views++];
		paths->has_subvolumes |= streq(mount->type, "btrfs");
		*view = (struct view){
			.id = mount->id,
			.inner = below("/", behind(mount->point, paths->top)),
			.spot = spot_of(paths, mount),
			.op = op,
			.is_named = op != &new_root && named == mount,
			.is_stored = mountinfo_type_is_stored(mount->type),
		};
		view->is_tried = is_tried(paths, view, mount, named);
	}
}

static const struct view *view_of(const struct paths *paths, const struct op *op)
{
	const struct view *view = paths->views;
	while (view->op != op || !view->is_named)
		if (++view == paths->views + paths->n_views)
			return NULL;
	return view;
}

/* ---- what they show ---- */

/* A mount lies on what the way leads through, and stays there. */
static bool is_held(const struct run *run, const struct masked *passed, const char *inner)
{
	struct kernel_statx found;
	bool is_known = passed->was_mount_root || mask_is_pinned(run, passed->object);
	AUTO_CLOSE int fd = is_known ? -1 : mask_look(run, inner, O_NOFOLLOW, &found);
	bool is_held = is_known || (fd >= 0 && found.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	return is_held && mask_mounts_stay(run);
}

/* What a view, or an overlay, shows at a path inside. */
struct sight {
	const struct op *op;
	const char *inner;
	uint64_t mount_id; /* 0: one of several, as whose layers it is */
	bool is_tried;     /* as the view */
};

static struct sight sight_of(const struct view *view, const char *rest)
{
	return (struct sight){ view->op, below(view->inner, rest), view->id, view->is_tried };
}

static int look(const struct run *run, const struct sight *sight, struct kernel_statx *ret)
{
	int fd = mask_look(run, sight->inner, O_NOFOLLOW, ret);
	if (fd >= 0 && sight->mount_id && ret->stx_mnt_id != sight->mount_id)
		close_fd(&fd);
	return fd;
}

static bool is_read_only(const struct sight *sight, int fd)
{
	return !sight->is_tried && mask_is_read_only(fd);
}

static _Noreturn void die_shown(const struct masked *masked, const struct sight *sight,
				const char *what)
{
	bool is_protected = masked->op->kind == OP_PROTECT;
	die("%s: Can't %s %s: %s shows %s, at %s%s; add %s %s%s",
	    position_text(masked->op->position), mask_verb(masked->op), masked->path,
	    position_text(sight->op->position), what, sight->inner,
	    is_protected ? ", which can be written to there" : "",
	    is_protected ? "--protect" : "--mask", shell_word(sight->inner),
	    is_protected ? ", or make it read-only" : "");
}

static _Noreturn void die_replaced(const struct masked *masked, const struct sight *sight,
				   const char *way)
{
	die("%s: Can't %s %s: %s%s by another path, %s, that %s shows; make that one read-only",
	    position_text(masked->op->position), mask_verb(masked->op), masked->path,
	    masked->name ? arena_join("the way to it leads through ", masked->name) : "",
	    masked->name ? ", which COMMAND can replace" : "COMMAND can replace it", way,
	    position_text(sight->op->position));
}

/* What is mounted on it there goes along when it is renamed from where that is not. */
static void check_covered(const struct run *run, const struct masked *masked,
			  const struct sight *sight)
{
	const char *name;
	struct kernel_statx found;
	struct sight above = *sight;
	above.inner = arena_copy(sight->inner, path_split(sight->inner, &name));
	AUTO_CLOSE int fd =
		mask_mounts_stay(run) || masked->is_copied ? -1 : look(run, &above, &found);
	if (fd >= 0 && !is_read_only(&above, fd) && mask_can_make_in(run, fd))
		die_replaced(masked, sight, sight->inner);
}

/* The directory in which nothing can be made or replaced by the path that was given. */
static void check_room(const struct run *run, const struct masked *masked,
		       const struct sight *sight)
{
	struct kernel_statx found;
	AUTO_CLOSE int fd = look(run, sight, &found);
	if (fd < 0 || is_read_only(sight, fd) || !mask_can_make_in(run, fd))
		return;
	const char *way = masked->name ? below(sight->inner, masked->name) : NULL;
	/* There it is covered, and where that was taken along. */
	if (masked->is_stub && (streq(sight->inner, masked->real) ||
				(sight->op->kind == OP_BIND_INNER && sight->op > masked->op)))
		return;
	if (masked->is_stub)
		die_shown(masked, &(struct sight){ .op = sight->op, .inner = way }, "it once more");
	if (way && !is_held(run, masked, way))
		die_replaced(masked, sight, way);
	if (!way)
		die("%s: Can't %s %s: it does not exist, and %s lets COMMAND make it, in %s",
		    position_text(masked->op->position), mask_verb(masked->op), masked->path,
		    position_text(sight->op->position), sight->inner);
}

/* What is masked or protected, or is of its name in a layer. */
static void check_whole(const struct run *run, const struct masked *masked,
			const struct sight *sight)
{
	struct kernel_statx found;
	bool may_be_seen = masked->op->kind == OP_PROTECT || masked->is_stub;
	if (streq(sight->inner, masked->real)) /* there it is covered */
		return;
	AUTO_CLOSE int fd = look(run, sight, &found);
	if (fd < 0 && !masked->is_below)
		check_covered(run, masked, sight);
	if (fd < 0 || (may_be_seen && is_read_only(sight, fd)) ||
	    (!sight->mount_id && mask_is_same(mask_object_of(&found), masked->shown)) ||
	    (masked->is_below && (S_ISCHR(found.stx_mode) || S_ISBLK(found.stx_mode))))
		return;
	die_shown(masked, sight, masked->is_below ? "a part of it" : "it once more");
}

/* Something in what is masked or protected: elsewhere, or it would be a hole that was wanted, as is a part of what is hidden
 * where an operation names it. What is missing has no parts: nothing of its name can be made in its directory, whatever
 * else lies there. */
static void check_part(const struct run *run, const struct masked *masked, const struct view *view)
{
	struct kernel_statx found;
	const struct sight sight = sight_of(view, "");
	bool is_hidden = masked->op->kind == OP_MASK;
	if (masked->parent.ino || (is_hidden && view->is_named) ||
	    path_is_within(view->inner, masked->real))
		return;
	AUTO_CLOSE int fd = look(run, &sight, &found);
	if (fd >= 0 && (is_hidden || !is_read_only(&sight, fd)))
		die_shown(masked, &sight, "a part of it");
}

static void check_sight(const struct run *run, const struct masked *masked,
			const struct sight *sight)
{
	(masked->parent.ino ? check_room : check_whole)(run, masked, sight);
}

/* ---- one after the other ---- */

static void check_mounts(const struct paths *paths, const struct masked *masked, struct spot spot)
{
	for (const struct view *view = paths->views; view < paths->views + paths->n_views; view++) {
		if (view->spot.device != spot.device ||
		    (masked->is_below && masked->op->kind == OP_MASK && view->is_named))
			continue;
		if (path_is_within(spot.path, view->spot.path)) {
			const struct sight sight =
				sight_of(view, behind(spot.path, view->spot.path));
			check_sight(paths->run, masked, &sight);
		} else if (path_is_within(view->spot.path, spot.path)) {
			check_part(paths->run, masked, view);
		}
	}
}

/* Of a place on the host, what overlays show of it, or write to it. */
static void check_layers(const struct paths *paths, const struct masked *masked, const char *path)
{
	const struct root_plan *root = &paths->run->plan->root;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		const char **layer = pin_of(paths->run, op)->layer_sources;
		const struct view *view = layer ? view_of(paths, op) : NULL;
		for (; view && *layer; layer++) {
			bool is_upper = plan_as_asked(op)->overlay->upper.path && !layer[1];
			bool matters = is_upper || (masked->op->kind == OP_MASK &&
						    (!masked->parent.ino || masked->is_stub));
			if (matters && path_is_within(path, *layer)) {
				const char *rest = behind(path, *layer);
				struct sight sight = { .op = op,
						       .inner = below(view->inner, rest) };
				struct spot spot = { view->spot.device,
						     below(view->spot.path, rest) };
				struct masked there = *masked;
				there.is_copied = !is_upper;
				check_sight(paths->run, masked, &sight);
				check_mounts(paths, &there, spot);
			} else if (is_upper && path_is_within(*layer, path)) {
				check_part(paths->run, masked, view);
			}
		}
	}
}

/* What lies at `spot` may be of an overlay of ours, or of a mount that came with it. */
static void check_own_layers(const struct paths *paths, const struct masked *masked,
			     struct spot spot)
{
	for (const struct view *view = paths->views; view < paths->views + paths->n_views; view++) {
		const char **layer =
			view->op == &new_root ? NULL : pin_of(paths->run, view->op)->layer_sources;
		if (!layer || view->spot.device != spot.device ||
		    !path_is_within(spot.path, view->spot.path))
			continue;
		const char *inner = below(view->inner, behind(spot.path, view->spot.path));
		const char *rest = behind(inner, view_of(paths, view->op)->inner);
		for (; *layer; layer++) {
			const char *path = below(*layer, rest);
			check_layers(paths, masked, path);
			check_mounts(paths, masked, find_on_host(paths->run, view->op, path));
		}
	}
}

/* Where it lies. False: what is missing is so behind what covers the way to it, by now. */
static bool find_spot(const struct paths *paths, const struct masked *masked, struct spot *ret)
{
	uint64_t mount_id = masked->below_id;
	const char *way = *masked->real ? masked->real : "/";
	if (masked->parent.ino) {
		struct kernel_statx found;
		AUTO_CLOSE int fd = mask_look(paths->run, way, O_NOFOLLOW, &found);
		if (fd < 0 || !mask_is_same(mask_object_of(&found), masked->parent))
			return false;
		mount_id = found.stx_mnt_id;
	}
	const struct mountinfo *mount = find_shown(paths, mount_id);
	const char *point = below(paths->top, skip_slashes(way));
	if (!mount || !path_is_within(point, mount->point))
		die("%s: Can't tell on which mount %s is", position_text(masked->op->position),
		    masked->path);
	*ret = spot_of(paths, mount);
	ret->path = below(ret->path, behind(point, mount->point));
	return true;
}

static void check_spot(const struct paths *paths, const struct masked *masked, struct spot spot)
{
	const struct mask_mounts *host = paths->run->mounts->masks->host;
	check_mounts(paths, masked, spot);
	if (!host) /* there is no overlay */
		return;
	check_own_layers(paths, masked, spot);
	for (const struct mountinfo *mount = host->mounts; mount < host->mounts + host->n;
	     mount++) {
		struct spot top = spot_on_host(mount);
		if (top.device == spot.device && path_is_within(spot.path, top.path))
			check_layers(paths, masked,
				     below(mount->point, behind(spot.path, top.path)));
	}
}

static bool goes_with(const struct view *view, const struct masked *masked)
{
	bool is_later = view->op != &new_root && view->op > masked->op;
	return !is_later && view->is_stored && path_is_within(view->inner, masked->real) &&
	       !streq(view->inner, masked->real);
}

/* What was mounted below is hidden and protected with it; as a container's /proc/kcore, which is its /dev/null. What is there
 * a thousand times is looked for once. */
static void check_below(const struct paths *paths, const struct masked *masked,
			const struct view *view)
{
	if (!goes_with(view, masked))
		return;
	for (const struct view *other = paths->views; other < view; other++)
		if (other->spot.device == view->spot.device &&
		    streq(other->spot.path, view->spot.path) && goes_with(other, masked))
			return;
	struct masked mounted = *masked;
	mounted.is_below = true;
	mounted.real = view->inner;
	check_spot(paths, &mounted, view->spot);
}

static void check(const struct paths *paths, const struct masked *masked)
{
	bool is_there = masked->object.ino && !masked->name; /* and not only passed */
	struct spot spot;
	if ((!is_there && !masked->parent.ino) || !find_spot(paths, masked, &spot))
		return;
	check_spot(paths, masked, spot);
	for (size_t i = 0; is_there && i < paths->n_views; i++)
		check_below(paths, masked, &paths->views[i]);
}

void mask_paths_check(struct run *run)
{
	struct masks *masks = run->mounts->masks;
	if (!masks->mounts)
		masks->mounts = read_mounts(run);
	struct paths paths = { .run = run,
			       .mounts = masks->mounts->mounts,
			       .n_mounts = masks->mounts->n };
	list_views(&paths);
	run->guards_subvolumes = paths.has_subvolumes && !run->plan->root.accidents_only;
	for (size_t i = 0; i < masks->n; i++)
		check(&paths, &masks->items[i]);
	for (size_t i = 0; i < masks->n_passed; i++)
		check(&paths, &masks->passed[i]);
}
