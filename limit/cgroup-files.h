/* cgroup-files.h - what a group is, and its files; for the files of limit/ alone. */
#ifndef LIMIT_CGROUP_FILES_H
#define LIMIT_CGROUP_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_TOP "/sys/fs/cgroup"
#define CGROUP_CURE \
	"; run it as the only process of a delegated group (systemd-run --user --scope -p Delegate=yes bwrapish ...), or name one with --cgroup"

struct group {
	int parent_fd, fd; /* fd: the outer directory, locked */
	int lock_fd;       /* its cgroup.procs, locked for writing */
	int inner_fd;      /* "in"; -1: not yet, no more, or the supervisor's own leaf */
	const char *name;
	const char *parent;     /* its path, for messages */
	const char *controller; /* of version 1; NULL: version 2 */
};
#define NO_GROUP ((struct group){ .parent_fd = -1, .fd = -1, .lock_fd = -1, .inner_fd = -1 })

struct cgroups {
	struct group all[1 + 5]; /* that of version 2 is the first if there is one */
	size_t n;
	/* where the supervisor had to go, out of the way of its children; fd -1: nowhere */
	struct group leaf;
	const char *v2_root; /* where version 2 is mounted; NULL: nowhere */
	const char *v2_list; /* the controllers that it has; NULL: not asked yet */
	struct {
		const char *groups; /* /proc/self/cgroup */
		const char *path;   /* of our group in version 2; NULL: there is none */
		int fd;
		const char *controllers;
	} own;
	int64_t end_ms;      /* of killing; 0: not begun */
	const char *enabled; /* controllers that the leaf was made for, " memory pids" */
};

/* The group of version 2, or NULL. */
const struct group *cgroup_v2(const struct cgroups *groups);
/* Makes and locks a group; false with errno. */
bool cgroup_make(struct group *group, int parent_fd, const char *parent);
/* A directory in the group, that processes can be put into; -1 and errno. */
int cgroup_make_below(const struct group *group, const char *name);
int cgroup_open_dir(int dir_fd, const char *path);
/* Whether a word is in a list, with blanks or commas between. */
bool cgroup_list_has(const char *list, const char *word);
/* The number behind `key` in a file of "key number" lines, the file's only one for ""; -1 where
 * there is none. */
int64_t cgroup_count(int dir_fd, const char *name, const char *key);
/* For each of the words: "+word" or "-word" to the group's subtree_control. False with errno. */
bool cgroup_switch_controllers(int dir_fd, char sign, const char *list);
/* Our group in the hierarchy of a version 1 controller, of version 2 for ""; `groups` is /proc/self/cgroup.
 * Arena memory; NULL: in none. */
const char *cgroup_own_path(const char *groups, const char *controller);
bool cgroup_is_v2(int fd);
bool cgroup_leads_to_v2(const char *path);

#endif
