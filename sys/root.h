/* root.h - / and the root of a mount namespace, which may be two. */
#ifndef SYS_ROOT_H
#define SYS_ROOT_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the root of our mount namespace our / and directory, which in a chroot they are not. Dies where it
 * cannot. */
void root_stand_on(int proc_fd);
/* The id of the mount at /, as statx(2) tells it. */
uint64_t root_mount_id(void);
/* Whether / is a chroot for sure: one whose / is a mount of its own does not show it. */
bool root_is_in_chroot(void);
/* What is mounted topmost on / of where we are. */
uint64_t root_topmost_mount_id(void);

#endif
