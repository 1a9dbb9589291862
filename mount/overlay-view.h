/* overlay-view.h - what an overlay's layers show in one merged directory. */
#ifndef MOUNT_OVERLAY_VIEW_H
#define MOUNT_OVERLAY_VIEW_H

#include "mount/overlay-marks.h"

#include <stdbool.h>
#include <stddef.h>

/* A view that is NULL shows nothing. The functions that open one return false with errno where they cannot. */
struct view;
/* The top; the layers, top first, are opened anew. */
bool view_open_top(enum overlay_marks marks, const int *layers, size_t n_layers, struct view **ret);
/* The directory `name` in it. */
bool view_open_below(const struct view *view, const char *name, struct view **ret);
/* The directory at `path` below the top; ELOOP where the path climbs. */
bool view_open_path(const struct view *top, const char *path, struct view **ret);
/* Closes and frees it. */
void view_close(struct view *view);
/* The topmost layer's directory, to look at; -1: nothing is shown. */
int view_top_fd(const struct view *view);
/* What is shown under `name`; false when nothing. */
bool view_stat(const struct view *view, const char *name, struct stat *ret_status);

/* Closes for now the directories that ".." of those in `below` leads to, or all. */
void view_close_above(struct view *view, const struct view *below, bool all);
/* Opens them again. */
bool view_open_above(struct view *view, const struct view *below);
/* What ".." of fd leads to, if that is this directory; -1 and errno. */
int view_climb(int fd, dev_t device, ino_t inode);

#endif
