/* report.h - what the caller is told in JSON: --info-fd and --json-status-fd. */
#ifndef PROCESS_REPORT_H
#define PROCESS_REPORT_H

#include "limit/usage.h"
#include "run/failure.h"
#include "run/run.h"
#include "sys/channel.h"
#include "utils.h"

/* COMMAND's namespaces exist: who is child-pid, and their numbers. Dies where that cannot be written, for whoever
 * waits for it must have got it. */
void report_namespaces(const struct run *run, pid_t child);
/* An operation shows something less than was asked for first. Dies as the above does. */
void report_step_down(const struct run *run, int op, uint64_t proc_form);

/* The rest is said by one process, before there is a supervisor and then by that. None of it keeps it from its work:
 * what cannot be written at once waits in run->supervisor->untold. */

/* Why COMMAND was not started, or why the supervisor ends while it runs. The first time only. */
void report_failure(const struct run *run, const struct told_failure *told);
/* The sandbox says why: MESSAGE_NOT_STARTED. */
void report_hear_failure(const struct run *run, const struct message *message, const char *words);
/* It has ended so, as of waitpid(2), before COMMAND was started; why is what it has said. */
void report_not_started(const struct run *run, int status);
/* For die_first_call(), before there is a supervisor; with the run. */
void report_early_failure(void *argument, const struct failure *failure);
/* COMMAND was executed. */
void report_started(const struct run *run);
/* The time is up; the first time only. */
void report_timeout(const struct run *run);
/* How it has ended, as of waitpid(2). */
void report_end(const struct run *run, int status);
/* What it used, and why it ended. */
void report_usage(const struct run *run, const struct usage *usage, const char *cause);
/* The last line. */
void report_exit(const struct run *run, int exit_code);
/* Writes what waits, as far as somebody takes it within so many milliseconds. */
void report_untold(const struct run *run, int patience_ms);

#endif
