/* reader.h - how far a line was read: what the readers of the subjects share. */
#ifndef PLAN_READER_H
#define PLAN_READER_H

#include "plan/option.h"
#include "plan/options.h"

struct reader {
	struct plan *plan;
	const struct option_io *io;
	enum reading reading; /* READ_PLAN until --help or --version was met */
	/* Modifiers that wait for their operation; argument 0 for "none". */
	struct position perms_position, size_position, propagation_position;
	mode_t perms;
	uint64_t size_bytes;
	enum propagation propagation;
	struct position overlay_position; /* the last word that waits for its overlay */
	struct overlay overlay;
};

#endif
