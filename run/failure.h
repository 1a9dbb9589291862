/* failure.h - why a process has failed, told to another one. */
#ifndef RUN_FAILURE_H
#define RUN_FAILURE_H

#include "sys/channel.h"
#include "utils.h"

struct told_failure {
	struct failure failure;
	int stage;    /* enum stage; -1: not known */
	bool of_exec; /* all was set up */
};
/* The message has errno as its value, numbers, and as words the sentence and the path, the latter left out before
 * either is cut. A side that is gone needs none. */
void failure_send(int socket, uint32_t kind, const struct told_failure *told);
/* With arena memory. */
struct told_failure failure_read(const struct message *message, const char *words);

#endif
