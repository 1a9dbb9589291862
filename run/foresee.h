/* foresee.h - what --dry-run and --verbose can tell of the host before anything is done. */
#ifndef RUN_FORESEE_H
#define RUN_FORESEE_H

#include "run/run.h"

/* Warns on stderr of what will fail, or will be missed inside. Looks, and changes nothing. */
void foresee(const struct run *run);

#endif
