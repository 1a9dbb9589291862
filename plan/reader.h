/* reader.h - how far a line was read: what the readers of the subjects share. */
#ifndef PLAN_READER_H
#define PLAN_READER_H

#include "plan/option.h"
#include "plan/options.h"

enum modifier { PERMS, SIZE, INODES, PROPAGATION, MOUNT_FLAGS, N_MODIFIERS };
struct modifiers {
	struct position waiting[N_MODIFIERS]; /* for their operation; argument 0: not given */
	mode_t perms;
	uint64_t size_bytes, n_inodes;
	enum propagation propagation;
	uint32_t mount_flags;
};

struct reader {
	struct plan *plan;
	const struct option_io *io;
	enum reading reading; /* READ_PLAN until --help or --version was met */
	struct modifiers modifiers;
	struct position overlay_position; /* the last word that waits for its overlay */
	struct overlay overlay;
};

#endif
