/* overlay-marks.h - what a backend notes in an overlay's upper directory. */
#ifndef MOUNT_OVERLAY_MARKS_H
#define MOUNT_OVERLAY_MARKS_H

#include "utils.h"

#include <limits.h>
#include <sys/stat.h>

/* Who notes what was removed or renamed, and so in which words: the kernel's overlay in trusted.* or
 * (userxattr) user.* attributes, or fuse-overlayfs. */
enum overlay_marks { MARKS_TRUSTED, MARKS_USER, MARKS_FUSE };

/* Whether a directory hides what the layers have below it, or so COMMAND claims. */
enum opacity { OPACITY_NONE, OPACITY_CLAIMED, OPACITY_SURE };
enum opacity marks_opacity(enum overlay_marks marks, int fd);
/* Whether what has this status stands for something removed. */
bool marks_whiteout(const struct stat *status);
/* Whether a file beside it says that a layer has no `name`. */
bool marks_hide(enum overlay_marks marks, int dir_fd, const char *name);
/* Where a directory was before it was renamed: absolute within the overlay, or a name beside it. False:
 * it was here. */
bool marks_redirect(enum overlay_marks marks, int fd, char ret_path[PATH_MAX + 1]);
/* Where a copied-up file came from, as a path below the overlay. False: nothing is noted. */
bool marks_origin(enum overlay_marks marks, int dir_fd, const char *name,
		  char ret_path[PATH_MAX + 1]);

/* What COMMAND can see and change of a directory beside its status. The backend's own marks are none;
 * labels and capabilities (security.*) are not compared, since copying up may change them. */
struct attributes;
struct attributes *attributes_new(enum overlay_marks marks);
/* 1: they differ; 0: they are the same; -1 and errno. */
int attributes_differ(struct attributes *room, int fd, int other_fd);
/* Adds names and values; false and errno. */
bool attributes_copy(struct attributes *room, int fd, struct text *ret);

#endif
