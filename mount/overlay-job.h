/* overlay-job.h - what a helper of an overlay is asked for. */
#ifndef MOUNT_OVERLAY_JOB_H
#define MOUNT_OVERLAY_JOB_H

#include "mount/overlay-marks.h"
#include "run/helper.h"

/* REPORT: what fuse-overlayfs says before it is ready. */
enum { UPPER, WORK, DEVICE, REPORT, WRITABLE, N_JOB_FDS };
struct overlay_job {
	const struct op *op;
	bool squash;
	enum overlay_marks marks; /* for the lister */
	int fds[N_JOB_FDS];       /* -1 where there is none */
	int *layers;              /* clones, top first */
	size_t n_layers;
};

void overlay_job_clone_layers(struct overlay_job *job, const int *layers, size_t n_layers);
void overlay_job_close_layers(struct overlay_job *job);
/* Returns the socket to the helper. */
int overlay_job_start(const struct run *run, enum helper_kind kind, const struct overlay_job *job);

/* In the helper: ends it where there is no such job. */
void overlay_job_receive(const struct run *run, int socket, struct overlay_job *ret_job);
/* In the helper: keeps those of its capabilities that are wanted. */
void overlay_keep_caps(uint64_t wanted);

#endif
