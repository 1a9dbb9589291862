/* plan.h - the plan: all that was asked for, const once it was checked.
 *
 * `outer_` is the host's, `inner_` the sandbox's; -1 is "no descriptor". */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "plan/position.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum propagation { PROPAGATION_DEFAULT, PROPAGATION_PRIVATE, PROPAGATION_SLAVE };

enum op_kind {
	OP_BIND,       /* outer_path or outer_fd shown at inner_path */
	OP_BIND_INNER, /* inner_source shown at inner_path, too */
	OP_OVERLAY,    /* layers merged at inner_path */
	OP_REMOUNT_RO,
	OP_TMPFS,
	OP_PROC,     /* a new one with a new or joined pid namespace, else the visible one */
	OP_PROC_PID, /* a new one, of the processes alone */
	OP_PROC_TRY, /* a whole new one, or else what there can be */
	OP_DEV,
	OP_SYS,
	OP_CGROUP2,
	OP_MQUEUE,
	OP_DIR,
	OP_FILE,        /* outer_fd copied to inner_path */
	OP_DATA,        /* outer_fd, or text, copied to a private file shown at inner_path */
	OP_SOCKET,      /* at inner_path, leads to what text calls */
	OP_RESOLV_CONF, /* the host's resolver */
	OP_HOSTS,       /* text, and what is at inner_path by then */
	OP_SYMLINK,     /* inner_path -> text */
	OP_CHMOD,
	OP_MASK,    /* nothing to see at inner_path */
	OP_PROTECT, /* what is at inner_path stays as and where it is */
};

/* A directory of the host that takes part in an overlay. */
struct layer {
	const char *path;
	int fd; /* when path is NULL */
	struct position position;
};

struct fd_at {
	int fd; /* -1: not given */
	struct position position;
	bool is_shared; /* --sync-fd: another option names it, too */
};

struct fds_at {
	struct fd_at *items;
	size_t n, capacity;
};

/* What becomes of a descriptor, and so whether two options may name the same. */
enum fd_use {
	USE_NOT_GIVEN, /* of an option without one */
	USE_OWN,       /* written to, read, or passed on: good for one option */
	USE_SHOWN,     /* stands for a file, a directory or a namespace, and stays as it is */
	USE_COPIED,    /* read once, for all that want a copy */
	USE_WAITED,    /* read a byte at a time */
	USE_HELD,      /* kept open, whoever else uses it */
	USE_PASSED,    /* COMMAND gets it */
	USE_DRAINED,   /* read to its end and closed before the next option is looked at */
	N_FD_USES
};

struct option_row; /* plan/option.h */
/* A descriptor that an option named. */
struct named_fd {
	int fd;
	bool is_superseded; /* the option has another one now */
	const struct option_row *row;
	struct position position;
};

/* An option that stands on the line. */
struct given_option {
	const struct option_row *row;
	struct position last; /* where it stood last */
};

struct word_at {
	const char *word;
	struct position position;
};

enum overlay_backend { OVERLAY_AUTO, OVERLAY_KERNEL, OVERLAY_FUSE };

struct overlay {
	struct layer *layers; /* bottom first */
	size_t n_layers, capacity_layers;
	bool writable;
	struct layer upper, work; /* path NULL: a tmpfs of our own, or nothing to write to */
	enum overlay_backend backend;
	struct position backend_position;
	struct word_at *options;
	size_t n_options, capacity_options;
	struct fd_at changes; /* where the list of what was changed goes */
};

/* What --dev-add puts into the --dev before it. */
struct added_device {
	const char *name; /* a group, or a node below /dev */
	bool skip_missing;
	struct position position;
};

struct op {
	enum op_kind kind;
	const struct op *asked; /* in a rehearsal, that of the line; else NULL */
	bool stays_as_is;       /* ... what is to be changed, and is only looked for */
	bool read_only;
	bool devices;      /* device nodes work */
	bool skip_missing; /* a source that does not exist is skipped */
	bool makes_source; /* ... is made, a directory */
	enum propagation propagation;
	int outer_fd;
	const char *outer_path;
	const char *inner_path;
	const char *inner_source;
	const char *text;              /* of a link, or what a file holds */
	mode_t mode;                   /* what the made object gets; decided by the reader */
	mode_t parent_mode;            /* what missing parents get */
	uint64_t size_bytes, n_inodes; /* tmpfs; 0: the kernel's default */
	uint32_t mount_flags; /* MOUNT_ATTR_*, beside those of the operation: --mount-flags */
	const struct overlay *overlay;
	const struct pattern *pattern; /* OP_MASK, OP_PROTECT: of what; NULL: of inner_path */
	struct added_device *added;    /* --dev */
	size_t passage;                /* OP_SOCKET: its number among them */
	size_t n_added, capacity_added;
	struct position position;
};

enum env_action { ENV_CLEAR, ENV_SET, ENV_UNSET, ENV_KEEP };
struct env_op {
	enum env_action action;
	const char *name, *value;
	char *value_on_line; /* where everybody on the host can read it; NULL: it came by a descriptor */
};

struct cap_op {
	bool add;
	int cap; /* -1: all */
	struct position position;
};

struct rlimit_op {
	uint8_t resource; /* RLIMIT_* */
	struct rlimit limit;
	struct position position;
};

struct limit_op {
	const char *key;        /* the file's name in cgroup v2 */
	const char *controller; /* "" for the core's own */
	const char *value;      /* what is written there */
	uint64_t number;        /* the same as a number where it is one; UINT64_MAX: max */
	uint64_t period_us;     /* cpu.max */
	bool optional;          /* only a warning where it cannot be had */
	struct position position;
};

struct seccomp_source {
	struct fd_at at;
	const char *bytes; /* --add-seccomp-fd: read at once; NULL for --seccomp, read late */
	size_t length;
};

/* One call, or one call with one argument. Actions are as seccomp(2) encodes them. */
struct call_rule {
	const char *name;
	/* the argument as it is written, "AF_NETLINK"; NULL: whatever the arguments */
	const char *word;
	/* as libseccomp numbers it for the machine it runs on; negative for a call of others */
	int number;
	uint8_t index; /* of the argument, from 0 */
	/* the call is meant when (argument & mask) == value; 0: when argument >= value */
	uint32_t mask;
	uint32_t value;
	uint32_t clear;  /* ... and none of these bits is in the argument after it */
	uint32_t action; /* 0: the policy's own */
	const char *why; /* of a profile's row */
};

struct rules {
	struct call_rule *items;
	size_t n, capacity;
};

struct profile;
#define POLICY_DEFAULT_ACTION 0x00050001u /* SECCOMP_RET_ERRNO with EPERM */
#define POLICY_PRETEND \
	0x00050000u /* ... with 0: nothing is done, and the caller is told that it was */
/* What the --seccomp-* options said. */
struct policy {
	struct rules deny, allow;
	const struct profile *profile;
	uint32_t deny_action; /* for what is denied and has no action of its own */
	bool log;
	struct fd_at dump, trace;
};

struct path_at {
	const char *path;
	struct position position;
};

enum want { WANT_NO, WANT_TRY, WANT_YES };

/* So many ids from `outer` on, which are `inner` and up in a new user namespace. */
struct id_range {
	uint32_t inner, outer, count;
	struct position position;
};
struct id_ranges {
	struct id_range *items;
	size_t n, capacity;
};

/* --unshare-*, --userns, --pidns, --uid, --hostname and their like. */
struct ns_plan {
	enum want unshare_user, unshare_cgroup;
	bool unshare_ipc, unshare_pid, unshare_net, unshare_uts, unshare_time;
	int64_t monotonic_offset_ns, boottime_offset_ns; /* to what the caller's clocks show */
	bool disable_userns, assert_userns_disabled;
	struct fd_at userns, userns2, pidns, netns, ipcns, utsns, cgroupns, timens;
	bool has_uid, has_gid;
	uid_t inner_uid;
	gid_t inner_gid;
	bool map_auto, keep_groups;
	struct id_ranges uid_map, gid_map;
	const char *hostname;
};

struct words_at {
	struct word_at *items;
	size_t n, capacity;
};

struct passage; /* plan/net-options.h */
struct published;
/* --tcp-out and its like, --net-pasta. */
struct net_plan {
	struct passage *passages;
	size_t n_passages, capacity_passages;
	bool pasta;
	struct words_at pasta_opts;
	struct published *published;
	size_t n_published, capacity_published;
};

/* The new root: the operations, in the order of the line. */
struct root_plan {
	struct op *ops;
	size_t n_ops, capacity_ops;
	bool tolerate_submounts; /* --not-a-security-boundary */
	bool glob_across_mounts;
	bool accidents_only; /* OP_MASK and OP_PROTECT: no user namespace for their sake */
	const char *file_label;
};

/* Of what fails before COMMAND runs: 1, or as env(1), timeout(1) and others tell it. */
enum exit_codes { EXIT_CODES_BWRAP, EXIT_CODES_ENV };
enum { EXIT_SETUP = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

enum { LISTEN_FDS_START = 3 }; /* sd_listen_fds(3) */

/* COMMAND and its surroundings. */
struct command_plan {
	char *const *argv; /* NULL-terminated, its words are the line's; NULL: there is none */
	unsigned argument; /* where it begins */
	const char *argv0, *chdir, *exec_label;
	struct env_op *env_ops;
	size_t n_env_ops, capacity_env_ops;
	struct cap_op *cap_ops;
	size_t n_cap_ops, capacity_cap_ops;
	bool new_session, die_with_parent, die_with_command, as_pid_1, close_fds, listen_fds,
		exit_signal, pty;
	struct fd_at die_with_fd;
	struct fds_at keep_fds;
	enum exit_codes exit_codes;
};

/* --seccomp and its like. */
struct filter_plan {
	struct seccomp_source *seccomp; /* in loading order */
	size_t n_seccomp, capacity_seccomp;
	struct policy policy; /* loaded behind them */
	bool no_tty_guard, allow_keys;
};

/* Each restricts its own kind alone; the last two have no list of exceptions. */
enum landlock_kind {
	LANDLOCK_CONNECT_TCP,
	LANDLOCK_BIND_TCP,
	LANDLOCK_CONNECT_UDP,
	LANDLOCK_BIND_UDP,
	LANDLOCK_CONNECT_UNIX,
	LANDLOCK_SCOPE_ABSTRACT,
	LANDLOCK_SCOPE_SIGNAL,
	N_LANDLOCK_KINDS
};
/* What stays allowed of a kind. */
struct landlock_rule {
	enum landlock_kind kind;
	uint16_t first_port, last_port;
	const char *path; /* LANDLOCK_CONNECT_UNIX */
	struct position position;
};

/* --connect-tcp and its like, --mdwe. */
struct landlock_plan {
	struct landlock_rule *rules;
	size_t n_rules, capacity_rules;
	bool may_be_missing, mdwe;
};

/* --rlimit, --limit, --timeout. */
struct limit_plan {
	struct rlimit_op *rlimits;
	size_t n_rlimits, capacity_rlimits;
	struct limit_op *limits;
	size_t n_limits, capacity_limits;
	const char *cgroup;    /* the control group to make ours in; NULL: the one we are in */
	int64_t timeout_ms;    /* 0: none */
	int64_t kill_after_ms; /* from SIGTERM to SIGKILL */
};

/* Descriptors and files for the caller. */
struct report_plan {
	struct path_at *lock_files;
	size_t n_lock_files, capacity_lock_files;
	struct fds_at sync; /* held as long as the sandbox lives */
	struct fd_at block, userns_block, info, json_status, pidfd_socket, denied;
};

struct plan {
	struct given_option *given; /* each once, as they stood first */
	size_t n_given, capacity_given;
	struct named_fd *fds;
	size_t n_fds, capacity_fds;

	struct ns_plan ns;
	struct net_plan net;
	struct root_plan root;
	struct command_plan command;
	struct filter_plan filter;
	struct landlock_plan landlock;
	struct limit_plan limit;
	struct report_plan report;

	/* to look, and not to run */
	struct {
		bool check, features;
		struct fd_at check_json, features_json;
	} look;
	bool rehearses; /* all but COMMAND, for whoever looks */

	/* how to talk */
	bool dry_run, verbose, level_prefix;
	const char **warnings;
	size_t n_warnings, capacity_warnings;
};

#endif
