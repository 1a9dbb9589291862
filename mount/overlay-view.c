/* overlay-view.c - what an overlay's layers show in one merged directory.
 *
 * The directories of one path are open in all layers that have it, up to one that hides what is below.
 *
 * Must not: follow a link; resolve a path but names within an open directory.
 */
#include "mount/overlay-view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct view {
	enum overlay_marks marks;
	size_t n;
	struct view_part { /* top first */
		int fd;    /* -1: closed for now */
		size_t layer;
		dev_t device;
		ino_t inode;
	} parts[];
};

/* NULL with errno. */
static struct view *new_view(enum overlay_marks marks, size_t capacity)
{
	struct view *view = malloc(sizeof(*view) + capacity * sizeof(*view->parts));
	if (view)
		*view = (struct view){ .marks = marks };
	return view;
}

/* Takes fd over; false with errno. */
static bool add_part(struct view *view, int fd, size_t layer)
{
	struct stat status;
	if (fd < 0 || fstat(fd, &status) < 0)
		return false;
	view->parts[view->n++] = (struct view_part){
		.fd = fd, .layer = layer, .device = status.st_dev, .inode = status.st_ino
	};
	return true;
}

bool view_open_top(enum overlay_marks marks, const int *layers, size_t n_layers, struct view **ret)
{
	*ret = new_view(marks, n_layers);
	for (size_t i = 0; *ret && i < n_layers; i++)
		if (!add_part(*ret, openat(layers[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), i))
			return false;
	return *ret != NULL;
}

bool view_open_below(const struct view *view, const char *name, struct view **ret)
{
	*ret = NULL;
	if (!view)
		return true;
	if (!(*ret = new_view(view->marks, view->n)))
		return false;
	for (size_t i = 0; i < view->n; i++) {
		const struct view_part *part = &view->parts[i];
		int fd = openat(part->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			break;
		if (!add_part(*ret, fd, part->layer))
			return false;
		if (marks_opacity(view->marks, fd))
			break;
	}
	return true;
}

static bool copy_view(const struct view *view, struct view **ret)
{
	*ret = new_view(view->marks, view->n);
	for (size_t i = 0; *ret && i < view->n; i++)
		if (!add_part(*ret, fcntl(view->parts[i].fd, F_DUPFD_CLOEXEC, 3),
			      view->parts[i].layer))
			return false;
	return *ret != NULL;
}

bool view_open_path(const struct view *top, const char *path, struct view **ret)
{
	*ret = NULL;
	if (!top)
		return true;
	if (!copy_view(top, ret))
		return false;
	while (*(path = skip_slashes(path))) {
		char name[NAME_MAX + 1];
		size_t length = strcspn(path, "/");
		snprintf(name, sizeof(name), "%.*s", (int) length, path);
		if (streq(name, "..")) {
			errno = ELOOP;
			return false;
		}
		struct view *below;
		if (!view_open_below(*ret, name, &below))
			return false;
		view_close(*ret);
		*ret = below;
		path += length;
	}
	return true;
}

void view_close(struct view *view)
{
	for (size_t i = 0; view && i < view->n; i++)
		close_fd(&view->parts[i].fd);
	free(view);
}

int view_top_fd(const struct view *view)
{
	return view && view->n ? view->parts[0].fd : -1;
}

bool view_stat(const struct view *view, const char *name, struct stat *ret_status)
{
	for (size_t i = 0; view && i < view->n; i++) {
		int fd = view->parts[i].fd;
		if (marks_hide(view->marks, fd, name))
			return false;
		if (fstatat(fd, name, ret_status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0)
			return !marks_whiteout(ret_status);
	}
	return false;
}

static const struct view_part *find_part(const struct view *view, size_t layer)
{
	for (size_t i = 0; view && i < view->n; i++)
		if (view->parts[i].layer == layer)
			return &view->parts[i];
	return NULL;
}

void view_close_above(struct view *view, const struct view *below, bool all)
{
	for (size_t i = 0; view && i < view->n; i++) {
		struct view_part *part = &view->parts[i];
		if (all || find_part(below, part->layer))
			close_fd(&part->fd);
	}
}

int view_climb(int fd, dev_t device, ino_t inode)
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

bool view_open_above(struct view *view, const struct view *below)
{
	for (size_t i = 0; view && i < view->n; i++) {
		struct view_part *part = &view->parts[i];
		const struct view_part *under = find_part(below, part->layer);
		if (part->fd < 0 && under)
			part->fd = view_climb(under->fd, part->device, part->inode);
		if (part->fd < 0)
			return false;
	}
	return true;
}
