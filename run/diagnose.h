/* diagnose.h - the cause behind an errno; arena memory, "" when there is nothing to add. --verbose also tells the
 * facts that it was found by. */
#ifndef RUN_DIAGNOSE_H
#define RUN_DIAGNOSE_H

#include "run/run.h"

/* Of unshare(2) or clone(2) with these flags. */
const char *diagnose_new_namespace(const struct run *run, unsigned long flags, int error);
/* Which of these CLONE_NEW* this kernel was built without, by what /proc shows. */
const char *diagnose_missing_kind(const struct run *run, unsigned long flags);
const char *diagnose_id_map(const struct run *run, int error);
/* Of the calls on mounts that Linux 5.2 and later have, but of EACCES where these look up a path. It may be that nothing
 * else is known. Leaves errno alone: callers hand it to others in the same breath. */
const char *diagnose_mount_api(int error);
/* Of mount_setattr(2) with these MOUNT_ATTR_* to set. */
const char *diagnose_mount_flags(uint64_t flags, int error);
/* Of opening /dev/net/tun. */
const char *diagnose_tun(int error);
/* Of binding a socket to this port. */
const char *diagnose_bind(const struct run *run, uint16_t port, int error);
/* --proc and its like; processes_would_do: one of the processes alone was tried, and can be made. */
const char *diagnose_proc_mount(const struct run *run, const struct op *op, bool processes_would_do,
				int error);
/* In COMMAND's process, with the PATH that it was looked for in. */
const char *diagnose_exec(const struct run *run, const char *path_list, int error);
/* Where on the way to the path it went wrong, as seen from root_fd; -1: from here, which is the host, or what COMMAND
 * sees. */
const char *diagnose_way(int root_fd, const char *path, int error);
/* The same of a path that COMMAND does not see: the --mask that it is below, if there is one. */
const char *diagnose_mask(const struct plan *plan, const char *path);
/* The path with what its first link says in the place of that, as from here; NULL: it has none. */
const char *diagnose_behind_link(const char *path);
enum { DIAGNOSE_MOST_LINKS = 40 }; /* path_resolution(7) */
/* What the link says; NULL: it is none. */
const char *diagnose_link(int dir_fd, const char *name);
/* Of a path on the host that is to be shown. */
const char *diagnose_source(const struct run *run, const struct op *op, const char *path,
			    int error);

#endif
