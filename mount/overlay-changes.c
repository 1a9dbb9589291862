/* overlay-changes.c - what was changed in an overlay, one JSON line for each path, from its upper
 * directory.
 *
 * Runs in the reader's process (overlay-fuse.c) when everything in the sandbox has ended. The
 * upper directory is walked by descriptor, next to what the layers show at the same place: that
 * tells added from changed, and a directory that was only copied up because something below it
 * changed from one that was itself.
 *
 * Marks: a path is removed by a 0:0 character device; a directory hides what the layers have below
 * it by an attribute `opaque`; where something was before it was renamed is told by `redirect` and
 * by fuse-overlayfs's `origin`. Only the names that this backend writes count: it hides them from
 * COMMAND, who can write all others. fuse-overlayfs also obeys some that it does not hide
 * (user.overlay.opaque, `.wh.NAME`, `.wh..wh..opq`; the files are its own where attributes or
 * devices cannot be had), when the upper directory is used again: what they claim is listed, but
 * keeps nothing else from being listed.
 *
 * A directory is walked with its names in memory, not with itself open: how deep a tree is, too, is
 * COMMAND's choice. Only the last levels are open; the way back up is "..", in the layers as well, and
 * has to lead to the directory that it was.
 *
 * Must not: follow a link; resolve a path but names within an open directory; keep memory for what it
 * is done with; write a list that looks whole when it is not: the last line says that it is.
 */
#include "mount/overlay-changes.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

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

/* What of the layers is seen in one merged directory, top first. */
struct part {
	int fd; /* -1: closed */
	size_t layer;
	dev_t device;
	ino_t inode;
};
struct view {
	struct part *parts;
	size_t n;
};

/* A directory of the upper tree that the walk is in. */
struct level {
	int fd; /* -1: closed for want of descriptors, and of the view what the level below has */
	dev_t device;
	ino_t inode;
	struct view view;
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

struct walk {
	const struct op *op;
	enum overlay_marks marks;
	struct view top;
	struct level *levels;
	size_t depth, capacity, most_open; /* levels */
	struct text lines;
	unsigned long long n_lines, n_changes;
	/* Of what is looked at: inside, and from the overlay's top in the layers, which is another
	 * one below what was renamed. They grow and shrink with the walk. */
	struct text path, lower_path;
	struct text from;
	/* Two attributes that are compared. */
	char *names, *other_names, *value, *other_value;
};

static _Noreturn void die_of(const struct walk *walk)
{
	int error = errno;
	const char *path = walk->path.bytes;
	if (walk->path.length > MOST_PATH_BYTES)
		path = arena_printf("...%s", path + walk->path.length - MOST_PATH_BYTES);
	die_errno(error, "%s: Can't list the changes: %s",
		  position_text(walk->op->overlay->changes.position), path);
}

static void *resize(const struct walk *walk, void *items, size_t n, size_t item_bytes)
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

static void add_word(struct text *text, const char *word)
{
	text_add_bytes(text, word, strlen(word));
}

/* How many bytes from `s` on are one character of UTF-8, or plain ASCII; 0: they are neither. */
static size_t valid_length(const unsigned char *s)
{
	size_t n = 0;
	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	for (size_t length = 2; length <= 4 && !n && s[0] >= 0x80; length++) {
		/* escape_controls() leaves exactly what is valid and printable as it is. */
		char out[4 * 4 + 1];
		if (strnlen((const char *) s, length) == length &&
		    escape_controls((const char *) s, length, out) == length &&
		    memcmp(out, s, length) == 0)
			n = length;
	}
	return n;
}

/* Bytes that are no UTF-8 become lone low surrogates, as Python's surrogateescape has them: nothing
 * is lost. */
static void add_string(struct text *text, const char *name)
{
	add_word(text, "\"");
	for (const unsigned char *s = (const unsigned char *) name; *s;) {
		char escaped[8];
		size_t n = valid_length(s);
		if (n)
			text_add_bytes(text, s, n);
		else if (*s == '"' || *s == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", *s);
		else
			snprintf(escaped, sizeof(escaped), *s < 0x80 ? "\\u%04x" : "\\udc%02x", *s);
		if (!n)
			add_word(text, escaped);
		s += n ? n : 1;
	}
	add_word(text, "\"");
}

static const char *type_name(mode_t mode)
{
	return S_ISDIR(mode)    ? "directory"
	       : S_ISREG(mode)  ? "file"
	       : S_ISLNK(mode)  ? "symlink"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
	       : S_ISCHR(mode)  ? "character-device"
				: "block-device";
}

static void end_line(struct walk *walk)
{
	struct text *text = &walk->lines;
	add_word(text, " }\n");
	walk->n_lines++;
	if (text->length < 32768)
		return;
	if (!write_all(walk->op->overlay->changes.fd, text->bytes, text->length))
		die_of(walk);
	text->length = 0;
}

static void add_path(struct walk *walk)
{
	const struct level *level = walk->depth ? &walk->levels[walk->depth - 1] : NULL;
	struct text *text = &walk->lines;
	char number[40];
	if (level && level->anchor) {
		snprintf(number, sizeof(number), "\"in\": %llu, ", level->anchor);
		add_word(text, number);
	}
	add_word(text, "\"path\": ");
	add_string(text, level && level->anchor ? walk->path.bytes + level->anchor_length + 1
						: walk->path.bytes);
}

/* `status` is of what is there now; for what was removed, of what the layers have. `from`: below the
 * overlay. */
static void add_line(struct walk *walk, const char *change, const struct stat *status,
		     const char *from)
{
	struct text *text = &walk->lines;
	char details[100];
	snprintf(details, sizeof(details), ", \"type\": \"%s\", \"mode\": \"%04o\", \"size\": %llu",
		 type_name(status->st_mode), status->st_mode & 07777,
		 (unsigned long long) status->st_size);
	add_word(text, "{ \"change\": \"");
	add_word(text, change);
	add_word(text, "\", ");
	add_path(walk);
	add_word(text, details);
	if (from) {
		set_path(&walk->from, walk->op->inner_path);
		enter(&walk->from, skip_slashes(from));
		add_word(text, ", \"from\": ");
		add_string(text, walk->from.bytes);
	}
	walk->n_changes++;
	end_line(walk);
}

/* A line that only gives the directory which is entered a number. */
static void add_anchor(struct walk *walk, struct level *level)
{
	add_word(&walk->lines, "{ \"directory\": true, ");
	add_path(walk);
	end_line(walk);
	level->anchor = walk->n_lines;
	level->anchor_length = walk->path.length;
}

static void add_last_line(struct walk *walk)
{
	char line[80];
	snprintf(line, sizeof(line), "{ \"complete\": true, \"changes\": %llu", walk->n_changes);
	add_word(&walk->lines, line);
	end_line(walk);
	if (walk->lines.length &&
	    !write_all(walk->op->overlay->changes.fd, walk->lines.bytes, walk->lines.length))
		die_of(walk);
}

/* ---- marks ---- */

static bool is_whiteout(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == 0;
}

/* The text of the first attribute that is there; false when none of the names is. */
static bool read_attribute(int fd, const char *const names[], char ret_value[PATH_MAX + 1])
{
	for (size_t i = 0; names[i]; i++) {
		ssize_t length = fgetxattr(fd, names[i], ret_value, PATH_MAX);
		if (length > 0) {
			ret_value[length] = '\0';
			return true;
		}
	}
	return false;
}

static bool says_yes(int fd, const char *const names[])
{
	char value[PATH_MAX + 1];
	return read_attribute(fd, names, value) && value[0] == 'y';
}

enum opacity { OPACITY_NONE, OPACITY_CLAIMED, OPACITY_SURE };

/* Whether a directory hides what the layers have below it. */
static enum opacity opacity_of(const struct walk *walk, int fd)
{
	static const char *const sure[][3] = {
		[MARKS_TRUSTED] = { "trusted.overlay.opaque" },
		[MARKS_USER] = { "user.overlay.opaque" },
		[MARKS_FUSE] = { "trusted.overlay.opaque", "user.fuseoverlayfs.opaque" },
	};
	static const char *const claimed[] = { "user.overlay.opaque", NULL };
	struct stat status;
	if (says_yes(fd, sure[walk->marks]))
		return OPACITY_SURE;
	if (walk->marks != MARKS_FUSE)
		return OPACITY_NONE;
	return says_yes(fd, claimed) ||
			       fstatat(fd, ".wh..wh..opq", &status, AT_SYMLINK_NOFOLLOW) == 0
		       ? OPACITY_CLAIMED
		       : OPACITY_NONE;
}

/* Where a directory was before it was renamed becomes its lower_path; returns the one that it had,
 * for free(3). NULL: it was here. */
static char *follow_redirect(struct walk *walk, int fd)
{
	static const char *const names[] = { "trusted.overlay.redirect", NULL };
	char value[PATH_MAX + 1]; /* absolute within the overlay, or a name beside it */
	if (walk->marks != MARKS_TRUSTED || !read_attribute(fd, names, value))
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

/* ---- the layers' side ---- */

/* What the layers show under `name`; false when nothing. */
static bool stat_below(const struct walk *walk, const struct view *view, const char *name,
		       struct stat *ret_status)
{
	for (size_t i = 0; i < view->n; i++) {
		struct stat hidden;
		char mark[PATH_MAX];
		snprintf(mark, sizeof(mark), ".wh.%s", name);
		int fd = view->parts[i].fd;
		if (walk->marks == MARKS_FUSE &&
		    fstatat(fd, mark, &hidden, AT_SYMLINK_NOFOLLOW) == 0)
			return false;
		if (fstatat(fd, name, ret_status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
			return !is_whiteout(ret_status);
	}
	return false;
}

static struct view new_view(const struct walk *walk, size_t capacity)
{
	return (struct view){ .parts = resize(walk, NULL, capacity + 1, sizeof(struct part)) };
}

/* Takes fd over. */
static void add_part(const struct walk *walk, struct view *view, int fd, size_t layer)
{
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		die_of(walk);
	view->parts[view->n++] = (struct part){
		.fd = fd, .layer = layer, .device = status.st_dev, .inode = status.st_ino
	};
}

static struct view open_below(const struct walk *walk, const struct view *view, const char *name)
{
	struct view below = new_view(walk, view->n);
	for (size_t i = 0; i < view->n; i++) {
		const struct part *part = &view->parts[i];
		int fd = openat(part->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			break;
		add_part(walk, &below, fd, part->layer);
		if (opacity_of(walk, fd))
			break;
	}
	return below;
}

static void close_view(struct view *view)
{
	for (size_t i = 0; i < view->n; i++)
		close_fd(&view->parts[i].fd);
	free(view->parts);
	*view = (struct view){ 0 };
}

static const struct part *find_part(const struct view *view, size_t layer)
{
	for (size_t i = 0; i < view->n; i++)
		if (view->parts[i].layer == layer)
			return &view->parts[i];
	return NULL;
}

/* What the layers show at lower_path. */
static struct view open_lower_path(const struct walk *walk)
{
	const char *path = walk->lower_path.bytes;
	struct view view = new_view(walk, walk->top.n);
	for (size_t i = 0; i < walk->top.n; i++)
		add_part(walk, &view, fcntl(walk->top.parts[i].fd, F_DUPFD_CLOEXEC, 3), i);
	while (*(path = skip_slashes(path))) {
		char name[NAME_MAX + 1];
		size_t length = strcspn(path, "/");
		snprintf(name, sizeof(name), "%.*s", (int) length, path);
		if (streq(name, "..")) {
			errno = ELOOP;
			die_of(walk);
		}
		struct view below = open_below(walk, &view, name);
		close_view(&view);
		view = below;
		path += length;
	}
	return view;
}

/* ---- attributes ---- */

/* What COMMAND can see and change of a directory beside its mode. The backend's own marks are none;
 * labels and capabilities (security.*) are not compared, since copying up may change them. */
static bool is_compared(const struct walk *walk, const char *name)
{
	static const char *const own[] = { [MARKS_TRUSTED] = "trusted.overlay.",
					   [MARKS_USER] = "user.overlay.",
					   [MARKS_FUSE] = "user.fuseoverlayfs." };
	return (strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0) &&
	       strncmp(name, own[walk->marks], strlen(own[walk->marks])) != 0;
}

/* The names that are compared, each with a NUL behind it; how many bytes. */
static size_t read_attribute_names(const struct walk *walk, int fd, char *names)
{
	ssize_t length = flistxattr(fd, names, XATTR_LIST_MAX);
	size_t kept = 0, size;
	if (length < 0 && errno != EOPNOTSUPP)
		die_of(walk);
	for (ssize_t i = 0; i < length; i += (ssize_t) size) {
		size = strlen(names + i) + 1;
		if (is_compared(walk, names + i)) {
			memmove(names + kept, names + i, size);
			kept += size;
		}
	}
	return kept;
}

/* Whether all that `fd` has `other_fd` has as well, the same; `length` bytes of walk->names. */
static bool has_the_same(const struct walk *walk, int fd, int other_fd, size_t length)
{
	for (size_t i = 0; i < length; i += strlen(walk->names + i) + 1) {
		const char *name = walk->names + i;
		ssize_t n = fgetxattr(fd, name, walk->value, XATTR_SIZE_MAX);
		ssize_t other = fgetxattr(other_fd, name, walk->other_value, XATTR_SIZE_MAX);
		if (n < 0)
			die_of(walk);
		if (other != n || memcmp(walk->value, walk->other_value, (size_t) n) != 0)
			return false;
	}
	return true;
}

static bool attributes_differ(struct walk *walk, int fd, int other_fd)
{
	size_t length = read_attribute_names(walk, fd, walk->names);
	return length != read_attribute_names(walk, other_fd, walk->other_names) ||
	       !has_the_same(walk, fd, other_fd, length);
}

/* What is in a directory explains its time. */
static bool status_differs(const struct walk *walk, const struct stat *before,
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

static struct names read_names(const struct walk *walk, int fd)
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
	close_view(&level->view);
}

/* Until open_again(). What ".." of the level below will not lead to stays open: each layer ends once
 * on the way down. Renamed directories can have any number of such ends, and are found by path. */
static void close_for_now(struct level *level)
{
	const struct level *below = level + 1;
	close_fd(&level->fd);
	for (size_t i = 0; i < level->view.n; i++) {
		struct part *part = &level->view.parts[i];
		if (below->was_renamed || find_part(&below->view, part->layer))
			close_fd(&part->fd);
	}
}

/* Enters a directory, which walk->path names; takes fd, view and names over. */
static struct level *push(struct walk *walk, int fd, struct view view, struct names names)
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

static void leave_directory(struct walk *walk, const struct level *level)
{
	leave(&walk->path, level->path_length);
	if (level->lower_before) {
		set_path(&walk->lower_path, level->lower_before);
		free(level->lower_before);
	}
	leave(&walk->lower_path, level->lower_length);
}

static int try_open_above(int fd, dev_t device, ino_t inode)
{
	struct stat status;
	int above_fd = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (above_fd >= 0 && fstat(above_fd, &status) == 0 && status.st_dev == device &&
	    status.st_ino == inode)
		return above_fd;
	if (above_fd >= 0) {
		close(above_fd);
		errno = ESTALE;
	}
	return -1;
}

static bool try_open_view_above(struct view *above, const struct view *view)
{
	for (size_t i = 0; i < above->n; i++) {
		struct part *part = &above->parts[i];
		const struct part *below = find_part(view, part->layer);
		if (part->fd < 0 && below)
			part->fd = try_open_above(below->fd, part->device, part->inode);
		if (part->fd < 0)
			return false;
	}
	return true;
}

/* The directory above `level`, where it was closed. By path only where the layers have it elsewhere:
 * from the top to each directory would be the square of the depth. */
static void open_again(struct walk *walk, struct level *above, const struct level *level)
{
	above->fd = try_open_above(level->fd, above->device, above->inode);
	if (above->fd < 0)
		die_of(walk);
	if (!try_open_view_above(&above->view, &level->view)) {
		close_view(&above->view);
		above->view = open_lower_path(walk);
	}
}

static void pop(struct walk *walk)
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
static void visit_directory(struct walk *walk, const struct level *parent, const char *name,
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
	struct view below = { 0 };
	if (lower_before) {
		below = open_lower_path(walk);
		add_line(walk, "renamed", now, walk->lower_path.bytes);
	} else if (!before || !S_ISDIR(before->st_mode)) {
		add_line(walk, before ? "changed" : "added", now, NULL);
	} else {
		enum opacity opacity = opacity_of(walk, fd);
		if (opacity != OPACITY_SURE)
			below = open_below(walk, &parent->view, name);
		if (opacity)
			add_line(walk, "opaque", now, NULL);
		else if (hides_below || status_differs(walk, before, now, !names.n) ||
			 (below.n && attributes_differ(walk, fd, below.parts[0].fd)))
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

/* fuse-overlayfs notes on a copied-up file where it came from, as a path below the overlay. False: it
 * came from here. */
static bool read_origin(const struct walk *walk, int parent_fd, const char *name,
			char ret_origin[PATH_MAX + 1])
{
	static const char *const names[] = { "user.fuseoverlayfs.origin", NULL };
	AUTO_CLOSE int fd =
		walk->marks == MARKS_FUSE
			? openat(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
			: -1;
	return fd >= 0 && read_attribute(fd, names, ret_origin) &&
	       !streq(ret_origin, walk->lower_path.bytes + 1);
}

/* A file of the upper tree. */
static void visit_file(struct walk *walk, int parent_fd, const char *name, bool was_there,
		       const struct stat *now)
{
	char origin[PATH_MAX + 1];
	if (S_ISREG(now->st_mode) && read_origin(walk, parent_fd, name, origin))
		add_line(walk, "renamed", now, origin);
	else
		add_line(walk, was_there ? "changed" : "added", now, NULL);
}

/* What is no directory. */
static void visit_other(struct walk *walk, const struct level *parent, const char *name,
			const struct stat *before, const struct stat *now)
{
	size_t length = enter(&walk->path, name), lower_length = enter(&walk->lower_path, name);
	if (!is_whiteout(now))
		visit_file(walk, parent->fd, name, before != NULL, now);
	else if (before)
		add_line(walk, "removed", before, NULL);
	leave(&walk->path, length);
	leave(&walk->lower_path, lower_length);
}

/* `.wh.NAME`, or `.wh..wh..opq`, which the directory was asked for. True when that is all there is to
 * say of it: anything but an empty file is not fuse-overlayfs's own. What follows `.wh.` may also be
 * no name, since COMMAND's links and directories can be called so. */
static bool list_claimed_removal(struct walk *walk, const struct level *level, const char *name)
{
	struct stat now, before;
	bool is_opaque_mark = streq(name, ".wh..wh..opq");
	if (strncmp(name, ".wh.", 4) != 0 || !name[4] || streq(name + 4, ".") ||
	    streq(name + 4, "..") ||
	    (!is_opaque_mark && !stat_below(walk, &level->view, name + 4, &before)))
		return false;
	if (!is_opaque_mark) {
		size_t length = enter(&walk->path, name + 4);
		add_line(walk, "removed", &before, NULL);
		leave(&walk->path, length);
	}
	return fstatat(level->fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(now.st_mode) &&
	       now.st_size == 0;
}

static void visit(struct walk *walk, const struct level *level, const char *name)
{
	struct stat now, before;
	if (walk->marks == MARKS_FUSE && list_claimed_removal(walk, level, name))
		return;
	if (fstatat(level->fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		die_of(walk);
	bool was_there = stat_below(walk, &level->view, name, &before);
	if (S_ISDIR(now.st_mode))
		visit_directory(walk, level, name, was_there ? &before : NULL, &now);
	else
		visit_other(walk, level, name, was_there ? &before : NULL, &now);
}

/* ---- the top ---- */

/* What the overlay's top was like when COMMAND had not started. */
static struct {
	struct stat status;
	struct text attributes;
} top_before;

/* All attributes that are compared, names and values. */
static void copy_attributes(const struct walk *walk, int fd, struct text *ret)
{
	size_t length = read_attribute_names(walk, fd, walk->names);
	for (size_t i = 0; i < length; i += strlen(walk->names + i) + 1) {
		ssize_t n = fgetxattr(fd, walk->names + i, walk->value, XATTR_SIZE_MAX);
		if (n < 0)
			die_of(walk);
		text_add(ret, "%s=%zd:", walk->names + i, n);
		text_add_bytes(ret, walk->value, (size_t) n);
	}
}

/* fuse-overlayfs obeys a mark also there; the kernel does not. */
static void list_top(struct walk *walk, int fd, bool is_empty)
{
	struct stat now;
	struct text attributes = { 0 };
	enum opacity opacity = walk->marks == MARKS_FUSE ? opacity_of(walk, fd) : OPACITY_NONE;
	if (fstat(fd, &now) < 0)
		die_of(walk);
	copy_attributes(walk, fd, &attributes);
	if (opacity)
		add_line(walk, "opaque", &now, NULL);
	else if (status_differs(walk, &top_before.status, &now, is_empty) ||
		 attributes.length != top_before.attributes.length ||
		 (attributes.length &&
		  memcmp(attributes.bytes, top_before.attributes.bytes, attributes.length) != 0))
		add_line(walk, "changed", &now, NULL);
	if (opacity == OPACITY_SURE)
		close_view(&walk->top);
}

static void begin(struct walk *walk, const struct op *op, enum overlay_marks marks)
{
	*walk = (struct walk){ .op = op, .marks = marks };
	set_path(&walk->path, op->inner_path);
	set_path(&walk->lower_path, "");
	walk->names = arena_alloc(XATTR_LIST_MAX);
	walk->other_names = arena_alloc(XATTR_LIST_MAX);
	walk->value = arena_alloc(XATTR_SIZE_MAX);
	walk->other_value = arena_alloc(XATTR_SIZE_MAX);
}

static int open_readable(const struct walk *walk, int fd)
{
	int readable_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (readable_fd < 0)
		die_of(walk);
	return readable_fd;
}

void overlay_changes_begin(const struct op *op, enum overlay_marks marks, int upper_fd)
{
	struct walk walk;
	begin(&walk, op, marks);
	AUTO_CLOSE int fd = open_readable(&walk, upper_fd);
	if (fstat(fd, &top_before.status) < 0)
		die_of(&walk);
	copy_attributes(&walk, fd, &top_before.attributes);
}

void overlay_changes_write(const struct op *op, enum overlay_marks marks, int upper_fd,
			   const int *lowers, size_t n_lowers)
{
	struct walk walk;
	begin(&walk, op, marks);
	walk.most_open = 2 + MOST_OPEN_VIEWS / (n_lowers + 1);
	walk.top = new_view(&walk, n_lowers);
	for (size_t i = 0; i < n_lowers; i++)
		add_part(&walk, &walk.top, open_readable(&walk, lowers[i]), i);
	int fd = open_readable(&walk, upper_fd);
	struct names names = read_names(&walk, fd);
	list_top(&walk, fd, !names.n);
	push(&walk, fd, open_lower_path(&walk), names);
	while (walk.depth) {
		struct level *level = &walk.levels[walk.depth - 1];
		if (level->next == level->names.n)
			pop(&walk);
		else
			visit(&walk, level, level->names.at[level->next++]);
	}
	add_last_line(&walk);
}
