/* protocol.c - the table of what the supervisor takes, and when; the one place that says so. */
#include "process/protocol.h"

#include "utils.h"

/* No pointers in it: each would be a relocation at every start. */
static const struct row {
	char name[20];
	enum { NEVER_HAS, MAY_HAVE, MUST_HAVE } descriptor;
	unsigned phases; /* in which the supervisor takes it; 0: it is not for the supervisor */
} rows[] = {
	[MESSAGE_IN_GROUPS] = { "IN_GROUPS", NEVER_HAS, 0 },
	[MESSAGE_CHILD] = { "CHILD", MUST_HAVE, PHASE_SPLIT },
	[MESSAGE_NAMESPACES] = { "NAMESPACES", NEVER_HAS, PHASE_PIN | PHASE_PREPARE },
	[MESSAGE_REPORTED] = { "REPORTED", NEVER_HAS, 0 },
	[MESSAGE_START_HELPER] = { "START_HELPER", MUST_HAVE, PHASE_PIN },
	[MESSAGE_PINNED] = { "PINNED", NEVER_HAS, PHASE_PIN },
	[MESSAGE_STEPPED_DOWN] = { "STEPPED_DOWN", NEVER_HAS, PHASE_PIN | PHASE_PREPARE },
	[MESSAGE_TERMINAL] = { "TERMINAL", MUST_HAVE, PHASE_PREPARE },
	[MESSAGE_READY] = { "READY", NEVER_HAS, 0 },
	[MESSAGE_SECOND_USERNS] = { "SECOND_USERNS", NEVER_HAS, 0 },
	[MESSAGE_NAMESPACE_FD] = { "NAMESPACE_FD", MUST_HAVE, 0 },
	[MESSAGE_STARTING] = { "STARTING", MAY_HAVE, PHASE_PREPARE },
	[MESSAGE_PROTECTED] = { "PROTECTED", NEVER_HAS, 0 },
	[MESSAGE_GOING] = { "GOING", MUST_HAVE, PHASE_PREPARE | PHASE_STARTED },
	[MESSAGE_NOT_STARTED] = { "NOT_STARTED", NEVER_HAS,
				  PHASE_SPLIT | PHASE_PIN | PHASE_PREPARE | PHASE_STARTED },
	/* of one that lent memory was for, its end may be all there is to tell */
	[MESSAGE_ENDED] = { "ENDED", NEVER_HAS, PHASE_PREPARE | PHASE_STARTED },
	[MESSAGE_ALL_ENDED] = { "ALL_ENDED", NEVER_HAS, PHASE_PREPARE | PHASE_STARTED },
	[MESSAGE_STUB_NAME] = { "STUB_NAME", NEVER_HAS, PHASE_PREPARE },
	[MESSAGE_STUB_PLACE] = { "STUB_PLACE", MUST_HAVE, PHASE_PREPARE },
	[MESSAGE_STUB_LOCK] = { "STUB_LOCK", MUST_HAVE, PHASE_PREPARE },
	/* the call that hands it over is the last but exec */
	[MESSAGE_LISTENER] = { "LISTENER", MUST_HAVE, PHASE_PREPARE | PHASE_STARTED },
};

static const struct row *find_row(const struct message *message)
{
	static const struct row unknown = { .name = "of no known kind" };
	return message->kind < ARRAY_SIZE(rows) && *rows[message->kind].name ? &rows[message->kind]
									     : &unknown;
}

void protocol_check(const struct message *message, int attached_fd, enum phase phase)
{
	const struct row *row = find_row(message);
	bool fits =
		row->descriptor == MAY_HAVE || (row->descriptor == MUST_HAVE) == (attached_fd >= 0);
	if (!(row->phases & phase) || !fits)
		die("The sandbox sent the message %s out of turn and is ended for it", row->name);
}

void protocol_refuse(const struct message *message)
{
	die("The message %s came out of turn; nothing was run", find_row(message)->name);
}

void protocol_expect(const struct message *message, enum message_kind kind)
{
	if (message->kind != kind)
		protocol_refuse(message);
}
