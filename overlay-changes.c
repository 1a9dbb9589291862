/* overlay-changes.c - what was changed in an overlay, one JSON line for each path, from its upper
 * directory.
 *
 * Runs in the reader's process (overlay-helper.c) when everything in the sandbox has ended. The
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
 * Must not: follow a link; resolve a path but names within an open directory.
 */
#include "bwrapish.h"

#include "kernel.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* What of the layers is seen in one merged directory, top first. */
struct view {
	int *fds;
	size_t n;
};

struct walk {
	const struct op *op;
	enum overlay_marks marks;
	struct view top;
	struct text lines;
};

static _Noreturn void die_of(const struct walk *walk, const char *path)
{
	die_errno(errno, "%s: Can't list the changes: %s",
		  place_name(walk->op->overlay->changes.place), path);
}

/* ---- lines ---- */

/* Bytes that are no UTF-8 become lone low surrogates, as Python's surrogateescape has them: nothing
 * is lost. */
static void add_string(struct text *text, const char *name)
{
	text_add(text, "\"");
	for (const unsigned char *s = (const unsigned char *) name; *s;) {
		size_t n = *s < 0x80 ? 1 : 0;
		if (!n)
			for (size_t length = 2; length <= 4 && !n; length++) {
				/* escape_controls() leaves exactly what is valid and printable as
				 * it is. */
				char out[4 * 4 + 1];
				size_t left = strnlen((const char *) s, length);
				n = left == length &&
						    escape_controls((const char *) s, length,
								    out) == length &&
						    memcmp(out, s, length) == 0
					    ? length
					    : 0;
			}
		if (n > 1)
			text_add_bytes(text, s, n);
		else if (n == 0)
			text_add(text, "\\udc%02x", *s);
		else if (*s == '"' || *s == '\\')
			text_add(text, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			text_add(text, "\\u%04x", *s);
		else
			text_add_bytes(text, s, 1);
		s += n ? n : 1;
	}
	text_add(text, "\"");
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

/* `status` is of what is there now; for what was removed, of what the layers have. */
static void add_line(struct walk *walk, const char *change, const char *path,
		     const struct stat *status, const char *from)
{
	struct text *text = &walk->lines;
	text_add(text, "{ \"change\": \"%s\", \"path\": ", change);
	add_string(text, path);
	text_add(text, ", \"type\": \"%s\", \"mode\": \"%04o\", \"size\": %llu",
		 type_name(status->st_mode), status->st_mode & 07777,
		 (unsigned long long) status->st_size);
	if (from) {
		text_add(text, ", \"from\": ");
		add_string(text, from);
	}
	text_add(text, " }\n");
	if (text->length < 32768)
		return;
	if (!write_all(walk->op->overlay->changes.fd, text->bytes, text->length))
		die_of(walk, path);
	text->length = 0;
}

static const char *join(const char *directory, const char *name)
{
	size_t length = strlen(directory);
	return arena_printf("%s%s%s", directory, length && directory[length - 1] == '/' ? "" : "/",
			    name);
}

/* ---- marks ---- */

static bool is_whiteout(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == 0;
}

/* The attribute's text in arena memory, NULL when none of the names is there. */
static const char *read_attribute(int fd, const char *const names[])
{
	char value[PATH_MAX + 1];
	for (size_t i = 0; names[i]; i++) {
		ssize_t length = fgetxattr(fd, names[i], value, sizeof(value) - 1);
		if (length > 0)
			return arena_copy(value, (size_t) length);
	}
	return NULL;
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
	const char *value = read_attribute(fd, sure[walk->marks]);
	struct stat status;
	if (value && value[0] == 'y')
		return OPACITY_SURE;
	if (walk->marks != MARKS_FUSE)
		return OPACITY_NONE;
	value = read_attribute(fd, claimed);
	return (value && value[0] == 'y') ||
			       fstatat(fd, ".wh..wh..opq", &status, AT_SYMLINK_NOFOLLOW) == 0
		       ? OPACITY_CLAIMED
		       : OPACITY_NONE;
}

/* Where a directory was before it was renamed, absolute within the overlay or a name beside it;
 * NULL: here. */
static const char *redirect_of(const struct walk *walk, int fd)
{
	static const char *const names[] = { "trusted.overlay.redirect", NULL };
	return walk->marks == MARKS_TRUSTED ? read_attribute(fd, names) : NULL;
}

/* ---- the layers' side ---- */

/* What the layers show under `name`; false when nothing. */
static bool stat_below(const struct walk *walk, const struct view *view, const char *name,
		       struct stat *ret_status)
{
	for (size_t i = 0; i < view->n; i++) {
		struct stat hidden;
		if (walk->marks == MARKS_FUSE && fstatat(view->fds[i], arena_printf(".wh.%s", name),
							 &hidden, AT_SYMLINK_NOFOLLOW) == 0)
			return false;
		if (fstatat(view->fds[i], name, ret_status,
			    AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
			return !is_whiteout(ret_status);
	}
	return false;
}

static struct view open_below(const struct walk *walk, const struct view *view, const char *name)
{
	struct view below = { .fds = arena_alloc((view->n + 1) * sizeof(int)) };
	for (size_t i = 0; i < view->n; i++) {
		int fd =
			openat(view->fds[i], name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			break;
		below.fds[below.n++] = fd;
		if (opacity_of(walk, fd))
			break;
	}
	return below;
}

static void close_view(struct view *view)
{
	for (size_t i = 0; i < view->n; i++)
		close(view->fds[i]);
	view->n = 0;
}

/* What the layers show at a path from the overlay's top. */
static struct view open_from_top(const struct walk *walk, const char *path)
{
	struct view view = { .fds = arena_alloc((walk->top.n + 1) * sizeof(int)) };
	for (; view.n < walk->top.n; view.n++)
		view.fds[view.n] = fcntl(walk->top.fds[view.n], F_DUPFD_CLOEXEC, 3);
	while (*(path = skip_slashes(path))) {
		size_t length = strcspn(path, "/");
		struct view below = open_below(walk, &view, arena_copy(path, length));
		close_view(&view);
		view = below;
		path += length;
	}
	return view;
}

/* ---- the walk ---- */

static void walk_directory(struct walk *walk, int upper_fd, const char *path,
			   const char *lower_path, struct view *view);

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static char **read_names(const struct walk *walk, int fd, const char *path, size_t *ret_n)
{
	size_t n = 0, room = 0;
	char **names = NULL;
	DIR *directory = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	if (!directory)
		die_of(walk, path);
	const struct dirent *entry;
	while ((errno = 0, entry = readdir(directory))) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		names = arena_grow(names, n, &room, sizeof(char *));
		names[n++] = arena_printf("%s", entry->d_name);
	}
	if (errno)
		die_of(walk, path);
	closedir(directory);
	if (n)
		qsort(names, n, sizeof(char *), compare_names);
	*ret_n = n;
	return names;
}

/* A directory of the upper tree; `before`: what the layers show there, NULL for nothing. */
static void visit_directory(struct walk *walk, int parent_fd, const char *name, const char *path,
			    const char *lower_path, const struct view *view,
			    const struct stat *before, const struct stat *now)
{
	AUTO_CLOSE int fd =
		openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		die_of(walk, path);
	const char *redirect = redirect_of(walk, fd);
	struct view below = { 0 };
	if (redirect) {
		const char *slash = strrchr(lower_path, '/');
		lower_path = redirect[0] == '/'
				     ? redirect
				     : join(arena_copy(lower_path, (size_t) (slash - lower_path)),
					    redirect);
		below = open_from_top(walk, lower_path);
		add_line(walk, "renamed", path, now, join(walk->op->inner_path, lower_path + 1));
	} else if (!before) {
		add_line(walk, "added", path, now, NULL);
	} else if (!S_ISDIR(before->st_mode)) {
		add_line(walk, "changed", path, now, NULL);
	} else {
		enum opacity opacity = opacity_of(walk, fd);
		if (opacity != OPACITY_SURE)
			below = open_below(walk, view, name);
		if (opacity)
			add_line(walk, "opaque", path, now, NULL);
		else if (before->st_mode != now->st_mode ||
			 (walk->marks != MARKS_FUSE &&
			  (before->st_uid != now->st_uid || before->st_gid != now->st_gid)))
			add_line(walk, "changed", path, now, NULL);
	}
	walk_directory(walk, fd, path, lower_path, &below);
	close_view(&below);
}

/* fuse-overlayfs notes on a copied-up file where it came from. */
static const char *origin_of(const struct walk *walk, int parent_fd, const char *name,
			     const char *lower_path)
{
	static const char *const names[] = { "user.fuseoverlayfs.origin", NULL };
	AUTO_CLOSE int fd =
		walk->marks == MARKS_FUSE
			? openat(parent_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
			: -1;
	const char *origin = fd < 0 ? NULL : read_attribute(fd, names);
	if (!origin)
		return NULL;
	origin = join("", origin + strspn(origin, "/."));
	return streq(origin, lower_path) ? NULL : join(walk->op->inner_path, origin + 1);
}

static void visit(struct walk *walk, int parent_fd, const char *name, const char *path,
		  const char *lower_path, const struct view *view)
{
	struct stat now, before;
	if (fstatat(parent_fd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		die_of(walk, path);
	bool was_there = stat_below(walk, view, name, &before);
	if (is_whiteout(&now)) {
		if (was_there)
			add_line(walk, "removed", path, &before, NULL);
		return;
	}
	if (S_ISDIR(now.st_mode)) {
		visit_directory(walk, parent_fd, name, path, lower_path, view,
				was_there ? &before : NULL, &now);
		return;
	}
	const char *from =
		S_ISREG(now.st_mode) ? origin_of(walk, parent_fd, name, lower_path) : NULL;
	add_line(walk, from ? "renamed" : was_there ? "changed" : "added", path, &now, from);
}

/* `.wh.NAME`, or `.wh..wh..opq`, which the directory was asked for. True when that is all there is to
 * say of it: anything but an empty file is not fuse-overlayfs's own. */
static bool list_claimed_removal(struct walk *walk, int upper_fd, const char *name,
				 const char *path, const struct view *view)
{
	struct stat now, before;
	bool is_opaque_mark = streq(name, ".wh..wh..opq");
	if (strncmp(name, ".wh.", 4) != 0 ||
	    (!is_opaque_mark && !stat_below(walk, view, name + 4, &before)))
		return false;
	if (!is_opaque_mark)
		add_line(walk, "removed", join(path, name + 4), &before, NULL);
	return fstatat(upper_fd, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(now.st_mode) &&
	       now.st_size == 0;
}

static void walk_directory(struct walk *walk, int upper_fd, const char *path,
			   const char *lower_path, struct view *view)
{
	size_t n;
	char **names = read_names(walk, upper_fd, path, &n);
	for (size_t i = 0; i < n; i++)
		if (walk->marks != MARKS_FUSE ||
		    !list_claimed_removal(walk, upper_fd, names[i], path, view))
			visit(walk, upper_fd, names[i], join(path, names[i]),
			      join(lower_path, names[i]), view);
}

/* fuse-overlayfs obeys a mark also there; the kernel does not. */
static void list_opaque_top(struct walk *walk, int fd)
{
	struct stat now;
	enum opacity opacity = walk->marks == MARKS_FUSE ? opacity_of(walk, fd) : OPACITY_NONE;
	if (!opacity)
		return;
	if (fstat(fd, &now) < 0)
		die_of(walk, walk->op->inner_path);
	add_line(walk, "opaque", walk->op->inner_path, &now, NULL);
	if (opacity == OPACITY_SURE)
		close_view(&walk->top);
}

void overlay_changes_write(const struct op *op, enum overlay_marks marks, int upper_fd,
			   const int *lowers, size_t n_lowers)
{
	struct walk walk = { .op = op, .marks = marks };
	walk.top.fds = arena_alloc(n_lowers * sizeof(int));
	for (; walk.top.n < n_lowers; walk.top.n++) {
		int fd = walk.top.fds[walk.top.n] =
			openat(lowers[walk.top.n], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			die_of(&walk, op->inner_path);
	}
	AUTO_CLOSE int fd = openat(upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die_of(&walk, op->inner_path);
	list_opaque_top(&walk, fd);
	walk_directory(&walk, fd, op->inner_path, "", &walk.top);
	if (walk.lines.length &&
	    !write_all(op->overlay->changes.fd, walk.lines.bytes, walk.lines.length))
		die_of(&walk, op->inner_path);
}
