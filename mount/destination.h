/* destination.h - where an operation goes: found or made, judged, and a mount shown there. */
#ifndef MOUNT_DESTINATION_H
#define MOUNT_DESTINATION_H

#include "run/run.h"

/* Whether something is bound writable, and so one operation's source may matter as a part of another's. */
bool destination_trees_may_nest(const struct plan *plan);
/* A bind's source was cloned. Takes note of where on the host it is, if by the words of the line it may be a part of
 * another's, or the other way round, and the part is writable. A neighbour may have put something else there
 * meanwhile, which is then not that. */
void destination_note_source(const struct run *run, const struct op *op);
/* Before the first operation: whether links have to be judged. */
void destination_set_guard(struct run *run);
/* Opens what an inside path leads to, to change it; -1 and errno. EXDEV: a link leads there from another tree. */
int destination_open_to_change(const struct run *run, const char *path, int flags);
/* Which link that was, with the cure; NULL: none. */
const char *destination_link_text(const struct run *run);
/* Opens what an operation takes from inside; -1 and errno. Dies of a link that an earlier COMMAND can have left. */
int destination_open_source(const struct run *run, const struct op *op, const char *path, int how);
/* --verbose: where something is mounted every link is followed. */
void destination_tell_links(const struct run *run, const struct op *op, const char *path);
/* Takes note of a new tmpfs in the new root; returns its mount's id. */
uint64_t destination_note_tmpfs(const struct run *run, int mount_fd);
bool destination_is_own_tmpfs(const struct run *run, uint64_t mount_id);
/* Takes note of the mount that an operation shows, where somebody asks whose a mount is. */
void destination_note_mount(const struct run *run, const struct op *op, int mount_fd);
/* What explain.h calls is_missing; all sources are pinned. */
const bool *destination_missing_ops(const struct run *run);
_Noreturn void destination_die(const struct run *run, const struct op *op, const char *what,
			       int error);

/* The directory that holds the last component, made if it is missing. */
int destination_open_parent(struct run *run, const struct op *op, const char **ret_name);
/* Something could not be made in it, errno says why. If that is EROFS: shows the directory by a tmpfs of ours
 * (level.h), and opens that instead. False, with errno as it was: that is no help. */
bool destination_make_room(struct run *run, const struct op *op, int *parent_fd);
/* Creates the last component, which was not there a moment ago, in parent_fd, which is taken over; -1: that
 * has still to be found. */
void destination_make_last(struct run *run, const struct op *op, int parent_fd,
			   mode_t type_and_mode);
/* The directory on a tmpfs of ours that something was last made in, if the operation's last component belongs in
 * it; else -1. It is not the caller's. */
int destination_same_directory(const struct run *run, const struct op *op, const char **ret_name);
/* The directory that the last component belongs in, made if it is missing; -1 where the host, too, has a say in
 * what is there, and it is the caller's as ret_parent_fd. What can be made in it needs no second look; all
 * else, and every failure, is for the long way. */
int destination_own_directory(struct run *run, const struct op *op, int *ret_parent_fd,
			      const char **ret_name);
void destination_forget_directory(const struct run *run);

/* Attaches a detached mount at the operation's destination, which is made if it is missing. False: that is the
 * root, and nothing was done. */
bool destination_attach(struct run *run, const struct op *op, int mount_fd, bool directory,
			mode_t stub_mode);
/* The same, on the root as well; takes mount_fd over. */
void destination_show(struct run *run, const struct op *op, int mount_fd, bool directory,
		      mode_t stub_mode);

#endif
