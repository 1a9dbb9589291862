/* kernel-fs.h - --sys, --cgroup2, --mqueue: what the kernel shows of the sandbox's namespaces. */
#ifndef MOUNT_KERNEL_FS_H
#define MOUNT_KERNEL_FS_H

#include "mount/state.h"
#include "run/run.h"

/* While the host can be seen: the kernel compares a sysfs with the visible one. */
void kernel_fs_pin(const struct op *op, struct pin *pin);
/* The same for those that nothing is compared with, and showing it. */
void kernel_fs_build(struct run *run, const struct op *op, struct pin *pin);

#endif
