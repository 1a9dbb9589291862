/* protocol.h - what the processes of a run tell each other, and when. What comes out of turn ends the sandbox.
 *
 *   supervisor                     setup                                       a helper
 *       |                              |---- MAP ----> a mapper ---- MAPPED, MAP_FAILED ---->|  ns/mapper.h
 *       |---- IN_GROUPS -------------->|  where it was not born there             |
 *       |<--- CHILD -------------------|  the sandbox goes on in this process     |
 *       |<--- NAMESPACES, STEPPED_DOWN |  for --info-fd and --json-status-fd      |
 *       |---- REPORTED --------------->|  the caller is done with them            |
 *       |<--- START_HELPER ------------|  with its end of a socket                |
 *       |                              |---- HELPER_JOB, HELPER_FD ... ---------->|
 *       |                              |<--- HELPER_READY or HELPER_FAILED -------|
 *       |<--- PINNED, TERMINAL --------|  no more helpers; the end of --pty's that is relayed
 *       |<--- STUB_NAME, _PLACE, _LOCK |  what is about to be made on the host; and it is there
 *       |---- READY ------------------>|  nothing is left that it does not need: COMMAND may run
 *       |                            pid 1                COMMAND's process, before exec
 *       |                              |<--- SECOND_USERNS --------|  and NAMESPACE_FD ... with --cap-add
 *       |<--- STARTING ----------------|                           |  by COMMAND's process without a pid 1 of
 *       |                              |---- PROTECTED ----------->|  ours, or where that lends its memory
 *       |<--- GOING -----------------------------------------------|  with --json-status-fd
 *       |<--- LISTENER --------------------------------------------|  with --seccomp-trace, --trace-denied
 *       |<--- NOT_STARTED -----------------------------------------|  by whoever dies, who says why
 *       |<--- ENDED or ALL_ENDED ------|
 */
#ifndef PROCESS_PROTOCOL_H
#define PROCESS_PROTOCOL_H

#include "filter/look.h"   /* MESSAGE_LOOK...: 112 and up */
#include "filter/notify.h" /* MESSAGE_LISTENER: 32 */
#include "mount/stub.h"    /* MESSAGE_STUB_...: 33 and up */
#include "run/helper.h"    /* MESSAGE_HELPER_...: 64 and up */
#include "sys/channel.h"

/* Each is sent by one function and received by one. */
enum message_kind {
	MESSAGE_IN_GROUPS = 1,
	MESSAGE_CHILD,      /* with a pidfd */
	MESSAGE_NAMESPACES, /* numbers: run->ns_ids */
	MESSAGE_REPORTED,
	MESSAGE_START_HELPER, /* value: the kind; with a socket */
	MESSAGE_PINNED,
	MESSAGE_STEPPED_DOWN, /* value: an operation's number; numbers: what is there, enum proc_form */
	MESSAGE_TERMINAL,     /* with its master */
	MESSAGE_READY,
	MESSAGE_SECOND_USERNS, /* value: whether COMMAND is in one */
	MESSAGE_NAMESPACE_FD,  /* with a descriptor of it */
	MESSAGE_STARTING,      /* the next step is exec; with a pidfd: where signals go */
	MESSAGE_PROTECTED,     /* nothing in the sandbox reaches pid 1: COMMAND may run */
	MESSAGE_GOING,         /* numbers: see below; with a pipe whose end of file is the exec */
	MESSAGE_NOT_STARTED,   /* run/failure.h */
	MESSAGE_ENDED,         /* value: COMMAND's wait status */
	MESSAGE_ALL_ENDED,     /* the same, and there is nobody else: pid 1 ends, too */
};

/* The numbers of MESSAGE_GOING: COMMAND's process, as the host's /proc shows it; and its user namespace. */
enum { GOING_PID, GOING_USERNS };

/* How far the sandbox is. */
enum phase {
	PHASE_SPLIT = 1 << 0,   /* it is not known which process goes on */
	PHASE_PIN = 1 << 1,     /* helpers may be asked for */
	PHASE_PREPARE = 1 << 2, /* COMMAND is not about to be executed yet */
	PHASE_STARTED = 1 << 3,
};

/* What the supervisor hears: dies unless this message is taken in this phase. */
void protocol_check(const struct message *message, int attached_fd, enum phase phase);
void protocol_expect(const struct message *message, enum message_kind kind); /* or dies */
_Noreturn void protocol_refuse(const struct message *message);
#endif
