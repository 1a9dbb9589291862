/* trial.h - a line carried out as far as COMMAND, in a process of its own, and what was heard of it. */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include "run/run.h"

/* The story, from the split on. */
typedef void (*check_story)(struct host *host, struct plan *plan, struct run *run);

struct trial {
	pid_t pid; /* -1: it could not be started, and `error` says why */
	int fd;
	int error;
	struct text heard;
	/* once it was heard to its end */
	enum stage stage; /* the last one that began */
	bool works;
	const char *message; /* why it does not; NULL where nothing was said */
	const char **notes;  /* what else was said */
	size_t n_notes, capacity_notes;
};

/* For who is to read nothing, and to write to nobody: the caller's. Dies when there is none. */
int trial_open_nothing(void);
/* True in the new process: its standard error is what is heard. */
bool trial_begin(struct trial *trial);
/* Returns when all of them have ended. */
void trials_hear(struct trial *trials, size_t n);
/* Where COMMAND would be executed: returns in a process in which it can be, and will not run a single instruction. */
void trial_rehearse_exec(struct run *run);

#endif
