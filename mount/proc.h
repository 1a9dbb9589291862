/* proc.h - --proc, --proc-pid and --proc-try. */
#ifndef MOUNT_PROC_H
#define MOUNT_PROC_H

#include "plan/plan.h"
#include "run/run.h"

struct pin;

/* What is shown. Each is less than the one before: of --proc-try the next is taken where it cannot be had. */
enum proc_form {
	PROC_WHOLE,     /* a new procfs */
	PROC_PROCESSES, /* one with subset=pid */
	PROC_VISIBLE,   /* the one that the caller sees */
};

static inline bool proc_is_kind(enum op_kind kind)
{
	return kind == OP_PROC || kind == OP_PROC_PID || kind == OP_PROC_TRY;
}
/* Pins a detached procfs; the kernel wants to compare a new one with the host's, which has to be seen. */
void proc_pin(const struct run *run, const struct op *op, struct pin *pin);
/* Shows it, and covers what it would let root do to the host. */
void proc_build(struct run *run, const struct op *op, struct pin *pin);
/* What a --proc-try has come to; PROC_WHOLE for every other operation. */
enum proc_form proc_stepped_down_to(const struct run *run, size_t op);

#endif
