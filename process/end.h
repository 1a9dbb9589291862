/* end.h - the end of the sandbox, in the supervisor. */
#ifndef PROCESS_END_H
#define PROCESS_END_H

#include "run/run.h"

enum { EXIT_TIMED_OUT = 124, EXIT_KILLED = 137 }; /* as of timeout(1) */

/* Nothing of the sandbox is left when this returns true, where it ends with COMMAND. Those who lost
 * their parents became our children. */
bool end_sandbox(const struct run *run);
/* Then: the stubs on the host, also those that setup has told of and nobody has heard. Once COMMAND has started,
 * what still comes is not setup's. */
void end_remove_stubs(struct run *run);
/* Ends the sandbox, with what was made for it. */
void end_and_remove(struct run *run);
/* Ends the supervisor itself. */
_Noreturn void end_leave(const struct run *run, int exit_status);
/* The same where a signal ended COMMAND, or would have: with --exit-signal of that one. */
_Noreturn void end_leave_by(const struct run *run, int number);
/* Takes the status of any child, as waitpid(2) with WNOHANG. */
pid_t end_take_status(const struct run *run, int *ret_status);
/* The child, if it does not end in this time; otherwise 0. */
pid_t end_await_child(const struct run *run, int ms);
/* Whether what COMMAND leaves behind has to be looked for: a pid namespace of the sandbox's own is
 * over with its pid 1. */
bool end_must_find_the_rest(const struct run *run);
/* Dies where that, or anything else that looks for processes in /proc, has not theirs. */
void end_require_own_proc(const struct run *run);

/* Whether the parent is gone (--die-with-parent), or --die-with-fd's end is reached. */
struct supervisor;
bool end_lifeline_is_cut(const struct supervisor *self);
/* Ends the run for that, COMMAND not having been started. */
_Noreturn void end_of_lifeline(const struct run *run);
/* The same of the time. */
_Noreturn void end_of_time(const struct run *run);
/* Ends the run, COMMAND not having been started, if somebody wants it to. */
void end_if_asked(const struct run *run);
/* Before the supervisor's loop begins: returns when the descriptor can be read, or after `ms` if
 * that is not negative. Ends the run when its time is up, the parent is gone or a signal says so. */
void end_await(const struct run *run, int fd, int ms);
/* For write_patiently(), with the struct supervisor: COMMAND may stop a terminal or fill a pipe that we share
 * with it. */
bool end_may_go_on_writing(const void *argument);
/* Waits a while for a helper; false when nobody wants the list any more. */
bool end_is_list_wanted(const struct run *run);

#endif
