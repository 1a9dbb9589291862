/* fs.h - file systems made and cloned, and asked what they are. */
#ifndef MOUNT_FS_H
#define MOUNT_FS_H

#include "run/run.h"
#include "sys/kernel.h"

/* A new file system, detached. `options` are key, value, key, value, ..., NULL. -1 with errno. */
int fs_try_make(const char *type, unsigned attributes, const char *const options[]);
/* A detached tmpfs for setup. `position` begins the message it dies with. */
int fs_make_tmpfs(struct position position, mode_t mode);
/* One that COMMAND sees, as --tmpfs asks for; flags: MOUNT_ATTR_*. */
int fs_make_op_tmpfs(const struct run *run, const struct op *op, unsigned flags);
/* Sets what --mount-flags says on a mount and on all below it; nothing where it says nothing. is_ours: noatime as
 * well, on the topmost mount, since what is below may be the host's. */
void fs_set_op_flags(const struct op *op, int mount_fd, bool is_ours);
/* A clone of what fd refers to and all mounts below, read-only and private; -1 and errno. */
int fs_clone_read_only(int fd);

/* Asks no FUSE server, which may be stopped, dead or another user's: the kernel knows the mount and,
 * where it may tell, the type; elsewhere O_DIRECTORY tells. -1 and errno. */
int fs_look_at(const struct run *run, int fd, struct kernel_statx *ret_status,
	       bool *ret_is_directory);
bool fs_is_same_object(int a, int b);

/* Arena memory. Callers of bubblewrap look for these words and the path in one of two forms, that of
 * before 0.12 and that of since then, when a procfs is the trouble. */
const char *fs_no_proc_text(const struct op *op);

#endif
