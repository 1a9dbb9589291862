/* overlay-marks.c - what a backend notes in an overlay's upper directory, and what of its attributes is
 * COMMAND's.
 *
 * A path is removed by a 0:0 character device; a directory hides what the layers have below it by an
 * attribute `opaque`; where something was before it was renamed is told by `redirect` and by
 * fuse-overlayfs's `origin`. Only the names that this backend writes count: it hides them from COMMAND,
 * who can write all others. fuse-overlayfs also obeys some that it does not hide (user.overlay.opaque,
 * `.wh.NAME`, `.wh..wh..opq`; the files are its own where attributes or devices cannot be had), when the
 * upper directory is used again: these are only claims.
 *
 * Must not: follow a link; take a claim for a fact.
 */
#include "mount/overlay-marks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

bool marks_whiteout(const struct stat *status)
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

enum opacity marks_opacity(enum overlay_marks marks, int fd)
{
	static const char *const sure[][3] = {
		[MARKS_TRUSTED] = { "trusted.overlay.opaque" },
		[MARKS_USER] = { "user.overlay.opaque" },
		[MARKS_FUSE] = { "trusted.overlay.opaque", "user.fuseoverlayfs.opaque" },
	};
	static const char *const claimed[] = { "user.overlay.opaque", NULL };
	struct stat status;
	if (says_yes(fd, sure[marks]))
		return OPACITY_SURE;
	if (marks != MARKS_FUSE)
		return OPACITY_NONE;
	return says_yes(fd, claimed) ||
			       fstatat(fd, ".wh..wh..opq", &status, AT_SYMLINK_NOFOLLOW) == 0
		       ? OPACITY_CLAIMED
		       : OPACITY_NONE;
}

bool marks_hide(enum overlay_marks marks, int dir_fd, const char *name)
{
	struct stat status;
	char mark[PATH_MAX];
	snprintf(mark, sizeof(mark), ".wh.%s", name);
	return marks == MARKS_FUSE && fstatat(dir_fd, mark, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool marks_redirect(enum overlay_marks marks, int fd, char ret_path[PATH_MAX + 1])
{
	static const char *const names[] = { "trusted.overlay.redirect", NULL };
	return marks == MARKS_TRUSTED && read_attribute(fd, names, ret_path);
}

bool marks_origin(enum overlay_marks marks, int dir_fd, const char *name,
		  char ret_path[PATH_MAX + 1])
{
	static const char *const names[] = { "user.fuseoverlayfs.origin", NULL };
	AUTO_CLOSE int fd =
		marks == MARKS_FUSE
			? openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
			: -1;
	return fd >= 0 && read_attribute(fd, names, ret_path);
}

/* ---- attributes ---- */

/* Room for two sets of names and two values. */
struct attributes {
	enum overlay_marks marks;
	char names[XATTR_LIST_MAX], other_names[XATTR_LIST_MAX];
	char value[XATTR_SIZE_MAX], other_value[XATTR_SIZE_MAX];
};

struct attributes *attributes_new(enum overlay_marks marks)
{
	struct attributes *room = arena_alloc(sizeof(*room));
	room->marks = marks;
	return room;
}

static bool is_compared(enum overlay_marks marks, const char *name)
{
	static const char *const own[] = { [MARKS_TRUSTED] = "trusted.overlay.",
					   [MARKS_USER] = "user.overlay.",
					   [MARKS_FUSE] = "user.fuseoverlayfs." };
	return (strncmp(name, "user.", 5) == 0 || strncmp(name, "system.posix_acl_", 17) == 0) &&
	       strncmp(name, own[marks], strlen(own[marks])) != 0;
}

/* The names that are compared, each with a NUL behind it; how many bytes. -1 and errno. */
static ssize_t read_names(enum overlay_marks marks, int fd, char *names)
{
	ssize_t length = flistxattr(fd, names, XATTR_LIST_MAX);
	ssize_t kept = 0;
	size_t size;
	if (length < 0 && errno != EOPNOTSUPP)
		return -1;
	for (ssize_t i = 0; i < length; i += (ssize_t) size) {
		size = strlen(names + i) + 1;
		if (is_compared(marks, names + i)) {
			memmove(names + kept, names + i, size);
			kept += (ssize_t) size;
		}
	}
	return kept;
}

int attributes_differ(struct attributes *room, int fd, int other_fd)
{
	ssize_t length = read_names(room->marks, fd, room->names);
	ssize_t other_length =
		length < 0 ? -1 : read_names(room->marks, other_fd, room->other_names);
	if (other_length < 0 || other_length != length)
		return other_length < 0 ? -1 : 1;
	for (const char *name = room->names; name < room->names + length;
	     name += strlen(name) + 1) {
		ssize_t n = fgetxattr(fd, name, room->value, XATTR_SIZE_MAX);
		ssize_t other = fgetxattr(other_fd, name, room->other_value, XATTR_SIZE_MAX);
		if (n < 0)
			return -1;
		if (other != n || memcmp(room->value, room->other_value, (size_t) n) != 0)
			return 1;
	}
	return 0;
}

bool attributes_copy(struct attributes *room, int fd, struct text *ret)
{
	ssize_t length = read_names(room->marks, fd, room->names);
	for (const char *name = room->names; name < room->names + length;
	     name += strlen(name) + 1) {
		ssize_t n = fgetxattr(fd, name, room->value, XATTR_SIZE_MAX);
		if (n < 0)
			return false;
		text_add(ret, "%s=%zd:", name, n);
		text_add_bytes(ret, room->value, (size_t) n);
	}
	return length >= 0;
}
