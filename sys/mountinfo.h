/* mountinfo.h - the mounts that this process can see: proc_pid_mountinfo(5). */
#ifndef SYS_MOUNTINFO_H
#define SYS_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mountinfo {
	uint64_t id, parent_id; /* as statx(2) tells them */
	uint64_t device;        /* of the file system, one number */
	const char *root;       /* what is mounted, in that; NULL: not told */
	const char *point;      /* where it is, as seen from this process's root */
	const char *type;
	bool is_read_only;
};

/* All of them, in arena memory; NULL and errno. */
struct mountinfo *mountinfo_read(int proc_fd, size_t *ret_n);
/* Whether a file system of this type is stored data. Others are interfaces of the kernel's, or a server's that need
 * not answer. */
bool mountinfo_type_is_stored(const char *type);

#endif
