/* outside.h - what a line would do outside the sandbox: told, and kept from it. */
#ifndef CHECK_OUTSIDE_H
#define CHECK_OUTSIDE_H

#include "plan/explain.h"
#include "run/run.h"

struct outside {
	const char **notes; /* of what it would change */
	size_t n_notes, capacity_notes;
	problem refused;  /* what the host would not let it change; NULL: nothing */
	enum stage stage; /* in which it would be */
};
void outside_look(const struct run *run, struct outside *ret_outside);
/* Takes it out of the run's plan. */
void outside_leave_alone(const struct run *run, struct plan *plan);

#endif
