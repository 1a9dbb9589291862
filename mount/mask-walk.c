/* mask-walk.c - what a path inside leads to, step by step, and the steps pinned.
 *
 * As path.c resolves it, which is asked at the end whether it agrees; but each directory and link on the way is
 * looked at, since whoever can rename one of them can put something else in place of all below it.
 *
 * Must not: leave the new root.
 */
#include "mount/mask-walk.h"

#include "bind-mount.h"
#include "mount/destination.h"
#include "mount/fs.h"
#include "mount/mask-cover.h"
#include "mount/mask-pins.h"
#include "mount/overlay-cover.h"
#include "mount/overlay-submounts.h"
#include "mount/proc.h"
#include "mount/state.h"
#include "mount/stub.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

enum { MOST_LINKS = 40 }; /* path_resolution(7) */

struct walk {
	struct run *run;
	const struct op *op;
	const char *path;
	bool pins;
	int at_fd;             /* ours unless it is the root's, or walked->start's */
	struct mask_object at; /* none: not asked yet */
	struct text way;       /* to it */
	const char *rest;      /* what is still to go */
	unsigned n_links;
	struct mask_mount mount; /* that at_fd is on */
	size_t top_length;       /* of the way to its top */
	const char *host_writable, *last_writable;
	/* the outermost link that is being followed: what it is, and how much of the way is left behind it */
	const char *link;
	size_t behind_link;
	const char *loose_link; /* one that COMMAND can replace, and no pin keeps */
};

/* What walks know from one to the next, for as long as no other operation than a mask has come between. */
struct walked {
	const struct op *last;
	/* Those that were asked what they are: none is made read-only meanwhile. */
	struct mask_mount *mounts;
	size_t n_mounts, capacity_mounts;
	/* Where the last two paths part the next one may go on; the beginning of a path, that leads there without a
	 * link. All that it passes was looked at, and is pinned. */
	const char *path, *beginning;
	struct walk start; /* at_fd -1: nowhere */
	struct text way;   /* the last walk's, which the next one writes over */
	int end_fd;        /* where that stood at the end; -1: elsewhere */
};

static _Noreturn void die_changed(const struct walk *walk)
{
	mask_die_changed(walk->op, walk->path);
}

static const struct op *tree_of(const struct walk *walk, uint64_t mount_id)
{
	const struct run *run = walk->run;
	for (size_t i = run->plan->root.n_ops; i-- > 0;)
		if (run->mounts->pins[i].mount_id == mount_id)
			return &run->plan->root.ops[i];
	return walk->mount.tree; /* a mount of the host's, or a mask */
}

static const char *way_of(const struct walk *walk)
{
	return arena_copy(walk->way.length ? walk->way.bytes : "", walk->way.length);
}

static void add_name(struct walk *walk, const char *name)
{
	text_add_bytes(&walk->way, "/", 1);
	text_add_bytes(&walk->way, name, strlen(name));
}

const struct masked *mask_of_mount(const struct run *run, uint64_t mount_id)
{
	const struct masks *masks = run->mounts->masks;
	for (size_t i = 0; i < masks->n; i++)
		if (masks->items[i].shown.ino && masks->items[i].mount_id == mount_id)
			return &masks->items[i];
	return NULL;
}

bool mask_shows_what_was_there(const struct run *run, uint64_t mount_id)
{
	const struct masked *masked = mask_of_mount(run, mount_id);
	return masked && masked->op->kind == OP_PROTECT;
}

/* The top of a mount begins where the walk stands. */
static void enter_mount(struct walk *walk, uint64_t id)
{
	const struct walked *walked = walk->run->mounts->masks->walked;
	const struct mask_mount above = walk->mount;
	size_t i = 0;
	while (i < walked->n_mounts && walked->mounts[i].id != id)
		i++;
	if (i < walked->n_mounts)
		walk->mount = walked->mounts[i];
	else
		walk->mount = (struct mask_mount){ .id = id,
						   .top = walk->way.length ? way_of(walk) : "/",
						   .tree = tree_of(walk, id) };
	walk->mount.is_kept =
		walk->run->plan->rehearses && (mask_shows_what_was_there(walk->run, id) ||
					       (above.is_kept && above.tree == walk->mount.tree));
	walk->top_length = walk->way.length;
}

static bool is_own(const struct walk *walk)
{
	return walk->at_fd != walk->run->root.fd &&
	       walk->at_fd != walk->run->mounts->masks->walked->start.at_fd;
}

/* Stands on fd, which is taken over. */
static void stand_on(struct walk *walk, int fd, const struct kernel_statx *status)
{
	if (is_own(walk))
		close_fd(&walk->at_fd);
	walk->at_fd = fd;
	walk->at = mask_object_of(status);
	if (status->stx_mnt_id == walk->mount.id)
		return;
	if (!(status->stx_attributes & STATX_ATTR_MOUNT_ROOT))
		die_changed(walk);
	enter_mount(walk, status->stx_mnt_id);
}

static void stand_on_root(struct walk *walk)
{
	struct kernel_statx status = { .stx_mnt_id = walk->run->root.mount_id,
				       .stx_attributes = STATX_ATTR_MOUNT_ROOT };
	walk->way.length = 0;
	walk->mount = (struct mask_mount){ 0 };
	stand_on(walk, walk->run->root.fd, &status);
}

/* Asked only once a name is looked up in it: a FUSE server need not answer. virtiofs has FUSE's number; a virtual
 * machine's host serves it, out of COMMAND's reach. */
static void learn_mount(struct walk *walk)
{
	struct walked *walked = walk->run->mounts->masks->walked;
	struct statfs fs;
	if (walk->mount.is_known)
		return;
	if (fstatfs(walk->at_fd, &fs) < 0)
		die_errno(errno, "%s: Can't look at the file system of %s",
			  position_text(walk->op->position), walk->path);
	walk->mount.is_known = true;
	walk->mount.is_read_only =
		fs.f_flags & ST_RDONLY && (!walk->run->plan->rehearses || walk->mount.is_kept ||
					   !plan_stays_writable(walk->run->plan, walk->mount.tree));
	walk->mount.is_procfs = fs.f_type == PROC_SUPER_MAGIC;
	walk->mount.is_autofs = fs.f_type == AUTOFS_SUPER_MAGIC;
	walk->mount.is_fuse = fs.f_type == FUSE_SUPER_MAGIC &&
			      !streq(overlay_type_of_mount(walk->run, walk->mount.id), "virtiofs");
	walked->mounts = arena_grow(walked->mounts, walked->n_mounts, &walked->capacity_mounts,
				    sizeof(*walked->mounts));
	walked->mounts[walked->n_mounts++] = walk->mount;
}

/* In procfs nothing can be renamed. */
static bool is_writable(const struct walk *walk)
{
	return !walk->mount.is_read_only &&
	       !(walk->mount.tree && proc_is_kind(walk->mount.tree->kind));
}

static void note_writable(struct walk *walk)
{
	walk->last_writable = is_writable(walk) ? walk->mount.top : NULL;
	bool stays = walk->mount.tree && (walk->mount.tree->kind == OP_BIND ||
					  walk->mount.tree->kind == OP_BIND_INNER ||
					  walk->mount.tree->kind == OP_OVERLAY);
	if (stays && walk->last_writable && !walk->host_writable)
		walk->host_writable = walk->mount.top;
}

/* Where it cannot be renamed or removed, but perhaps by another path (mask-check.c). */
static void note_passed(struct walk *walk, const char *name, const struct kernel_statx *found)
{
	struct masks *masks = walk->run->mounts->masks;
	struct kernel_statx status;
	if (!walk->at.ino) {
		if (sys_statx(walk->at_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO,
			      &status) < 0)
			die_changed(walk);
		walk->at = mask_object_of(&status);
	}
	for (size_t i = masks->n_passed; i-- > 0;)
		if (masks->passed[i].tree == walk->mount.tree &&
		    mask_is_same(masks->passed[i].parent, walk->at) &&
		    streq(masks->passed[i].name, name))
			return;
	masks->passed = arena_grow(masks->passed, masks->n_passed, &masks->capacity_passed,
				   sizeof(*masks->passed));
	masks->passed[masks->n_passed++] =
		(struct masked){ .op = walk->op,
				 .path = walk->path,
				 .real = way_of(walk),
				 .tree = walk->mount.tree,
				 .parent = walk->at,
				 .name = name,
				 .object = mask_object_of(found),
				 .was_mount_root = found->stx_attributes & STATX_ATTR_MOUNT_ROOT };
}

/* What was found as `name` where we stand stays there: that which leads on, or the end. */
static void keep_step(struct walk *walk, const char *name, const struct kernel_statx *found)
{
	if (!walk->pins)
		return;
	if (!is_writable(walk))
		note_passed(walk, name, found);
	if (!is_writable(walk) || walk->mount.is_fuse ||
	    found->stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return;
	size_t length = walk->way.length;
	add_name(walk, name);
	mask_pin(walk->run, walk->op, &walk->mount,
		 skip_slashes(walk->way.bytes + walk->top_length), found);
	walk->way.length = length;
}

static void go_down(struct walk *walk, int fd, const char *name, const struct kernel_statx *found)
{
	keep_step(walk, name, found);
	add_name(walk, name);
	stand_on(walk, fd, found);
}

enum { WANTED = STATX_TYPE | STATX_INO | STATX_MNT_ID };

/* The way without its last name, again from the root. */
static void go_up(struct walk *walk)
{
	while (walk->way.length && walk->way.bytes[--walk->way.length] != '/')
		;
	const char *way = way_of(walk);
	stand_on_root(walk);
	while (*(way = skip_slashes(way))) {
		size_t length = strcspn(way, "/");
		const char *name = arena_copy(way, length);
		int fd = openat(walk->at_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		struct kernel_statx found;
		if (fd < 0 ||
		    sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, &found) < 0)
			die_changed(walk);
		learn_mount(walk);
		note_writable(walk);
		go_down(walk, fd, name, &found);
		way += length;
	}
}

/* What the link says comes before the rest of the way. False: it leads too far. */
static bool follow(struct walk *walk, int fd, const char *name, const struct kernel_statx *found)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(fd, "", target, sizeof(target));
	if (length <= 0 || length == sizeof(target) || ++walk->n_links > MOST_LINKS)
		return false;
	keep_step(walk, name, found);
	if (walk->mount.is_fuse && is_writable(walk))
		walk->loose_link = name;
	if (!walk->link || strlen(walk->rest) < walk->behind_link) {
		walk->link = arena_printf("%.*s/%s", (int) walk->way.length,
					  walk->way.length ? walk->way.bytes : "", name);
		walk->behind_link = strlen(walk->rest);
	}
	walk->rest = arena_join(arena_copy(target, (size_t) length), walk->rest);
	if (target[0] == '/')
		stand_on_root(walk);
	return true;
}

/* Takes the next name off the rest of the way; NULL: there is none. */
static const char *next_name(struct walk *walk, bool *ret_is_last, bool *ret_wants_directory)
{
	const char *name = skip_slashes(walk->rest);
	size_t length = strcspn(name, "/");
	*ret_wants_directory = name[length] == '/';
	walk->rest = name + length;
	*ret_is_last = !*skip_slashes(walk->rest);
	if (!length)
		return NULL;
	return *walk->rest ? arena_copy(name, length) : name;
}

/* What is where the way ends: fd, called `name`; or, without, the directory in which that is missing. */
static void arrive(struct walk *walk, int fd, const char *name, struct mask_place *ret)
{
	if (name && ret->status.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		keep_step(walk, name, &ret->status);
	if (name)
		add_name(walk, name);
	ret->name = walk->n_links ? NULL : name;
	ret->dir_fd = walk->at_fd;
	ret->parent = walk->at;
	ret->fd = fd;
	ret->is_mount_root = ret->status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	ret->mount_id = ret->status.stx_mnt_id;
	ret->real = way_of(walk);
	ret->tree =
		ret->mount_id == walk->mount.id ? walk->mount.tree : tree_of(walk, ret->mount_id);
	ret->is_read_only = !is_writable(walk);
	ret->is_fuse = walk->mount.is_fuse;
	ret->writable = walk->host_writable ? walk->host_writable : walk->last_writable;
	ret->is_at_the_end = !walk->host_writable;
}

/* An automount waits to be asked for what is in it, which O_PATH alone does not; COMMAND will. False: it waits on. */
static bool enter_automount(struct walk *walk)
{
	struct kernel_statx found;
	walk->run->mounts->masks->mounts = NULL; /* more come */
	AUTO_CLOSE int fd = path_open(walk->run->root.fd, way_of(walk), O_PATH | O_DIRECTORY);
	if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, &found) < 0 ||
	    found.stx_mnt_id == walk->mount.id)
		return false;
	stand_on(walk, fd, &found);
	fd = -1;
	learn_mount(walk);
	return !walk->mount.is_autofs;
}

/* What has that name where we stand, which is the caller's, and what it is. An errno, and *ret_fd is -1. */
static int find(const struct walk *walk, const char *name, int *ret_fd, struct kernel_statx *ret,
		bool *ret_is_directory)
{
	AUTO_CLOSE int fd = openat(walk->at_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct kernel_statx again;
	*ret_fd = -1;
	if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, ret) < 0)
		return errno;
	*ret_is_directory = S_ISDIR(ret->stx_mode);
	if (!(ret->stx_mask & STATX_TYPE) &&
	    fs_look_at(walk->run, fd, &again, ret_is_directory) < 0)
		return errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* The kernel finds nothing behind it, but the way would be back from there once something is made. */
static bool goes_up(const char *rest)
{
	for (size_t n; *(rest = skip_slashes(rest)); rest += n) {
		n = strcspn(rest, "/");
		if (n == 2 && strncmp(rest, "..", n) == 0)
			return true;
	}
	return false;
}

/* Where no other file system of ours is, but the host's. */
static bool is_stub(const struct walk *walk, int fd, const struct kernel_statx *found)
{
	const struct op *tree = walk->mount.tree;
	return found->stx_mode & S_ISVTX && tree && tree->kind == OP_BIND && is_writable(walk) &&
	       stub_is_one(fd);
}

/* Whether the last path led this far, and no farther, as this one does, which goes on with `name`. */
static void note_parting(const struct walk *walk, const char *name)
{
	struct walked *walked = walk->run->mounts->masks->walked;
	size_t common = 0, length = strlen(walk->path) - strlen(walk->rest) - strlen(name);
	if (!walk->pins || walk->n_links || !walked->path || !walk->way.length)
		return;
	for (size_t i = 0; walk->path[i] && walk->path[i] == walked->path[i]; i++)
		if (walk->path[i] == '/')
			common = i + 1;
	if (length != common || (walked->start.at_fd >= 0 && strlen(walked->beginning) == length &&
				 strncmp(walked->beginning, walk->path, length) == 0))
		return;
	if (walk->at_fd != walked->start.at_fd)
		close_fd(&walked->start.at_fd);
	walked->beginning = arena_copy(walk->path, length);
	walked->start = *walk;
	walked->start.way.bytes = arena_copy(walk->way.bytes, walk->way.length);
}

/* In a worktree, or a submodule, .git is a file that names the directory. */
static const char *file_on_the_way(const struct walk *walk, int fd, const char *name, mode_t mode)
{
	static const char key[] = "gitdir: ";
	char text[PATH_MAX];
	const char *path = arena_printf("self/fd/%d", fd);
	AUTO_CLOSE int file = streq(name, ".git") && S_ISREG(mode)
				      ? openat(walk->run->host->proc_fd, path,
					       O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
				      : -1;
	ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text));
	bool is_pointer = length > (ssize_t) strlen(key) && memcmp(text, key, strlen(key)) == 0;
	const char *words =
		is_pointer ? arena_copy(text + strlen(key), (size_t) length - strlen(key)) : "";
	words = arena_copy(words, strcspn(words, "\n"));
	/* gitrepository-layout(5): a worktree has few files of its own. A submodule's directory lies further down. */
	const char *worktree = strstr(words, "/worktrees/");
	bool is_worktree = worktree && !strchr(worktree + strlen("/worktrees/"), '/');
	return arena_printf(
		"%s; %s/%s is a file%s%s%s%s", errno_text(ENOTDIR), way_of(walk), name,
		is_pointer ? ", which says that the directory is " : "", words,
		is_pointer ? ": name what is to be found there" : "",
		is_worktree
			? "; its hooks and config are in what git rev-parse --git-common-dir tells"
			: "");
}

static const char *stop_at_missing(const struct walk *walk, const char *name, bool is_directory,
				   struct mask_place *ret)
{
	ret->missing = name;
	ret->missing_is_directory = is_directory;
	if (is_directory && stub_would_be_file(walk->run, walk->at_fd, name))
		return file_on_the_way(walk, -1, name, 0);
	if (walk->link && strlen(walk->rest) >= walk->behind_link)
		return arena_printf(
			"the link %s leads to what does not exist: remove it, or make that",
			walk->link);
	return goes_up(walk->rest)
		       ? arena_printf("%s, from which .. leads on, does not exist", name)
		       : NULL;
}

/* NULL, or why nothing can be promised there. */
static const char *go(struct walk *walk, struct mask_place *ret)
{
	bool is_last, wants_directory;
	for (const char *name; (name = next_name(walk, &is_last, &wants_directory));) {
		bool is_directory;
		struct kernel_statx status;
		if (streq(name, ".") || streq(name, "..")) {
			if (streq(name, ".."))
				go_up(walk);
			continue;
		}
		learn_mount(walk);
		bool waits = walk->mount.is_autofs && !enter_automount(walk);
		note_writable(walk);
		if (walk->mount.is_fuse && !overlay_serves(walk->run, walk->mount.id))
			return "it is on a FUSE file system, whose server can take off what is mounted there";
		note_parting(walk, name);
		int fd, error = find(walk, name, &fd, &status, &is_directory);
		ret->is_stub = !error && is_stub(walk, fd, &status);
		if (ret->is_stub)
			close(fd);
		if (waits && error == ENOENT)
			return arena_printf(
				"%s is an automount where nothing is mounted: look into it before",
				way_of(walk));
		if (ret->is_stub || error == ENOENT) {
			const char *why =
				stop_at_missing(walk, name, !is_last || wants_directory, ret);
			if (why)
				return why;
			break;
		}
		if (error)
			return errno_text(error);
		if (S_ISLNK(status.stx_mode) && status.stx_mask & STATX_TYPE) {
			bool is_of_procfs = walk->mount.is_procfs;
			bool followed = !is_of_procfs && follow(walk, fd, name, &status);
			close(fd);
			if (is_of_procfs)
				return arena_printf(
					"the link %s of procfs leads each process elsewhere", name);
			if (!followed)
				return errno_text(ELOOP);
		} else if (is_directory && !is_last) {
			go_down(walk, fd, name, &status);
		} else if (is_last && (is_directory || !wants_directory)) {
			ret->status = status;
			arrive(walk, fd, name, ret);
			return NULL;
		} else {
			const char *why = file_on_the_way(walk, fd, name, status.stx_mode);
			close(fd);
			return why;
		}
	}
	int fd = fcntl(walk->at_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 ||
	    sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, WANTED, &ret->status) < 0)
		die_changed(walk);
	arrive(walk, fd, NULL, ret);
	return NULL;
}

/* Where links were followed: whoever asks path.c, as COMMAND asks the kernel, arrives at the same. */
static const char *compare(const struct walk *walk, const struct mask_place *place)
{
	AUTO_CLOSE int fd = path_open(walk->run->root.fd, walk->path, O_PATH);
	if (place->is_stub) /* there, or a directory for what is below it */
		return NULL;
	if (fd < 0 && errno == ELOOP) /* a link of /proc's that would lead out */
		return errno_text(ELOOP);
	if (place->missing ? fd >= 0 || (errno != ENOENT && errno != ENOTDIR)
			   : fd < 0 || !fs_is_same_object(fd, place->fd))
		die_changed(walk);
	return NULL;
}

/* ---- from one walk to the next ---- */

void mask_walk_forget(const struct run *run)
{
	struct walked *walked = run->mounts->masks->walked;
	if (!walked)
		return;
	close_fd(&walked->start.at_fd);
	close_fd(&walked->end_fd);
	walked->n_mounts = 0;
	walked->path = NULL;
}

void mask_walk_note_covered(const struct run *run, const char *real)
{
	struct walk *start = &run->mounts->masks->walked->start;
	if (start->at_fd >= 0 && path_is_within(start->way.bytes, real))
		close_fd(&start->at_fd);
}

static void begin(struct walk *walk)
{
	struct masks *masks = walk->run->mounts->masks;
	if (!masks->walked) {
		masks->walked = arena_alloc(sizeof(*masks->walked));
		masks->walked->start.at_fd = masks->walked->end_fd = -1;
	}
	struct walked *walked = masks->walked;
	close_fd(&walked->end_fd);
	if (walked->last && walk->op > walked->last + 1)
		mask_walk_forget(walk->run);
	if (!walk->pins) /* another operation asks, or the end */
		close_fd(&walked->start.at_fd);
	walked->last = walk->op;
	const struct walk *start = &walked->start;
	size_t length = start->at_fd < 0 ? 0 : strlen(walked->beginning);
	walk->way = walked->way;
	if (!length || strncmp(walk->path, walked->beginning, length) != 0 ||
	    !*skip_slashes(walk->path + length)) {
		stand_on_root(walk);
		return;
	}
	struct walk next = *walk;
	*walk = *start;
	walk->op = next.op;
	walk->path = next.path;
	walk->rest = next.path + length;
	walk->way = next.way;
	walk->way.length = 0;
	text_add_bytes(&walk->way, start->way.bytes, start->way.length);
}

void mask_walk(struct run *run, const struct op *op, const char *path, bool pins,
	       struct mask_place *ret)
{
	struct walk walk = { .run = run,
			     .op = op,
			     .path = path,
			     .pins = pins,
			     .at_fd = run->root.fd,
			     .rest = path };
	*ret = (struct mask_place){ .fd = -1 };
	begin(&walk);
	ret->trouble = go(&walk, ret);
	if (!ret->trouble && walk.n_links)
		ret->trouble = compare(&walk, ret);
	if (!ret->trouble && walk.loose_link && !ret->is_fuse)
		ret->trouble = arena_printf(
			"the link %s lies on an overlay of fuse-overlayfs's, where COMMAND can replace it: name the place that it leads to",
			walk.loose_link);
	struct walked *walked = run->mounts->masks->walked;
	if (is_own(&walk))
		walked->end_fd = walk.at_fd;
	walked->way = walk.way;
	walked->path = pins ? path : NULL;
}
