/* overlay-job.c - what a helper of an overlay is asked for: fuse-overlayfs, or the list of changes.
 *
 * What it works on are descriptors that setup gives it, above all clones of the layers.
 */
#include "mount/overlay-job.h"

#include "mount/fs.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/capabilities.h"
#include "utils.h"

#include <errno.h>
#include <unistd.h>

static unsigned job_flags(const struct overlay_job *job)
{
	unsigned flags = (unsigned) job->squash | (unsigned) job->marks << 1;
	for (size_t i = 0; i < ARRAY_SIZE(job->fds); i++)
		flags |= (unsigned) (job->fds[i] >= 0) << (3 + i);
	return flags;
}

int overlay_job_start(const struct run *run, enum helper_kind kind, const struct overlay_job *job)
{
	struct helper_job sent = { .op = (size_t) (job->op - run->plan->root.ops),
				   .flags = job_flags(job),
				   .fds = arena_alloc((ARRAY_SIZE(job->fds) + job->n_layers) *
						      sizeof(int)) };
	for (size_t i = 0; i < ARRAY_SIZE(job->fds); i++)
		if (job->fds[i] >= 0)
			sent.fds[sent.n_fds++] = job->fds[i];
	for (size_t i = 0; i < job->n_layers; i++)
		sent.fds[sent.n_fds++] = job->layers[i];
	return helper_start(run, kind, &sent);
}

void overlay_job_receive(const struct run *run, int socket, struct overlay_job *ret_job)
{
	struct helper_job received;
	size_t n = 0;
	helper_receive_job(socket, &received);
	if (received.op >= run->plan->root.n_ops)
		_exit(1); /* not from setup */
	const struct op *op = &run->plan->root.ops[received.op];
	if (!op->overlay || received.n_fds < op->overlay->n_layers)
		_exit(1); /* not from setup */
	*ret_job = (struct overlay_job){ .op = op,
					 .squash = received.flags & 1,
					 .marks = received.flags >> 1 & 3 };
	for (size_t i = 0; i < ARRAY_SIZE(ret_job->fds); i++)
		ret_job->fds[i] = received.flags >> (3 + i) & 1 ? received.fds[n++] : -1;
	ret_job->layers = received.fds + n;
	ret_job->n_layers = received.n_fds - n;
}

void overlay_job_clone_layers(struct overlay_job *job, const int *layers, size_t n_layers)
{
	job->n_layers = n_layers;
	job->layers = arena_alloc(n_layers * sizeof(int));
	for (size_t i = 0; i < n_layers; i++) {
		job->layers[i] = fs_clone_read_only(layers[i]);
		if (job->layers[i] < 0)
			die_errno(errno, "%s: Can't clone a layer",
				  position_text(job->op->position));
	}
}

void overlay_job_close_layers(struct overlay_job *job)
{
	for (size_t i = 0; i < job->n_layers; i++)
		close_fd(&job->layers[i]);
}

void overlay_keep_caps(uint64_t wanted)
{
	uint64_t permitted, effective, ambient;
	caps_of_process(&permitted, &effective, &ambient);
	caps_keep(permitted & wanted, permitted & wanted);
}
