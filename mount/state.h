/* state.h - what is true of the new root so far; for the files of mount/ alone. */
#ifndef MOUNT_STATE_H
#define MOUNT_STATE_H

#include "mount/proc.h"
#include "sys/path.h"

#include <sys/resource.h>
#include <sys/types.h>

enum { N_DEVICE_NODES = 6 };

/* What was taken for one operation while the host could be seen. */
struct pin {
	int mount_fd;               /* -1: skipped, parked, or nothing to pin */
	bool skipped, is_root;      /* its source need not exist, and does not; / was made of it */
	bool parked;                /* attached in the scratch tmpfs under the operation's number */
	bool is_directory, stays;   /* the latter: no clone, it is the host's tree: newroot.c */
	enum proc_form proc_form;   /* of a --proc and its like */
	uint64_t mount_id;          /* 0: nobody has asked yet */
	const char *source;         /* where on the host; NULL: of no interest */
	const char **layer_sources; /* the same for an overlay's, RWSRC last; NULL behind them */
	int nodes[N_DEVICE_NODES], console, file_fd; /* --dev; --hosts: to write what is mounted */
	struct added_nodes *added;                   /* --dev-add; NULL: none */
	struct overlay_part *parts; /* what belongs on submounts of an overlay's layers */
};

struct mounts {
	struct pin *pins;     /* one for each operation */
	rlim_t n_descriptors; /* that there may be */
	struct {
		bool exists;
		int fd; /* AT_FDCWD once nothing of the host is looked up any more: we stand in it */
	} scratch;
	/* Those in the new root that are new file systems: nobody else can change what is in them. */
	struct {
		uint64_t *mount_ids;
		size_t n, capacity;
	} own_tmpfs;
	/* The directory that something was last made in, where that lies on a tmpfs of ours; fd -1: none. */
	struct {
		const char *path; /* the beginning of an operation's */
		size_t length;
		int fd;
	} own_directory;
	struct {
		int fd; /* of the level that can be written to; the last that could not be had, and why */
		const struct op *op;
		const char *why_not;
	} level;
	struct made_sources *made;   /* NULL: none */
	struct masks *masks;         /* NULL: no operation hides or protects */
	struct path_guard *guard;    /* NULL: no two trees that a link could lead between */
	bool *is_missing;            /* of each operation; NULL: nobody has asked */
	struct held_data *held_data; /* of descriptors that several operations share */
	struct served *served;       /* the mounts of fuse-overlayfs */
	uint64_t known_id;           /* of a mount that needs no word, or has had it */
};

#endif
