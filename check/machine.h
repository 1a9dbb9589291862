/* machine.h - what a sandbox may need, each tried on this machine. */
#ifndef CHECK_MACHINE_H
#define CHECK_MACHINE_H

#include "check/finding.h"
#include "check/trial.h"

enum sandbox { NO_SANDBOX, SANDBOX_WITHOUT_PROC, WHOLE_SANDBOX };

/* In the order of importance. Returns what can be had. */
enum sandbox machine_check(const struct run *run, check_story story, struct findings *ret_findings);

#endif
