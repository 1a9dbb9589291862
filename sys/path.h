/* path.h - one path below a root, found or made, never leaving it. */
#ifndef SYS_PATH_H
#define SYS_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens what `path` leads to as seen from root_fd: absolute links and ".." end at the root, magic links are
 * ELOOP. `flags` as in open(2), O_CLOEXEC implied. -1 and errno. */
int path_open(int root_fd, const char *path, int flags);
enum { PATH_NO_TREE = -1 };
struct path_mount {
	uint64_t id;    /* as statx(2) tells it */
	int tree;       /* the number of the operation that it belongs to */
	bool has_links; /* that an earlier COMMAND may have left */
	bool has_worth; /* what is changed in it is changed on the host */
	/* A directory shown by mounts in a tmpfs. With PATH_NO_TREE it is of the tree that it lies in. */
	bool is_level, level_in_reach; /* COMMAND can change the directory, or had a link there */
	bool in_reach; /* the walk's: it has passed a directory that COMMAND can change */
};
struct path_link {
	const char *name; /* the way to it; arena memory. NULL: none */
	int tree;
};
/* What stat(2) shows for an id without a number: user_namespaces(7). */
enum { OVERFLOW_UID = 65534 };
/* To change something at the end of a path: a link in one tree may be a trap, and leads into no second one. */
struct path_guard {
	struct path_mount *mounts; /* each that an operation attached */
	size_t n_mounts, capacity_mounts;
	const char **sources; /* where on the host each operation's tree is; NULL: not known */
	bool owners_tell;     /* who has OVERFLOW_UID is nobody that COMMAND can be */
	/* What the last look-up met: the first link in a tree with links or, with EXDEV, one that led out. */
	struct path_link link;
	int led_into; /* PATH_NO_TREE without */
};
/* As path_open(), for a place that is to be changed: EXDEV, and the guard, if there is one, tells why. */
int path_open_to_change(int root_fd, const char *path, int flags, struct path_guard *guard);
/* Whether, by its words alone, `path` is `top` or lies below it. */
bool path_is_within(const char *path, const char *top);
/* The last component (arena memory; "." for the root itself), and the length of what is before it. */
size_t path_split(const char *path, const char **ret_name);
/* Whether COMMAND can have put, or moved, what is in a directory, where owners tell. */
bool path_is_in_reach(int dir_fd);
/* Opens as much of the way as there is, which is cut down to it. -1 and errno. */
int path_open_existing(int root_fd, char *way, struct path_guard *guard);
/* What is at `path` below dir_fd, no link followed, the kernel alone asked, and nothing allocated. -1 and errno. */
int path_open_plain(int dir_fd, const char *path, bool *ret_is_directory);
/* Opens the directory that holds the last component, to change it, making missing ones with `mode`, and
 * tells the last name as path_split() does. -1 and errno; EEXIST: a link that leads nowhere is in the way;
 * EXDEV as above. */
int path_open_parent(int root_fd, const char *path, mode_t mode, struct path_guard *guard,
		     const char **ret_name);
/* Tests choose the engine; otherwise the first call finds out. */
enum path_engine { PATH_ENGINE_UNKNOWN, PATH_ENGINE_OPENAT2, PATH_ENGINE_WALK };
extern enum path_engine path_engine;

#endif
