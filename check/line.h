/* line.h - what one line needs, by carrying it out as far as COMMAND. */
#ifndef CHECK_LINE_H
#define CHECK_LINE_H

#include "check/finding.h"
#include "check/trial.h"

/* Stage by stage. Returns whether all of it works. */
bool line_check(struct host *host, struct plan *plan, struct run *run, check_story story,
		struct findings *ret_findings);

#endif
