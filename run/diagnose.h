/* diagnose.h - the cause behind an errno; arena memory, "" when there is nothing to add. */
#ifndef RUN_DIAGNOSE_H
#define RUN_DIAGNOSE_H

#include "run/run.h"

const char *diagnose_new_namespace(const struct run *run, unsigned long flags, int error);
const char *diagnose_id_map(const struct run *run, int error);
const char *diagnose_mount_api(int error);
/* --proc and its like; processes_would_do: one of the processes alone was tried, and can be made. */
const char *diagnose_proc_mount(const struct run *run, const struct op *op, bool processes_would_do,
				int error);
const char *diagnose_exec(const char *command, const char *path_list, int error);

#endif
