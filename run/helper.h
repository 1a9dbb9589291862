/* helper.h - asking for a helper: a process beside COMMAND that works for the sandbox.
 *
 * Who asks is setup. Who starts it is run->start_helper(), which knows where the process belongs. The two
 * talk over a socket of their own: the job, once, and then whether the helper can do it.
 */
#ifndef RUN_HELPER_H
#define RUN_HELPER_H

#include "run/run.h"
#include "utils.h"

/* Beside those of process/protocol.h, which has the drawing of all. */
enum {
	MESSAGE_HELPER_JOB = 64, /* setup to helper; numbers: op, flags, n_fds */
	MESSAGE_HELPER_FD,       /* setup to helper: the next descriptor of the job */
	MESSAGE_HELPER_READY,    /* helper to setup, with a descriptor or not */
	MESSAGE_HELPER_FAILED,   /* helper to setup, which it has said: run/failure.h */
};

/* Only its own room knows what the flags and the descriptors mean. */
struct helper_job {
	size_t op; /* the number of the operation it is for */
	unsigned flags;
	int *fds;
	size_t n_fds;
};

/* Returns our end of the socket to the helper; dies when it cannot be had. The descriptors stay the
 * caller's. */
int helper_start(const struct run *run, enum helper_kind kind, const struct helper_job *job);
/* In the helper: ends it where there is no such job. */
void helper_receive_job(int socket, struct helper_job *ret_job);
void helper_send_ready(int socket, int attached_fd); /* -1: none */
void helper_send_failed(int socket, const struct failure *failure);

enum helper_answer { HELPER_IS_READY, HELPER_HAS_FAILED, HELPER_IS_GONE };
/* Waits for the helper's answer; ret_fd, which may be NULL, gets its descriptor, and ret_failure, in arena memory, why it
 * has failed. */
enum helper_answer helper_receive_answer(int socket, int *ret_fd, struct failure *ret_failure);

#endif
