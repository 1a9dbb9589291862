/* overlay-list.h - the list of changes, one JSON line for each. */
#ifndef MOUNT_OVERLAY_LIST_H
#define MOUNT_OVERLAY_LIST_H

#include <stdbool.h>
#include <sys/stat.h>

/* Lines are collected; what writes them returns false with errno where it cannot. */
struct overlay_list;
/* An empty list that goes to fd; arena memory. */
struct overlay_list *overlay_list_new(int fd);
/* A path, relative to what the line of this number names; 0: it is absolute. */
struct listed_path {
	unsigned long long in;
	const char *path;
};
/* `status` is of what is there now; for what was removed, of what the layers have. `from` is where it was
 * before, or NULL. */
bool overlay_list_add(struct overlay_list *list, const char *change, struct listed_path path,
		      const struct stat *status, const char *from);
/* A line that only gives a directory a number. */
bool overlay_list_number(struct overlay_list *list, struct listed_path path,
			 unsigned long long *ret_number);
/* The last line, which says that these are all. */
bool overlay_list_end(struct overlay_list *list);

#endif
