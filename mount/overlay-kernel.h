/* overlay-kernel.h - layers merged by the kernel's overlay. */
#ifndef MOUNT_OVERLAY_KERNEL_H
#define MOUNT_OVERLAY_KERNEL_H

#include "mount/overlay-dirs.h"

/* A detached mount of n layers, written to upper_fd and work_fd; -1 and -1: the tmpfs of `merge`, where it
 * is writable. -1 and errno; E2BIG: more layers than a kernel before 6.7 takes. */
int overlay_try_kernel(struct merge *merge, const int *lowers, size_t n, int upper_fd, int work_fd);

#endif
