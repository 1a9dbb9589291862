/* destination.c - where an operation goes: found or made, judged, and a mount shown there.
 *
 * Must not: look up a path of the sandbox in any other way than through path.c; change anything that a link
 * leads to out of one tree into another.
 */
#include "mount/destination.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/level.h"
#include "mount/overlay-cover.h"
#include "mount/pivot.h"
#include "mount/proc.h"
#include "mount/state.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* ---- directories that are ours ---- */

uint64_t destination_note_tmpfs(const struct run *run, int mount_fd)
{
	struct mounts *mounts = run->mounts;
	struct kernel_statx status;
	if (sys_statx(mount_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't look at a new tmpfs");
	mounts->own_tmpfs.mount_ids =
		arena_grow(mounts->own_tmpfs.mount_ids, mounts->own_tmpfs.n,
			   &mounts->own_tmpfs.capacity, sizeof(*mounts->own_tmpfs.mount_ids));
	return mounts->own_tmpfs.mount_ids[mounts->own_tmpfs.n++] = status.stx_mnt_id;
}

bool destination_is_own_tmpfs(const struct run *run, uint64_t mount_id)
{
	const struct mounts *mounts = run->mounts;
	for (size_t i = 0; i < mounts->own_tmpfs.n; i++)
		if (mounts->own_tmpfs.mount_ids[i] == mount_id)
			return true;
	return false;
}

static bool is_on_own_tmpfs(const struct run *run, int fd)
{
	struct kernel_statx status;
	return run->mounts->own_tmpfs.n &&
	       sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 &&
	       destination_is_own_tmpfs(run, status.stx_mnt_id);
}

/* ---- whose tree a link lies in ---- */

static bool is_writable_bind(const struct op *op)
{
	op = plan_as_asked(op);
	return op->kind == OP_BIND && !op->read_only;
}

/* What COMMAND can write to and stays on the host. */
static bool is_writable_tree(const struct op *op)
{
	op = plan_as_asked(op);
	return is_writable_bind(op) || (op->kind == OP_BIND_INNER && !op->read_only) ||
	       (op->kind == OP_OVERLAY && !op->read_only && op->overlay->upper.path);
}

/* Also where the host's devices and processes are. */
static bool has_worth(const struct run *run, const struct op *op)
{
	return is_writable_tree(op) || op->kind == OP_DEV ||
	       (proc_is_kind(op->kind) && !run->shape.new_proc);
}

/* A link's owner without a number is nobody that an earlier COMMAND of the same caller was, unless that
 * was root, or had other numbers than the caller's own. */
static bool owners_tell(const struct run *run)
{
	return run->host->caller.uid != 0 && run->host->caller.uid != OVERFLOW_UID &&
	       run->shape.user_namespace && run->plan->report.userns_block.fd < 0 && !run->mapper &&
	       run->shape.inner_uid != OVERFLOW_UID;
}

/* An earlier COMMAND may have left links there, when it could write to what cannot be written to now,
 * too. Those of /etc and its like are many: where nothing tells them apart they are the system's. */
static bool has_links(const struct run *run, const struct op *op)
{
	return is_writable_tree(op) ||
	       ((op->kind == OP_BIND || op->kind == OP_BIND_INNER || op->kind == OP_OVERLAY) &&
		owners_tell(run));
}

bool destination_trees_may_nest(const struct plan *plan)
{
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (is_writable_bind(&plan->root.ops[i]))
			return true;
	return false;
}

void destination_note_source(const struct run *run, const struct op *op)
{
	const struct plan *plan = run->plan;
	struct pin *pin = &run->mounts->pins[op - plan->root.ops];
	bool wanted = run->mounts->masks;
	for (const struct op *other = plan->root.ops;
	     !wanted && other < plan->root.ops + plan->root.n_ops; other++)
		wanted = other != op && other->kind == OP_BIND && op->outer_path &&
			 other->outer_path &&
			 ((is_writable_bind(op) &&
			   path_is_within(op->outer_path, other->outer_path)) ||
			  (is_writable_bind(other) &&
			   path_is_within(other->outer_path, op->outer_path)));
	const char *outer = !wanted          ? NULL
			    : op->outer_path ? op->outer_path
					     : bind_shown_path(run, op->position, op->outer_fd);
	AUTO_CLOSE int fd = outer ? open(outer, O_PATH | O_CLOEXEC) : -1;
	if (fd < 0 || !fs_is_same_object(fd, pin->mount_fd))
		return;
	char path[PATH_MAX];
	ssize_t length =
		readlinkat(run->host->proc_fd, arena_printf("self/fd/%d", fd), path, PATH_MAX);
	if (length > 0 && length < PATH_MAX && path[0] == '/')
		pin->source = arena_copy(path, (size_t) length);
}

void destination_note_mount(const struct run *run, const struct op *op, int mount_fd)
{
	struct pin *pin = &run->mounts->pins[op - run->plan->root.ops];
	struct kernel_statx status;
	if (!run->mounts->masks || pin->mount_id)
		return;
	if (sys_statx(mount_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "%s: Can't look at the mount", position_text(op->position));
	pin->mount_id = status.stx_mnt_id;
}

/* Takes note of the mount that an operation shows. */
static void tell_guard(struct run *run, const struct op *op, int mount_fd)
{
	struct path_guard *guard = run->mounts->guard;
	if (!guard)
		return;
	size_t i = (size_t) (op - run->plan->root.ops);
	struct path_mount mount = { .id = run->mounts->pins[i].mount_id,
				    .tree = (int) i,
				    .has_links = has_links(run, op),
				    .has_worth = has_worth(run, op) };
	struct kernel_statx status;
	if (!mount.id) {
		if (sys_statx(mount_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
			      &status) < 0)
			die_errno(errno, "%s: Can't look at the mount",
				  position_text(op->position));
		mount.id = status.stx_mnt_id;
	}
	guard->mounts = arena_grow(guard->mounts, guard->n_mounts, &guard->capacity_mounts,
				   sizeof(*guard->mounts));
	guard->mounts[guard->n_mounts++] = mount;
}

/* A link can lead from one tree into another where there are two. For --verbose one is enough. */
void destination_set_guard(struct run *run)
{
	const struct plan *plan = run->plan;
	size_t n_with_links = 0, n_of_worth = 0, n_of_both = 0;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		bool links = has_links(run, &plan->root.ops[i]),
		     worth = has_worth(run, &plan->root.ops[i]);
		n_with_links += links;
		n_of_worth += worth;
		n_of_both += links && worth;
	}
	bool none = !n_with_links || !n_of_worth;
	bool alone = none || (n_with_links + n_of_worth == 2 && n_of_both);
	if (!plan->root.n_ops || (alone && !plan->verbose && !plan_has_op(plan, OP_BIND_INNER) &&
				  !plan_has_op(plan, OP_HOSTS)))
		return;
	struct path_guard *guard = run->mounts->guard = arena_alloc(sizeof(*guard));
	guard->led_into = PATH_NO_TREE;
	guard->owners_tell = owners_tell(run);
	guard->sources = arena_alloc(plan->root.n_ops * sizeof(*guard->sources));
	for (size_t i = 0; i < plan->root.n_ops; i++)
		guard->sources[i] = run->mounts->pins[i].source;
	if (run->mounts->pins[0].is_root)
		tell_guard(run, &plan->root.ops[0], run->root.fd);
}

int destination_open_to_change(const struct run *run, const char *path, int flags)
{
	return path_open_to_change(run->root.fd, path, flags, run->mounts->guard);
}

int destination_open_source(const struct run *run, const struct op *op, const char *path, int how)
{
	int fd = destination_open_to_change(run, path, how);
	const struct path_link *link = &run->mounts->guard->link;
	if (link->name && (fd >= 0 || errno == EXDEV))
		die("%s: Can't show %s: the link %s in what %s shows may have been made for that, and what it leads to is not always to be seen; name the place that it leads to",
		    position_text(op->position), failing_path(path), link->name,
		    position_text(run->plan->root.ops[link->tree].position));
	return fd;
}

const char *destination_link_text(const struct run *run)
{
	const struct path_guard *guard = run->mounts->guard;
	const struct op *ops = run->plan->root.ops;
	if (!guard || guard->led_into == PATH_NO_TREE)
		return NULL;
	return arena_printf(
		"the link %s in what %s shows leads into what %s shows, and may have been made for that; name the place that it leads to, or remove it",
		guard->link.name, position_text(ops[guard->link.tree].position),
		position_text(ops[guard->led_into].position));
}

void destination_tell_links(const struct run *run, const struct op *op, const char *path)
{
	const struct path_guard *guard = run->mounts->guard;
	if (!run->plan->verbose || !guard)
		return;
	int fd = destination_open_to_change(run, path, O_PATH);
	close_fd(&fd);
	if (guard->link.name)
		say_note(
			"%s: follows the link %s, which can be another next time: it lies in what %s shows",
			position_text(op->position), guard->link.name,
			position_text(run->plan->root.ops[guard->link.tree].position));
}

/* ---- finding and making ---- */

const bool *destination_missing_ops(const struct run *run)
{
	struct mounts *mounts = run->mounts;
	size_t n = run->plan->root.n_ops;
	if (!mounts->is_missing) {
		mounts->is_missing = arena_alloc(n * sizeof(*mounts->is_missing));
		for (size_t i = 0; i < n; i++)
			mounts->is_missing[i] = mounts->pins[i].skipped && !mounts->pins[i].is_root;
	}
	return mounts->is_missing;
}

_Noreturn void destination_die(const struct run *run, const struct op *op, const char *what,
			       int error)
{
	const char *why = "", *mistake = plan_op_mistake(run->plan, op);
	const char *link = error == EXDEV ? destination_link_text(run) : NULL;
	if (link)
		die("%s: Can't %s %s: %s", position_text(op->position), what,
		    failing_path(op->inner_path), link);
	const struct op *blamed =
		error == EROFS
			? plan_who_made_read_only(run->plan, op, destination_missing_ops(run))
			: NULL;
	const char *why_not =
		error == EROFS && run->mounts->level.op == op ? run->mounts->level.why_not : NULL;
	if (blamed || why_not)
		why = arena_printf("; %s%s%s%s: %s, or put this operation on a writable place",
				   blamed ? position_text(blamed->position) : "",
				   blamed ? " made it read-only" : "",
				   blamed && why_not ? ", and " : "", why_not ? why_not : "",
				   op->kind == OP_CHMOD ? "change it on the host"
							: "create it on the host");
	else if (error == ELOOP)
		why = "; a loop of symbolic links, or one of /proc's that would lead out of the sandbox";
	else if (error == ENOENT || error == ENOTDIR || error == EACCES || error == EEXIST)
		why = diagnose_way(run->root.fd, op->inner_path, error);
	die_because(error, "%s: Can't %s %s: %s%s%s%s", position_text(op->position), what,
		    failing_path(op->inner_path), errno_text(error), why, mistake ? "; " : "",
		    mistake ? mistake : "");
}

/* The guard, where there is one, takes a level for a part of the mount that it covers a directory of. */
static void note_level(const struct run *run, uint64_t id, uint64_t covered_id, bool in_reach)
{
	struct path_guard *guard = run->mounts->guard;
	struct path_mount level = { .tree = PATH_NO_TREE };
	if (!guard)
		return;
	for (size_t i = 0; i < guard->n_mounts; i++)
		if (guard->mounts[i].id == covered_id)
			level = guard->mounts[i];
	level.id = id;
	level.is_level = true;
	level.level_in_reach = in_reach;
	guard->mounts = arena_grow(guard->mounts, guard->n_mounts, &guard->capacity_mounts,
				   sizeof(*guard->mounts));
	guard->mounts[guard->n_mounts++] = level;
}

/* It is gone, and another may get its number. */
static void forget_mount(const struct run *run, uint64_t id)
{
	struct path_guard *guard = run->mounts->guard;
	for (size_t i = 0; guard && i < guard->n_mounts; i++)
		if (guard->mounts[i].id == id)
			guard->mounts[i].id = 0;
}

/* Once for an operation: a neighbour may change what is there at any time. */
static bool open_level(struct run *run, const struct op *op)
{
	const char *name;
	struct kernel_statx covered;
	char *way = arena_copy(op->inner_path, path_split(op->inner_path, &name));
	AUTO_CLOSE int fd = path_open_existing(run->root.fd, way, run->mounts->guard);
	if (fd < 0 || run->mounts->level.op == op)
		return false;
	run->mounts->level.op = op;
	destination_forget_directory(run);
	if (is_on_own_tmpfs(run, fd))
		return level_open_again(run, fd);
	bool in_reach;
	uint64_t root_id = run->root.mount_id;
	size_t length = strlen(way);
	while (length > 1 && way[length - 1] == '/')
		way[--length] = '\0';
	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &covered) < 0 ||
	    !level_make(run, op, fd, length ? way : "/", &in_reach))
		return false;
	note_level(run, destination_note_tmpfs(run, run->mounts->level.fd), covered.stx_mnt_id,
		   in_reach);
	if (root_id != run->root.mount_id)
		forget_mount(run, root_id);
	return true;
}

static int try_open_parent(const struct run *run, const struct op *op, const char **ret_name)
{
	return path_open_parent(run->root.fd, op->inner_path, op->parent_mode, run->mounts->guard,
				ret_name);
}

int destination_open_parent(struct run *run, const struct op *op, const char **ret_name)
{
	int fd = try_open_parent(run, op, ret_name);
	if (fd < 0)
		destination_make_room(run, op, &fd);
	if (fd < 0)
		destination_die(run, op, "make the parents of", errno);
	return fd;
}

bool destination_make_room(struct run *run, const struct op *op, int *parent_fd)
{
	const char *name;
	int error = errno;
	if (error == EROFS && open_level(run, op)) {
		close_fd(parent_fd);
		*parent_fd = try_open_parent(run, op, &name);
		return *parent_fd >= 0;
	}
	errno = error;
	return false;
}

static int make_at(int dir_fd, const char *name, mode_t type_and_mode)
{
	return S_ISDIR(type_and_mode) ? mkdirat(dir_fd, name, type_and_mode & 07777)
				      : mknodat(dir_fd, name, type_and_mode, 0);
}

void destination_make_last(struct run *run, const struct op *op, int parent_fd,
			   mode_t type_and_mode)
{
	const char *name;
	AUTO_CLOSE int fd = parent_fd < 0 ? destination_open_parent(run, op, &name) : parent_fd;
	path_split(op->inner_path, &name);
	struct stat status;
	while (make_at(fd, name, type_and_mode) < 0) {
		if (destination_make_room(run, op, &fd))
			continue;
		/* Another sandbox may just have made the same on a shared tree; a link is no directory and
		 * no file. */
		if (errno == EEXIST && fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    (status.st_mode & S_IFMT) == (type_and_mode & S_IFMT))
			return;
		destination_die(run, op,
				S_ISDIR(type_and_mode) ? "make the directory" : "make the file",
				errno);
	}
}

/* The same words lead to the same directory for as long as nothing that was there is covered by a mount: nobody else
 * can rename anything, we never do, and what is made has a new name. */
void destination_forget_directory(const struct run *run)
{
	close_fd(&run->mounts->own_directory.fd);
}

int destination_same_directory(const struct run *run, const struct op *op, const char **ret_name)
{
	const struct mounts *mounts = run->mounts;
	size_t length = path_split(op->inner_path, ret_name);
	return mounts->own_directory.fd >= 0 && length == mounts->own_directory.length &&
			       memcmp(op->inner_path, mounts->own_directory.path, length) == 0
		       ? mounts->own_directory.fd
		       : -1;
}

int destination_own_directory(struct run *run, const struct op *op, int *ret_parent_fd,
			      const char **ret_name)
{
	struct mounts *mounts = run->mounts;
	int fd = destination_same_directory(run, op, ret_name);
	*ret_parent_fd = -1;
	if (fd >= 0)
		return fd;
	destination_forget_directory(run);
	fd = destination_open_parent(run, op, ret_name);
	if (!is_on_own_tmpfs(run, fd)) {
		*ret_parent_fd = fd;
		return -1;
	}
	mounts->own_directory.path = op->inner_path;
	mounts->own_directory.length = path_split(op->inner_path, ret_name);
	return mounts->own_directory.fd = fd;
}

/* Who shows a file may have named the directory that it is to be in. */
static const char *file_itself(const struct op *op)
{
	const char *name;
	if (!op->outer_path)
		return "";
	path_split(op->outer_path, &name);
	return arena_printf(": name the file itself, as %s",
			    arena_join(arena_join(op->inner_path, "/"), name));
}

/* What etc.c shows covers a link, and not what that leads to. */
static bool covers_links(const struct op *op)
{
	return op->kind == OP_RESOLV_CONF || op->kind == OP_HOSTS;
}

static int open_place(const struct run *run, const struct op *op)
{
	return path_open(run->root.fd, op->inner_path,
			 O_PATH | (covers_links(op) ? O_NOFOLLOW : 0));
}

/* Opens what a mount will cover, unless `fd` is it. Makes it if it is missing, for which parent_fd, if there is
 * one, is taken over; dies if it is of the wrong type. ret_is_root: it is the root of the new root. */
static int open_mount_point(struct run *run, const struct op *op, int fd, int parent_fd,
			    bool directory, mode_t mode, bool *ret_is_root)
{
	if (fd < 0 && parent_fd < 0)
		fd = open_place(run, op);
	if (fd < 0 && (parent_fd >= 0 || errno == ENOENT)) {
		destination_make_last(run, op, parent_fd,
				      directory ? S_IFDIR | mode : S_IFREG | mode);
		fd = open_place(run, op);
	}
	struct kernel_statx status;
	bool is_directory;
	if (fd < 0 || fs_look_at(run, fd, &status, &is_directory) < 0)
		destination_die(run, op, "find the mount point", errno);
	if (directory != is_directory)
		die("%s: Can't mount on %s: it is not a %s, and what is to be shown there is one%s",
		    position_text(op->position), failing_path(op->inner_path),
		    directory ? "directory" : "file", directory ? "" : file_itself(op));
	/* Its inode number others may have, too: subvolumes of btrfs, whatever a FUSE server likes. */
	*ret_is_root = status.stx_mnt_id == run->root.mount_id &&
		       status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	/* A top is no name that COMMAND could remove there, and a FUSE server need not answer
	 * statfs(2). */
	if (!(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		overlay_note_mount(run, op, fd, status.stx_mnt_id);
	return fd;
}

/* ---- showing ---- */

/* An operation on / itself covers the root; we move in once more, or COMMAND would not see it. */
static void enter_again(struct run *run, const struct op *op, int mount_fd)
{
	level_close(run);             /* once it is out of the namespace nobody can */
	run->mounts->own_tmpfs.n = 0; /* they go, and others may get their numbers */
	struct path_guard *guard = run->mounts->guard;
	if (guard) { /* which was told of this one last */
		guard->mounts[0] = guard->mounts[guard->n_mounts - 1];
		guard->n_mounts = 1;
	}
	if (op->kind == OP_TMPFS)
		destination_note_tmpfs(run, mount_fd);
	if (!run->mounts->scratch.exists)
		pivot_attach(mount_fd);
	else
		bind_attach(op, mount_fd, run->root.fd, "");
	close_fd(&run->root.fd);
	run->root.fd = mount_fd;
	if (!run->mounts->scratch.exists)
		pivot_into(run);
	else
		pivot_learn_root(&run->root);
}

bool destination_attach(struct run *run, const struct op *op, int mount_fd, bool directory,
			mode_t stub_mode)
{
	if (!covers_links(op))
		destination_tell_links(run, op, op->inner_path);
	destination_note_mount(run, op, mount_fd);
	tell_guard(run, op, mount_fd);
	const char *name;
	int there = -1, parent_fd = -1, own_fd = destination_same_directory(run, op, &name);
	if (own_fd < 0)
		there = open_place(run, op);
	if (own_fd < 0 && there < 0 && errno == ENOENT)
		own_fd = destination_own_directory(run, op, &parent_fd, &name);
	if (own_fd >= 0 &&
	    make_at(own_fd, name, (directory ? S_IFDIR : S_IFREG) | stub_mode) == 0) {
		bind_attach(op, mount_fd, own_fd, name);
		return true;
	}
	destination_forget_directory(run);
	bool is_root;
	AUTO_CLOSE int dest_fd =
		open_mount_point(run, op, there, parent_fd, directory, stub_mode, &is_root);
	if (!is_root)
		bind_attach(op, mount_fd, dest_fd, "");
	return !is_root;
}

void destination_show(struct run *run, const struct op *op, int mount_fd, bool directory,
		      mode_t stub_mode)
{
	if (destination_attach(run, op, mount_fd, directory, stub_mode))
		close(mount_fd);
	else
		enter_again(run, op, mount_fd);
}
