/* verdict.h - what has ended COMMAND. */
#ifndef PROCESS_VERDICT_H
#define PROCESS_VERDICT_H

#include "limit/usage.h"
#include "run/run.h"

/* "exit", "signal", "timeout" or "oom-kill", for the status event; status as of waitpid(2). */
const char *verdict_word(const struct run *run, const struct usage *usage, int status);
/* One line on stderr where it was not COMMAND's own doing; nothing under the name bwrap without --verbose. */
void verdict_tell(const struct run *run, const struct usage *usage, int status);

#endif
