/* report.h - what the caller is told in JSON: --info-fd and --json-status-fd. */
#ifndef PROCESS_REPORT_H
#define PROCESS_REPORT_H

#include "limit/usage.h"
#include "run/run.h"

/* COMMAND's namespaces exist: who is child-pid, and their numbers. Dies where that cannot be written, for whoever
 * waits for it must have got it. */
void report_namespaces(const struct run *run, pid_t child);
/* An operation shows something less than was asked for first. Dies as the above does. */
void report_step_down(const struct run *run, int op, uint64_t proc_form);
/* What it used, and why it ended. */
void report_usage(const struct run *run, const struct usage *usage, const char *cause);
void report_exit(const struct run *run, int exit_code);

#endif
