/* overlay-changes.c - what was changed in an overlay, from its upper directory.
 *
 * Runs in a process of its own (process/helpers.c) when everything in the sandbox has ended: it waits for the
 * supervisor's word and ends when the supervisor does. It is not dumpable, its root is the upper directory, and
 * all it has are clones of that and the layers.
 *
 * The upper directory is walked by descriptor, next to what the layers show at the same place: that
 * tells added from changed, and a directory that was only copied up because something below it
 * changed from one that was itself.
 *
 * What marks only claim is listed, but keeps nothing else from being listed.
 *
 * A directory is walked with its names in memory, not with itself open: how deep a tree is, too, is
 * COMMAND's choice. Only the last levels are open; the way back up is "..", in the layers as well, and
 * has to lead to the directory that it was.
 *
 * Must not: follow a link; resolve a path but names within an open directory; keep memory for what it
 * is done with.
 */
#include "mount/overlay-changes.h"

#include "mount/fs.h"
#include "mount/overlay-job.h"
#include "mount/overlay-list.h"
#include "mount/overlay-view.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/helper.h"
#include "sys/self.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MOST_OPEN_VIEWS = 256,
	/* What is deeper is told relative to a line of its own, or the list would grow with the
	 * square of the depth. */
	MOST_PATH_BYTES = PATH_MAX
};

/* The names in one directory, sorted, each with a NUL behind it. */
struct names {
	char *bytes, **at;
	size_t n;
};

/* A directory of the upper tree that the walk is in. */
struct level {
	int fd; /* -1: closed for want of descriptors, and of the view what the level below has */
	dev_t device;
	ino_t inode;
	struct view *view;
	bool was_renamed; /* it or one above: the layers have it elsewhere */
	struct names names;
	size_t next;      /* of the names */
	bool hides_below; /* or so it claims: what is in it is listed, whatever the layers show */
	size_t path_length, lower_length; /* of the directory above: leave() */
	char *lower_before;               /* the lower_path that a redirect has replaced, or NULL */
	/* The nearest line that paths in here are relative to: its number, and where its own path
	 * ends. 0: none, they are absolute. */
	unsigned long long anchor;
	size_t anchor_length;
};

struct changes_walk {
	const struct op *op;
	enum overlay_marks marks;
	struct view *top;
	struct level *levels;
	size_t depth, capacity, most_open; /* levels */
	struct overlay_list *list;
	/* Of what is looked at: inside, and from the overlay's top in the layers, which is another
	 * one below what was renamed. They grow and shrink with the walk. */
	struct text path, lower_path;
	struct text from;
	struct attributes *attributes;
	/* What the overlay's top was like when COMMAND had not started. */
	struct stat status_before;
	struct text attributes_before;
};

static _Noreturn void die_of(const struct changes_walk *walk)
{
	int error = errno;
	const char *path = walk->path.bytes;
	if (walk->path.length > MOST_PATH_BYTES)
		path = arena_printf("...%s", path + walk->path.length - MOST_PATH_BYTES);
	die_errno(error, "%s: Can't list the changes: %s",
		  position_text(walk->op->overlay->changes.position), path);
}

static void *resize(const struct changes_walk *walk, void *items, size_t n, size_t item_bytes)
{
	void *resized = reallocarray(items, n, item_bytes);
	if (!resized)
		die_of(walk);
	return resized;
}

/* ---- paths ---- */

/* Returns what leave() wants. */
static size_t enter(struct text *path, const char *name)
{
	size_t length = path->length;
	if (!length || path->bytes[length - 1] != '/')
		text_add_bytes(path, "/", 1);
	text_add_bytes(path, name, strlen(name));
	return length;
}

static void leave(struct text *path, size_t length)
{
	path->length = length;
	path->bytes[length] = '\0';
}

static void set_path(struct text *path, const char *to)
{
	path->length = 0;
	text_add_bytes(path, to, strlen(to));
}

/* ---- lines ---- */

static struct listed_path listed_path(const struct changes_walk *walk)
{
	const struct level *level = walk->depth ? &walk->levels[walk->depth - 1] : NULL;
	if (!level || !level->anchor)
		return (struct listed_path){ 0, walk->path.bytes };
	return (struct listed_path){ level->anchor, walk->path.bytes + level->anchor_length + 1 };
}

/* `from`: below the overlay. */
static void add_line(struct changes_walk *walk, const char *change, const struct stat *status,
		     const char *from)
{
	if (from) {
		set_path(&walk->from, walk->op->inner_path);
		enter(&walk->from, skip_slashes(from));
	}
	if (!overlay_list_add(walk->list, change, listed_path(walk), status,
			      from ? walk->from.bytes : NULL))
		die_of(walk);
}

/* A line that only gives the directory which is entered a number. */
static void add_anchor(struct changes_walk *walk, struct level *level)
{
	if (!overlay_list_number(walk->list, listed_path(walk), &level->anchor))
		die_of(walk);
	level->anchor_length = walk->path.length;
}

/* Where a directory was before it was renamed becomes its lower_path; returns the one that it had,
 * for free(3). NULL: it was here. */
static char *follow_redirect(struct changes_walk *walk, int fd)
{
	char value[PATH_MAX + 1];
	if (!marks_redirect(walk->marks, fd, value))
		return NULL;
	char *before = strdup(walk->lower_path.bytes);
	if (!before)
		die_of(walk);
	if (value[0] == '/') {
		set_path(&walk->lower_path, value);
	} else {
		leave(&walk->lower_path, (size_t) (strrchr(before, '/') - before));
		enter(&walk->lower_path, value);
	}
	return before;
}

/* What the layers show at lower_path. */
static struct view *open_lower_path(const struct changes_walk *walk)
{
	struct view *view;
	if (!view_open_path(walk->top, walk->lower_path.bytes, &view))
		die_of(walk);
	return view;
}

/* other_fd: -1 where there is nothing to compare with. */
static bool has_other_attributes(const struct changes_walk *walk, int fd, int other_fd)
{
	int differ = other_fd < 0 ? 0 : attributes_differ(walk->attributes, fd, other_fd);
	if (differ < 0)
		die_of(walk);
	return differ;
}

/* What is in a directory explains its time. */
static bool status_differs(const struct changes_walk *walk, const struct stat *before,
			   const struct stat *now, bool is_empty)
{
	return before->st_mode != now->st_mode ||
	       (walk->marks != MARKS_FUSE &&
		(before->st_uid != now->st_uid || before->st_gid != now->st_gid)) ||
	       (is_empty && (before->st_mtim.tv_sec != now->st_mtim.tv_sec ||
			     before->st_mtim.tv_nsec != now->st_mtim.tv_nsec));
}

/* ---- the walk ---- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static struct names read_names(const struct changes_walk *walk, int fd)
{
	struct names names = { 0 };
	size_t used = 0, capacity = 0;
	DIR *directory = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	if (!directory)
		die_of(walk);
	const struct dirent *entry;
	while ((errno = 0, entry = readdir(directory))) {
		size_t length = strlen(entry->d_name) + 1;
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (capacity - used < length) {
			capacity = 2 * capacity + NAME_MAX + 1;
			names.bytes = resize(walk, names.bytes, capacity, 1);
		}
		memcpy(names.bytes + used, entry->d_name, length);
		used += length;
		names.n++;
	}
	if (errno)
		die_of(walk);
	closedir(directory);
	if (!names.n)
		return names;
	names.at = resize(walk, NULL, names.n, sizeof(char *));
	char *next = names.bytes;
	for (size_t i = 0; i < names.n; i++, next += strlen(next) + 1)
		names.at[i] = next;
	qsort(names.at, names.n, sizeof(char *), compare_names);
	return names;
}

static void close_level(struct level *level)
{
	close_fd(&level->fd);
	view_close(level->view);
}

/* Until open_again(). What ".." of the level below will not lead to stays open: each layer ends once
 * on the way down. Renamed directories can have any number of such ends, and are found by path. */
static void close_for_now(struct level *level)
{
	const struct level *below = level + 1;
	close_fd(&level->fd);
	view_close_above(level->view, below->view, below->was_renamed);
}

/* Enters a directory, which walk->path names; takes fd, view and names over. */
static struct level *push(struct changes_walk *walk, int fd, struct view *view, struct names names)
{
	struct stat status;
	if (walk->depth == walk->capacity) {
		walk->capacity = 2 * walk->capacity + 64;
		walk->levels = resize(walk, walk->levels, walk->capacity, sizeof(struct level));
	}
	if (walk->depth >= walk->most_open)
		close_for_now(&walk->levels[walk->depth - walk->most_open]);
	if (fstat(fd, &status) < 0)
		die_of(walk);
	struct level *level = &walk->levels[walk->depth];
	*level = (struct level){ .fd = fd,
				 .device = status.st_dev,
				 .inode = status.st_ino,
				 .view = view,
				 .names = names };
	if (walk->depth) {
		level->was_renamed = level[-1].was_renamed;
		level->anchor = level[-1].anchor;
		level->anchor_length = level[-1].anchor_length;
	}
	if (walk->path.length - level->anchor_length > MOST_PATH_BYTES)
		add_anchor(walk, level);
	walk->depth++;
	return level;
}

static void leave_directory(struct changes_walk *walk, const struct level *level)
{
	leave(&walk->path, level->path_length);
	if (level->lower_before) {
		set_path(&walk->lower_path, level->lower_before);
		free(level->lower_before);
	}
	leave(&walk->lower_path, level->lower_length);
}

/* The directory above `level`, where it was closed. By path only where the layers have it elsewhere:
 * from the top to each directory would be the square of the depth. */
static void open_again(struct changes_walk *walk, struct level *above, const struct level *level)
{
	above->fd = view_climb(level->fd, above->device, above->inode);
	if (above->fd < 0)
		die_of(walk);
	if (!view_open_above(above->view, level->view)) {
		view_close(above->view);
		above->view = open_lower_path(walk);
	}
}

static void pop(struct changes_walk *walk)
{
	struct level *level = &walk->levels[--walk->depth];
	if (walk->depth)
		leave_directory(walk, level);
	if (walk->depth && level[-1].fd < 0)
		open_again(walk, level - 1, level);
	close_level(level);
	free(level->names.bytes);
	free(level->names.at);
}

/* A directory of the upper tree; `before`: what the layers show there, NULL for nothing. */
static void visit_directory(struct changes_walk *walk, const struct level *parent, const char *name,
			    const struct stat *before, const struct stat *now)
{
	size_t path_length = enter(&walk->path, name);
	size_t lower_length = enter(&walk->lower_path, name);
	int fd = openat(parent->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		die_of(walk);
	char *lower_before = follow_redirect(walk, fd);
	struct names names = read_names(walk, fd);
	bool hides_below = parent->hides_below;
	struct view *below = NULL;
	if (lower_before) {
		below = open_lower_path(walk);
		add_line(walk, "renamed", now, walk->lower_path.bytes);
	} else if (!before || !S_ISDIR(before->st_mode)) {
		add_line(walk, before ? "changed" : "added", now, NULL);
	} else {
		enum opacity opacity = marks_opacity(walk->marks, fd);
		if (opacity != OPACITY_SURE && !view_open_below(parent->view, name, &below))
			die_of(walk);
		if (opacity)
			add_line(walk, "opaque", now, NULL);
		else if (hides_below || status_differs(walk, before, now, !names.n) ||
			 has_other_attributes(walk, fd, view_top_fd(below)))
			add_line(walk, "changed", now, NULL);
		hides_below |= opacity != OPACITY_NONE;
	}
	struct level *level = push(walk, fd, below, names);
	level->path_length = path_length;
	level->lower_length = lower_length;
	level->lower_before = lower_before;
	level->hides_below = hides_below;
	level->was_renamed |= lower_before != NULL;
}

/* A file of the upper tree. */
static void visit_file(struct changes_walk *walk, int parent_fd, const char *name, bool was_there,
		       const struct stat *now)
{
	char origin[PATH_MAX + 1];
	if (S_ISREG(now->st_mode) && marks_origin(walk->marks, parent_fd, name, origin) &&
	    !streq(origin, walk->lower_path.bytes + 1))
		add_line(walk, "renamed", now, origin);
	else
		add_line(walk, was_there ? "changed" : "added", now, NULL);
}

/* What is no directory. */
static void visit_other(struct changes_walk *walk, const struct level *parent, const char *name,
			const struct stat *before, const struct stat *now)
{
	size_t length = enter(&walk->path, name), lower_length = enter(&walk->lower_path, name);
	if (!marks_whiteout(now))
		visit_file(walk, parent->fd, name, before != NULL, now);
	else if (before)
		add_line(walk, "removed", before, NULL);
	leave(&walk->path, length);
	leave(&walk->lower_path, lower_length);
}

/* `.wh.NAME`, or `.wh..wh..opq`, which the directory was asked for. True when that is all there is to
 * say of it: anything but an empty file is not fuse-overlayfs's own. What follows `.wh.` may also be
 * no name, since COMMAND's links and directories can be called so. */
static bool list_claimed_removal(struct changes_walk *walk, const struct level *level,
				 const char *name)
{
	struct stat now, before;
	bool is_opaque_mark = streq(name, ".wh..wh..opq");
	if (strncmp(name, ".wh.", 4) != 0 || !name[4] || streq(name + 4, ".") ||
	    streq(name + 4, "..") ||
	    (!is_opaque_mark && !view_stat(level->view, name + 4, &before)))
		return false;
	if (!is_opaque_mark) {
		size_t length = enter(&walk->path, name + 4);
		add_line(walk, "removed", &before, NULL);
		leave(&walk->path, length);
	}
	return fstatat(level->fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(now.st_mode) &&
	       now.st_size == 0;
}

static void visit(struct changes_walk *walk, const struct level *level, const char *name)
{
	struct stat now, before;
	if (walk->marks == MARKS_FUSE && list_claimed_removal(walk, level, name))
		return;
	if (fstatat(level->fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		die_of(walk);
	bool was_there = view_stat(level->view, name, &before);
	if (S_ISDIR(now.st_mode))
		visit_directory(walk, level, name, was_there ? &before : NULL, &now);
	else
		visit_other(walk, level, name, was_there ? &before : NULL, &now);
}

/* ---- the top ---- */

/* fuse-overlayfs obeys a mark also there; the kernel does not. */
static void list_top(struct changes_walk *walk, int fd, bool is_empty)
{
	struct stat now;
	struct text attributes = { 0 };
	enum opacity opacity =
		walk->marks == MARKS_FUSE ? marks_opacity(walk->marks, fd) : OPACITY_NONE;
	if (fstat(fd, &now) < 0 || !attributes_copy(walk->attributes, fd, &attributes))
		die_of(walk);
	if (opacity)
		add_line(walk, "opaque", &now, NULL);
	else if (status_differs(walk, &walk->status_before, &now, is_empty) ||
		 attributes.length != walk->attributes_before.length ||
		 (attributes.length &&
		  memcmp(attributes.bytes, walk->attributes_before.bytes, attributes.length) != 0))
		add_line(walk, "changed", &now, NULL);
	if (opacity == OPACITY_SURE) {
		view_close(walk->top);
		walk->top = NULL;
	}
}

static int open_readable(const struct changes_walk *walk, int fd)
{
	int readable_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (readable_fd < 0)
		die_of(walk);
	return readable_fd;
}

/* ---- the process ---- */

/* Before COMMAND starts: remembers what the top is like. */
static struct changes_walk *begin(const struct op *op, enum overlay_marks marks, int upper_fd)
{
	struct changes_walk *walk = arena_alloc(sizeof(*walk));
	*walk = (struct changes_walk){ .op = op,
				       .marks = marks,
				       .list = overlay_list_new(op->overlay->changes.fd),
				       .attributes = attributes_new(marks) };
	set_path(&walk->path, op->inner_path);
	set_path(&walk->lower_path, "");
	AUTO_CLOSE int fd = open_readable(walk, upper_fd);
	if (fstat(fd, &walk->status_before) < 0 ||
	    !attributes_copy(walk->attributes, fd, &walk->attributes_before))
		die_of(walk);
	return walk;
}

/* One line for each path that the upper directory holds or hides, and the last one. */
static void write_list(struct changes_walk *walk, int upper_fd, const int *lowers, size_t n_lowers)
{
	walk->most_open = 2 + MOST_OPEN_VIEWS / (n_lowers + 1);
	if (!view_open_top(walk->marks, lowers, n_lowers, &walk->top))
		die_of(walk);
	int fd = open_readable(walk, upper_fd);
	struct names names = read_names(walk, fd);
	list_top(walk, fd, !names.n);
	push(walk, fd, open_lower_path(walk), names);
	while (walk->depth) {
		struct level *level = &walk->levels[walk->depth - 1];
		if (level->next == level->names.n)
			pop(walk);
		else
			visit(walk, level, level->names.at[level->next++]);
	}
	if (!overlay_list_end(walk->list))
		die_of(walk);
}

static void keep_listers_descriptors(const struct overlay_job *job, int socket, int word_fd)
{
	size_t n = 0;
	int *keep = arena_alloc((job->n_layers + 4) * sizeof(int));
	for (size_t i = 0; i < job->n_layers; i++)
		keep[n++] = job->layers[i];
	keep[n++] = job->fds[UPPER];
	keep[n++] = job->op->overlay->changes.fd;
	keep[n++] = socket;
	keep[n++] = word_fd;
	if (!close_all_except(keep, n))
		die_errno(errno, "Can't close the descriptors that a helper must not have");
}

void overlay_be_change_lister(const struct run *run, int socket, int word_fd, uint64_t capabilities)
{
	char byte;
	struct overlay_job job;
	overlay_job_receive(run, socket, &job);
	keep_listers_descriptors(&job, socket, word_fd);
	/* What it reads are mounts attached nowhere: no ".." leads out of them, and no path to what is
	 * not in the upper directory. */
	if (fchdir(job.fds[UPPER]) < 0 || chroot(".") < 0)
		die_errno(errno, "%s: Can't leave the host's root",
			  position_text(job.op->overlay->changes.position));
	overlay_keep_caps(capabilities);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		/* It does with fewer, unless there are many layers. */
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	struct changes_walk *walk = begin(job.op, job.marks, job.fds[UPPER]);
	/* Not dumpable before it is let go; and it is not wanted without its parent. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setsid() < 0)
		die_errno(errno, "%s: Can't protect the process that lists the changes",
			  position_text(job.op->overlay->changes.position));
	helper_send_ready(socket, -1);
	close(socket);
	if (read_some(word_fd, &byte, 1) == 1)
		write_list(walk, job.fds[UPPER], job.layers, job.n_layers);
	_exit(0);
}

/* ---- in setup ---- */

void overlay_watch_changes(struct run *run, const struct op *op, enum overlay_marks marks,
			   const int *layers, size_t n_layers, int upper_fd)
{
	AUTO_CLOSE int upper_clone = fs_clone_read_only(upper_fd);
	if (upper_clone < 0)
		die_errno(errno, "%s: Can't clone what is written", position_text(op->position));
	struct overlay_job job = { .op = op,
				   .marks = marks,
				   .fds = { upper_clone, -1, -1, -1, -1 } };
	overlay_job_clone_layers(&job, layers, n_layers);
	AUTO_CLOSE int socket = overlay_job_start(run, HELPER_CHANGE_LISTER, &job);
	overlay_job_close_layers(&job);
	struct failure failure;
	enum helper_answer answer = helper_receive_answer(socket, NULL, &failure);
	if (answer == HELPER_IS_GONE)
		die("%s: The process that is to list the changes was ended; nothing was run",
		    position_text(op->overlay->changes.position));
	if (answer == HELPER_HAS_FAILED)
		die_silently(&failure);
}
