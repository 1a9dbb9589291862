/* etc.h - the files by which programs find addresses of names. */
#ifndef MOUNT_ETC_H
#define MOUNT_ETC_H

#include "run/run.h"

/* What --resolv-conf shows, while the host's can still be read. */
const char *etc_resolv_conf(const struct run *run, const struct op *op);
/* Fills the file of --hosts, which is open as *file_fd, and closes that. */
void etc_write_hosts(struct run *run, const struct op *op, int *file_fd);
/* --verbose: whether COMMAND will miss a resolver. */
void etc_tell_resolver(const struct run *run);

#endif
