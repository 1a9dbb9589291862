/* helper.c - asking for a helper, and being told its job. What a job is about is known to its room alone.
 */
#include "run/helper.h"

#include "plan/plan.h"
#include "run/failure.h"
#include "sys/channel.h"
#include "utils.h"

#include <unistd.h>

enum { JOB_OP, JOB_FLAGS, JOB_N_FDS, JOB_NUMBERS };

static void send_job(int socket, const struct helper_job *job)
{
	const uint64_t numbers[JOB_NUMBERS] = {
		[JOB_OP] = job->op, [JOB_FLAGS] = job->flags, [JOB_N_FDS] = job->n_fds
	};
	channel_send_numbers(socket, MESSAGE_HELPER_JOB, 0, numbers, JOB_NUMBERS);
	for (size_t i = 0; i < job->n_fds; i++)
		channel_send_fd(socket, MESSAGE_HELPER_FD, 0, job->fds[i]);
}

int helper_start(const struct run *run, enum helper_kind kind, const struct helper_job *job)
{
	int ends[2];
	channel_make_pair(ends);
	run->start_helper(run, kind, ends);
	close(ends[1]);
	send_job(ends[0], job);
	return ends[0];
}

static void receive(int socket, uint32_t kind, struct message *ret_message, int *ret_fd)
{
	if (channel_receive(socket, true, ret_message, ret_fd) != 1 || ret_message->kind != kind)
		_exit(1); /* setup is gone, and has said why */
}

void helper_receive_job(int socket, struct helper_job *ret_job)
{
	struct message message;
	receive(socket, MESSAGE_HELPER_JOB, &message, NULL);
	*ret_job = (struct helper_job){ .op = (size_t) message.numbers[JOB_OP],
					.flags = (unsigned) message.numbers[JOB_FLAGS],
					.n_fds = (size_t) message.numbers[JOB_N_FDS] };
	ret_job->fds = arena_alloc((ret_job->n_fds + 1) * sizeof(int));
	for (size_t i = 0; i < ret_job->n_fds; i++)
		receive(socket, MESSAGE_HELPER_FD, &message, &ret_job->fds[i]);
}

void helper_send_ready(int socket, int attached_fd)
{
	channel_send_fd(socket, MESSAGE_HELPER_READY, 0, attached_fd);
}

void helper_send_failed(int socket, const struct failure *failure)
{
	failure_send(socket, MESSAGE_HELPER_FAILED,
		     &(struct told_failure){ .failure = *failure, .stage = -1 });
}

enum helper_answer helper_receive_answer(int socket, int *ret_fd, struct failure *ret_failure)
{
	struct message message;
	char words[WORDS_CAPACITY + 2];
	if (channel_receive_words(socket, true, &message, ret_fd, words) != 1)
		return HELPER_IS_GONE;
	if (message.kind == MESSAGE_HELPER_READY)
		return HELPER_IS_READY;
	if (message.kind != MESSAGE_HELPER_FAILED)
		return HELPER_IS_GONE;
	*ret_failure = failure_read(&message, words).failure;
	/* It speaks after that, and ends. */
	while (channel_receive(socket, true, &message, NULL) > 0)
		;
	return HELPER_HAS_FAILED;
}
