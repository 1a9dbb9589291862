/* mask.c - --mask and --protect in the new root.
 *
 * A mask is an empty read-only directory or file of ours mounted over what is there, a protection that itself once
 * more, read-only. What is above them is pinned while it is looked up (mask-walk.c).
 *
 * Must not: change anything on the host; go on where a promise cannot be kept, unless the option is a -try.
 */
#include "mount/mask.h"

#include "bind-mount.h"
#include "mount/destination.h"
#include "mount/fs.h"
#include "mount/mask-cover.h"
#include "mount/mask-pins.h"
#include "mount/mask-state.h"
#include "mount/mask-walk.h"
#include "mount/overlay-cover.h"
#include "mount/scratch.h"
#include "mount/state.h"
#include "mount/stub.h"
#include "plan/cover.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

void mask_prepare(struct run *run)
{
	const struct plan *plan = run->plan;
	struct masks masks = { 0 };
	for (const struct op *op = plan->root.ops; op < plan->root.ops + plan->root.n_ops; op++) {
		masks.hides |= op->kind == OP_MASK;
		masks.protects |= op->kind == OP_PROTECT;
		if (plan_is_mask(op))
			masks.capacity++;
		else
			masks.last_other = op;
	}
	if (!masks.capacity)
		return;
	masks.items = arena_alloc(masks.capacity * sizeof(*masks.items));
	run->mounts->masks = arena_alloc(sizeof(*run->mounts->masks));
	*run->mounts->masks = masks;
	scratch_make(run);
}

const char *mask_verb(const struct op *op)
{
	return op->kind == OP_MASK ? "hide" : "protect";
}

static void give_up(const struct masked *masked, const char *why)
{
	const char *position = position_text(masked->op->position);
	if (!masked->op->skip_missing)
		die("%s: Can't %s %s: %s", position, mask_verb(masked->op), masked->path, why);
	say_warning("%s: %s stays as it is: %s", position, masked->path, why);
}

/* ---- covered ---- */

static void remember(struct run *run, const struct masked *masked)
{
	struct masks *masks = run->mounts->masks;
	masks->items = arena_grow(masks->items, masks->n, &masks->capacity, sizeof(*masks->items));
	masks->items[masks->n++] = *masked;
}

bool mask_mounts_stay(const struct run *run)
{
	return run->plan->root.accidents_only || (run->shape.userns_disabled && !run->shape.caps);
}

bool mask_is_last(const struct run *run, const struct op *op)
{
	const struct op *last_other = run->mounts->masks->last_other;
	return !last_other || op > last_other;
}

/* And reads back that it is there, by its name where it was found. */
static void attach(struct run *run, struct masked *masked, const struct mask_place *place,
		   int mount_fd, int at_fd)
{
	struct kernel_statx status;
	int dir_fd = place->missing ? place->fd : place->name ? place->dir_fd : mount_fd;
	const char *name = place->missing ? place->missing : place->name ? place->name : "";
	bind_attach(masked->op, mount_fd, at_fd, "");
	if (sys_statx(dir_fd, name,
		      AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		      STATX_INO | STATX_MNT_ID, &status) < 0 ||
	    !mask_is_same(mask_object_of(&status), masked->shown) ||
	    !(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		mask_die_changed(masked->op, masked->path);
	masked->mount_id = status.stx_mnt_id;
	masked->below_id = place->mount_id;
	masked->stays_covered = !place->missing && place->name && mask_is_last(run, masked->op);
	mask_walk_note_covered(run, masked->real);
	remember(run, masked);
}

/* ---- what is there ---- */

static void mask_object(struct run *run, struct masked *masked, const struct mask_place *place,
			mode_t type)
{
	const struct op *op = masked->op;
	masked->is_own_tmpfs = S_ISDIR(type) && plan_goes_on_below(run->plan, op);
	AUTO_CLOSE int mount_fd = masked->is_own_tmpfs
					  ? fs_make_tmpfs(op->position, 0555)
					  : mask_cover_clone(run, op, type, &masked->shown);
	if (masked->is_own_tmpfs) {
		struct kernel_statx status;
		destination_note_tmpfs(run, mount_fd);
		if (sys_statx(mount_fd, "", AT_EMPTY_PATH, STATX_INO, &status) < 0)
			mask_cover_die(op);
		masked->shown = mask_object_of(&status);
	}
	if (!place->is_mount_root)
		overlay_note_mount(run, op, place->fd, place->mount_id);
	attach(run, masked, place, mount_fd, place->fd);
}

/* Once more on itself. Its flags, device nodes that work among them, stay. */
static void protect_object(struct run *run, struct masked *masked, const struct mask_place *place)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	if (place->is_fuse && !place->is_mount_root) {
		give_up(masked,
			"it is on an overlay of fuse-overlayfs's, where a mount can be taken off; the kernel's overlay would do (--overlay-backend kernel)");
		return;
	}
	AUTO_CLOSE int mount_fd = mask_pins_clone(run, place);
	bool is_read_only = mount_fd >= 0;
	if (!is_read_only)
		mount_fd = sys_open_tree(place->fd, "",
					 OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
						 AT_EMPTY_PATH);
	if (mount_fd < 0 ||
	    (!is_read_only &&
	     sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0))
		die_because(errno, "%s: Can't make %s read-only: %s%s",
			    position_text(masked->op->position), masked->path, errno_text(errno),
			    diagnose_mount_api(errno));
	if (S_ISREG(place->status.stx_mode) && place->status.stx_nlink > 1 && !place->is_read_only)
		say_warning(
			"%s: %s has %u names (hard links): by another one that COMMAND can write to it can be changed",
			position_text(masked->op->position), masked->path, place->status.stx_nlink);
	masked->shown = masked->object;
	attach(run, masked, place, mount_fd, place->fd);
}

/* Whether what is there is what hides it, or protects it and need not hide it: by the same path, or that of a link. */
static bool is_done(const struct run *run, const struct masked *masked,
		    const struct mask_place *place)
{
	const struct masked *earlier =
		place->is_mount_root ? mask_of_mount(run, place->mount_id) : NULL;
	bool is_empty = earlier &&
			(earlier->op->kind == OP_MASK || earlier->is_stub || !earlier->object.ino);
	return is_empty || (earlier && masked->op->kind == OP_PROTECT);
}

static void treat_object(struct run *run, struct masked *masked, struct mask_place *place)
{
	struct kernel_statx *object = &place->status;
	bool is_directory = S_ISDIR(object->stx_mode);
	if (!(object->stx_mask & STATX_TYPE) &&
	    fs_look_at(run, place->fd, object, &is_directory) < 0)
		die_errno(errno, "%s: Can't look at %s", position_text(masked->op->position),
			  masked->path);
	masked->object = mask_object_of(object);
	mode_t type = is_directory ? S_IFDIR : object->stx_mode & S_IFMT;
	run_tell(run, "%s: found a %s", position_text(masked->op->position),
		 S_ISDIR(type)   ? "directory"
		 : S_ISREG(type) ? "file"
				 : "socket, fifo or device");
	if (masked->op->kind == OP_MASK)
		mask_object(run, masked, place, type);
	else
		protect_object(run, masked, place);
}

/* ---- what is missing ---- */

bool mask_can_make_in(const struct run *run, int fd)
{
	struct stat status;
	return fstat(fd, &status) < 0 || status.st_uid == run->shape.inner_uid ||
	       sys_faccessat2(fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) == 0 || errno != EACCES;
}

bool mask_can_make(const struct run *run, const struct mask_place *place)
{
	const struct op *tree = place->tree;
	bool is_its_own =
		tree && run->mounts->pins[tree - run->plan->root.ops].mount_id == place->mount_id;
	if (place->is_read_only || (is_its_own && !plan_can_be_written(run->plan, tree)))
		return false;
	return mask_can_make_in(run, place->fd);
}

/* Why no stand-in can be made; NULL: it can, and the host never sees it. */
static const char *no_stand_in(const struct run *run, const struct mask_place *place)
{
	const struct op *tree = place->tree;
	if (destination_is_own_tmpfs(run, place->mount_id))
		return NULL;
	if (tree && tree->kind == OP_OVERLAY &&
	    place->mount_id == run->mounts->pins[tree - run->plan->root.ops].mount_id) {
		if (plan_as_asked(tree)->overlay->upper.path)
			return "it does not exist, and a stand-in would stay in RWSRC: create it";
		if (overlay_is_listed(plan_as_asked(tree)))
			return "it does not exist, and a stand-in would be in the list of changes: create it, or leave --overlay-changes out";
		if (place->is_fuse)
			return "it does not exist, and what stands in for it on fuse-overlayfs can be taken off: create it";
		return NULL;
	}
	if (tree && tree->kind != OP_BIND && tree->kind != OP_OVERLAY)
		return "it does not exist, and nothing can stand in for it there";
	return "it does not exist, and COMMAND could make it on the host: create it";
}

/* On the host, for as long as the sandbox lives. */
static bool takes_stub(const struct run *run, const struct masked *masked,
		       const struct mask_place *place)
{
	return place->tree && place->tree->kind == OP_BIND && !masked->op->skip_missing &&
	       !destination_is_own_tmpfs(run, place->mount_id);
}

static void stand_in(struct run *run, struct masked *masked, const struct mask_place *place)
{
	const struct op *op = masked->op;
	bool is_directory = place->missing_is_directory;
	struct kernel_statx object;
	int made = 0;
	if (masked->is_stub)
		stub_make(run, op, place->fd, place->missing, is_directory);
	else
		made = is_directory ? mkdirat(place->fd, place->missing, 0555)
				    : mknodat(place->fd, place->missing, S_IFREG | 0444, 0);
	AUTO_CLOSE int fd =
		made < 0 ? -1 : openat(place->fd, place->missing, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fs_look_at(run, fd, &object, &is_directory) < 0 ||
	    sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &object) < 0)
		die_errno(errno, "%s: Can't make a stand-in for %s", position_text(op->position),
			  masked->path);
	if (masked->is_stub) /* otherwise it is nothing of the host's */
		masked->object = mask_object_of(&object);
	AUTO_CLOSE int mount_fd =
		mask_cover_clone(run, op, is_directory ? S_IFDIR : S_IFREG, &masked->shown);
	masked->real = arena_printf("%s/%s", place->real, place->missing);
	run_tell(run, "%s: nothing there: %s stands in for it%s", position_text(op->position),
		 is_directory ? "an empty directory" : "an empty file",
		 masked->is_stub ? ", on the host until the end" : "");
	attach(run, masked, place, mount_fd, fd);
}

static void treat_missing(struct run *run, struct masked *masked, const struct mask_place *place)
{
	if (masked->op->pattern) /* it was there when it was found */
		return;
	if (plan_pattern_option(masked->op))
		say_warning("%s: nothing is called %s: %s takes a pattern",
			    position_text(masked->op->position), masked->path,
			    plan_pattern_option(masked->op));
	if (!place->is_stub && !mask_can_make(run, place)) {
		run_tell(run, "%s: nothing there, and COMMAND cannot make it",
			 position_text(masked->op->position));
		masked->parent = mask_object_of(&place->status);
		remember(run, masked);
		return;
	}
	masked->is_stub = takes_stub(run, masked, place);
	if (masked->is_stub && run->plan->rehearses) {
		stub_rehearse(run, masked->op, place->fd, place->missing);
		masked->is_file = !place->missing_is_directory;
		masked->parent = mask_object_of(&place->status);
		masked->name = place->missing;
		remember(run, masked);
		return;
	}
	const char *why = masked->is_stub ? NULL : no_stand_in(run, place);
	if (why)
		give_up(masked, why);
	else
		stand_in(run, masked, place);
}

void mask_one(struct run *run, const struct op *op, const char *path)
{
	struct masks *masks = run->mounts->masks;
	size_t n = masks->n, n_passed = masks->n_passed;
	struct mask_place place;
	destination_forget_directory(run);
	mask_walk(run, op, path, true, &place);
	struct masked masked = { .op = op,
				 .path = path,
				 .real = place.real,
				 .tree = place.tree,
				 .was_mount_root = place.is_mount_root,
				 .was_writable = place.writable };
	if (!place.trouble && !place.missing && place.is_mount_root &&
	    place.mount_id == run->root.mount_id)
		place.trouble = "it leads to the sandbox's root";
	bool done = !place.trouble && !place.missing && is_done(run, &masked, &place);
	if (place.trouble)
		give_up(&masked, place.trouble);
	else if (place.missing)
		treat_missing(run, &masked, &place);
	else if (done)
		run_tell(run, "%s: %s is so already", position_text(op->position), path);
	else
		treat_object(run, &masked, &place);
	if (masks->n == n && !done) { /* given up, and so is the way to it */
		masks->n_passed = n_passed;
		mask_walk_forget(run);
	}
	close_fd(&place.fd);
}

/* ---- what is there by now ---- */

bool mask_is_read_only(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && fs.f_flags & ST_RDONLY;
}

int mask_look(const struct run *run, const char *path, int flags, struct kernel_statx *ret)
{
	int fd = path_open(run->root.fd, path, O_PATH | flags);
	if (fd >= 0 && sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
				 STATX_INO | STATX_MNT_ID, ret) < 0)
		close_fd(&fd);
	return fd;
}
