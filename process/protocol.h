/* protocol.h - what the processes of a run tell each other. */
#ifndef PROCESS_PROTOCOL_H
#define PROCESS_PROTOCOL_H

#include "filter/trace.h"
#include "run/helper.h"

enum message_kind {
	MESSAGE_CHILD = 1,  /* with a pidfd: the process that stands in for the sender */
	MESSAGE_GO,         /* the other side may go on */
	MESSAGE_NAMESPACES, /* with ns_ids: the sandbox's namespaces exist; value: in a second level
			     */
	MESSAGE_STARTING,   /* the next step is exec; with a pidfd: where signals go */
	MESSAGE_NOT_STARTED,  /* it failed */
	MESSAGE_ENDED,        /* value: COMMAND's wait status */
	MESSAGE_ALL_ENDED,    /* the same, and there is nobody else: the reaper ends, too */
	MESSAGE_START_HELPER, /* with a socket: start a helper, which is told there what to do */
	MESSAGE_FD,           /* one more descriptor */
	MESSAGE_PINNED,       /* no more helpers will be asked for */
	MESSAGE_READY,        /* the supervisor has given up what it does not need */
};

#endif
