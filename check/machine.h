/* machine.h - what a sandbox may need, each tried on this machine. */
#ifndef CHECK_MACHINE_H
#define CHECK_MACHINE_H

#include "check/finding.h"
#include "check/trial.h"

/* In the order of importance. Returns whether a sandbox can be had. */
bool machine_check(const struct run *run, check_story story, struct findings *ret_findings);

#endif
