/* run.h - what is true so far, per process, and telling of it. */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include "plan/explain.h"
#include "plan/shape.h"
#include "run/host.h"
#include "sys/nskind.h"

struct supervisor;
struct init;
struct mounts;
struct cgroups;
struct filters;
struct stubs;
struct mapper;

/* The processes beside COMMAND that work for the sandbox. */
enum helper_kind {
	HELPER_FUSE_OVERLAYFS, /* serves one overlay's mount until that is gone */
	HELPER_CHANGE_LISTER,  /* lists what was changed in one overlay, at the end */
	HELPER_PASTA,          /* carries a whole network */
	/* those that setup cannot ask for */
	HELPER_GUARD,      /* ends the sandbox where the supervisor is kept from it */
	HELPER_LOOKER,     /* looks where the calls lead that --trace-denied is notified of */
	HELPER_PTY_RELAY,  /* between the caller's terminal and --pty's */
	HELPER_CARRIER,    /* carries connections out of the sandbox's network */
	HELPER_CARRIER_IN, /* and into it */
};

/* Those of them that carry connections. */
enum direction { OUTWARD, INWARD, N_DIRECTIONS };

struct root {
	int fd;            /* O_PATH of the new root directory; -1 before it is entered */
	uint64_t mount_id; /* of its mount, as statx(2) tells it */
};

struct run {
	const struct plan *plan;
	const struct host *host;
	struct shape shape;
	enum stage stage; /* in which this process is */
	bool exec_failed; /* what is left is to say so */
	int going_fd;     /* COMMAND's process's, that exec closes; -1: nobody watches for it */
	uint64_t ns_ids[N_NS_KINDS]; /* of the namespaces we are in, as far as somebody asked */
	int supervisor_fd;           /* our end of the supervisor's socket; -1 when there is none */
	/* Setup's way to have a helper started, which gets ends[1]: run/helper.h. */
	void (*start_helper)(const struct run *run, enum helper_kind kind, const int ends[2]);
	bool supervisor_is_ready; /* it has said so: MESSAGE_READY; and MESSAGE_REPORTED */
	bool is_reported;
	struct supervisor *supervisor; /* what it knows; NULL inside */
	struct init *init;             /* pid 1's */
	int lifeline_fd; /* pid 1's, to end the sandbox with --die-with-parent or -fd; -1: others do */
	int64_t last_resort_ms; /* when pid 1 ends the sandbox itself, CLOCK_MONOTONIC; 0: never */
	struct {
		int master, slave; /* of --pty's terminal; -1: none, not yet, or not here */
	} pty;
	bool guards_subvolumes; /* of btrfs: what is masked or protected may lie in one */
	int landlock_fd;        /* the rules for COMMAND; -1: there are none, or not yet */
	/* to each carrier: setup's end, and its own; -1: there is none, or not here */
	int carrier_fds[N_DIRECTIONS][2];
	/* where --tcp-in listens outside, by number of the passage; -1: not this one; NULL: none, or not here */
	int *outer_entries;
	int pasta_fd; /* setup's, where pasta says that it is ready; -1: it has, or there is none */
	const char
		*resolver;  /* where that one answers, in place of the host's own; NULL: nowhere */
	bool nofile_raised; /* above the caller's limit, which COMMAND gets back */
	bool in_chroot;     /* / is not the mount namespace's, and what is there is the host's */
	struct root root;
	struct mapper *mapper;   /* who writes our id maps; NULL: we do, or others */
	struct cgroups *cgroups; /* the supervisor's; NULL: none were made */
	bool owns_group;         /* the sandbox's side: that of version 2 holds nothing else */
	struct stubs *stubs;     /* the supervisor's; NULL: it was told of none */
	struct mounts *mounts;   /* of the new root; NULL before its sources are pinned */
	struct filters *filters;
	char **environment;      /* COMMAND's, once made */
	unsigned places_outside; /* --check: run/misses.h */
};

/* A stage begins. --verbose: what --dry-run says of it, on stderr, but for STAGE_BUILD; otherwise nothing. */
void run_tell_stage(struct run *run, enum stage stage);
/* Ends this process since another one of setup's has ended, with this status of wait(2), and COMMAND
 * has not been started: with 128 + the signal that ended it or the one that it waited for, which
 * callers read to tell a filter around us (SIGSYS) from what failed; otherwise with 1. With --exit-codes env
 * as that one has, or with 125. */
_Noreturn void run_end_with_setup(const struct run *run, int status);
/* Closes what an option consumed, but for 0 to 2, which are close-on-exec. */
void close_consumed(int fd);
/* --verbose: one line on stderr; otherwise nothing, and the words are not even made. */
#define run_tell(run, ...) ((run)->plan->verbose ? say_note(__VA_ARGS__) : (void) 0)

#endif
