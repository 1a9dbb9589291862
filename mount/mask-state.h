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
	/* the last name, where no link led there, else NULL; its directory: the walk's, until the next one; and which
	 * that is (none: not asked) */
	const char *name;
	int dir_fd;
	struct mask_object parent;
	struct kernel_statx status; /* of what is there */
	/* the last two: the mount that the last name was looked up in */
	bool is_mount_root, is_read_only, is_fuse;
	/* Where COMMAND could rename or remove it or what is above it, but for pins and masks; NULL: nowhere */
	const char *writable;
	bool is_at_the_end; /* it alone */
};

/* One path that was masked or protected. */
struct masked {
	const struct op *op;
	const char *path, *real;
	const struct op *tree;
	/* What was there (none: nothing); what is there now (none: nothing, as before), and the id of its mount;
	 * where nothing is and nothing can be made (else none). */
	struct mask_object object, shown, parent;
	uint64_t mount_id, below_id; /* and of the one that it lies on */
	/* is_own_tmpfs: in which more is made; stays_covered: no operation comes that could uncover it */
	bool was_mount_root, was_writable, is_stub, is_own_tmpfs, stays_covered;
	const char *name; /* of what is passed, or a stub to be, in its parent; else NULL */
	bool is_file, is_below, is_copied; /* that stub; mounted below it; in a layer */
};

struct mask_pins; /* mask-pins.c */

struct masks {
	bool hides, protects;        /* by the words of the line */
	const struct op *last_other; /* the last operation that is no mask; NULL: none */
	struct masked *items;
	size_t n, capacity, n_stubs; /* the last: made on the host, or shared */
	struct masked *passed; /* on mounts that cannot be written to: no pin; below: its parent */
	size_t n_passed, capacity_passed;
	struct mask_pins *pins;       /* NULL: none */
	struct walked *walked;        /* mask-walk.c */
	struct mask_mounts *host;     /* mask-paths.c; NULL: there is no overlay */
	struct mask_mounts *mounts;   /* the same, in the new root; NULL: not yet */
	struct mask_object covers[3]; /* none: not made yet */
};

#endif
