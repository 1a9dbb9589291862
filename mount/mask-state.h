/* mask-state.h - what is known of masks and protections; for the files mount/mask*.c and stub.c alone. */
#ifndef MOUNT_MASK_STATE_H
#define MOUNT_MASK_STATE_H

#include "mount/mask-cover.h"

/* What a path inside leads to. */
struct mask_place {
	int fd; /* O_PATH; of the last directory that there is, where something is missing */
	const char *real;      /* the way to it, without links; "" is / */
	const struct op *tree; /* whose mount it is on, or below; NULL: the new root's */
	const char *missing;   /* the first name that is not there; NULL: all are */
	bool missing_is_directory, is_stub; /* one is there instead: mount/stub.h */
	const char *trouble;                /* why nothing can be promised there; NULL: it can */
	uint64_t mount_id;
	const char *name;           /* the last one; NULL: of no interest */
	struct mask_object parent;  /* the directory in which that was found; none: not asked */
	struct kernel_statx status; /* of what is there */
	bool is_mount_root, is_read_only,
		is_fuse; /* the last two: the mount that the last name was looked up in */
	/* Where COMMAND could rename or remove it or what is above it, but for pins and masks; NULL: nowhere */
	const char *writable;
	bool is_at_the_end; /* it alone */
};

/* One path that was masked or protected. */
struct masked {
	const struct op *op;
	const char *path, *real;
	const struct op *tree;
	/* What was there (none: nothing); what is there now (none: nothing, as before), and, of a protection, the
	 * id of its mount; where nothing is and nothing can be made (else none). */
	struct mask_object object, shown, parent;
	uint64_t mount_id;
	bool was_mount_root, was_writable, is_stub, is_own_tmpfs; /* in which more is made */
	const char *name; /* of what is passed, in its parent; else NULL */
	bool is_below;    /* something that was mounted below it (mask-paths.c) */
};

/* A mount on the way. */
struct mask_mount {
	uint64_t id;
	const char *top; /* the way to it */
	const struct op *tree;
	bool is_known, is_read_only, is_fuse, is_procfs;
};
struct mask_pins; /* mask-pins.c */

struct masks {
	struct masked *items;
	size_t n, capacity, n_stubs; /* the last: made on the host, or shared */
	struct masked *passed; /* on mounts that cannot be written to: no pin; below: its parent */
	size_t n_passed, capacity_passed;
	struct mask_pins *pins;       /* NULL: none */
	struct walked *walked;        /* mask-walk.c */
	struct mask_host *host;       /* mask-paths.c; NULL: there is no overlay */
	struct mask_object covers[3]; /* none: not made yet */
};

#endif
