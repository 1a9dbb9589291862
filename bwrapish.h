/* bwrapish.h - the words the rooms share: the plan, the run, and every room's doors.
 *
 * `outer_` is the host's, `inner_` the sandbox's; -1 is "no descriptor"; ret_ parameters are set on
 * success. Pure rooms (options.c, plan.c) return a problem; acting rooms succeed or die() with one
 * line.
 */
#ifndef BWRAPISH_H
#define BWRAPISH_H

#include "utils.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* ---- where on the line something stands ---- */
struct place {
	const char *option; /* as spelt, NULL for COMMAND */
	unsigned argument;  /* 1 is the first word after the program's name */
	unsigned args_word; /* within --args: 1 is its first word; 0: directly on the line */
};
/* Why a line cannot be used: one sentence, in arena memory; NULL is "no problem". */
typedef const char *problem;

/* ---- places.c ---- */

/* "--bind (argument 3)"; arena memory. */
const char *place_name(struct place place);
/* The sentence, with the place before it. */
problem problem_at(struct place place, const char *fmt, ...) PRINTF_LIKE(2, 3)
	__attribute__((returns_nonnull));

/* ---- the plan: all that was asked for; const once checked ---- */
enum propagation { PROPAGATION_DEFAULT, PROPAGATION_PRIVATE, PROPAGATION_SLAVE };

enum op_kind {
	OP_BIND,    /* outer_path or outer_fd shown at inner_path */
	OP_OVERLAY, /* layers merged at inner_path */
	OP_REMOUNT_RO,
	OP_TMPFS,
	OP_PROC,
	OP_DEV,
	OP_MQUEUE,
	OP_DIR,
	OP_FILE,    /* outer_fd copied to inner_path */
	OP_DATA,    /* outer_fd copied to a private file shown at inner_path */
	OP_SYMLINK, /* inner_path -> text */
	OP_CHMOD,
};

/* A directory of the host that takes part in an overlay. */
struct layer {
	const char *path;
	int fd; /* when path is NULL */
	struct place place;
};

struct fd_at {
	int fd; /* -1: not given */
	struct place place;
	bool is_shared; /* --sync-fd: another option names it, too */
};

struct fds_at {
	struct fd_at *items;
	size_t n, room;
};

struct word_at {
	const char *word;
	struct place place;
};

enum overlay_backend { OVERLAY_AUTO, OVERLAY_KERNEL, OVERLAY_FUSE };

struct overlay {
	struct layer *layers; /* bottom first */
	size_t n_layers, room_layers;
	bool writable;
	struct layer upper, work; /* path NULL: a tmpfs of our own, or nothing to write to */
	enum overlay_backend backend;
	struct place backend_place;
	struct word_at *options;
	size_t n_options, room_options;
	struct fd_at changes; /* where the list of what was changed goes */
};

struct op {
	enum op_kind kind;
	bool read_only;
	bool devices;      /* device nodes work */
	bool skip_missing; /* a source that does not exist is skipped */
	enum propagation propagation;
	int outer_fd;
	const char *outer_path;
	const char *inner_path;
	const char *link_target;
	mode_t mode;         /* what the made object gets; decided by the reader */
	mode_t parent_mode;  /* what missing parents get */
	uint64_t size_bytes; /* tmpfs; 0: the kernel's default */
	const struct overlay *overlay;
	struct place place;
};

enum env_action { ENV_CLEAR, ENV_SET, ENV_UNSET, ENV_KEEP };
struct env_op {
	enum env_action action;
	const char *name, *value;
};

struct cap_op {
	bool add;
	int cap; /* -1: all */
	struct place place;
};

struct rlimit_op {
	uint8_t resource; /* RLIMIT_* */
	struct rlimit limit;
	struct place place;
};

struct limit_op {
	const char *key;        /* the file's name in cgroup v2 */
	const char *controller; /* "" for the core's own */
	const char *value;      /* what is written there */
	uint64_t number;        /* the same as a number where it is one; UINT64_MAX: max */
	uint64_t period_us;     /* cpu.max */
	bool optional;          /* only a warning where it cannot be had */
	struct place place;
};

struct seccomp_source {
	struct fd_at at;
	const char *bytes; /* --add-seccomp-fd: read at once; NULL for --seccomp, read late */
	size_t length;
};

/* One call, or one call with one argument. Actions are as seccomp(2) encodes them. */
struct call_rule {
	const char *name;
	const char *word; /* the argument as it is written, "AF_NETLINK"; NULL: whatever the
			     arguments */
	int number; /* as libseccomp numbers it for the machine it runs on; negative for a call of
		       others */
	uint8_t index; /* of the argument, from 0 */
	uint32_t mask; /* the call is meant when (argument & mask) == value; 0: when argument >=
			  value */
	uint32_t value;
	uint32_t clear;  /* ... and none of these bits is in the argument after it */
	uint32_t action; /* 0: the policy's own */
	const char *why; /* of a profile's row */
};

struct rules {
	struct call_rule *items;
	size_t n, room;
};

struct profile;
#define POLICY_DEFAULT_ACTION 0x00050001u /* SECCOMP_RET_ERRNO with EPERM */
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
	struct place place;
};

enum want { WANT_NO, WANT_TRY, WANT_YES };

struct plan {
	struct place *seen; /* for each row of the option table where it stood last; argument 0:
			       nowhere */

	/* namespaces */
	enum want unshare_user, unshare_cgroup;
	bool unshare_ipc, unshare_pid, unshare_net, unshare_uts;
	bool disable_userns, assert_userns_disabled;
	struct fd_at userns, userns2, pidns;
	bool has_uid, has_gid;
	uid_t inner_uid;
	gid_t inner_gid;
	const char *hostname;

	/* the new root */
	struct op *ops;
	size_t n_ops, room_ops;
	bool tolerate_submounts; /* --not-a-security-boundary */
	const char *file_label;

	/* the command */
	char *const *command; /* NULL-terminated, its words are argv's */
	const char *argv0, *chdir, *exec_label;
	struct env_op *env_ops;
	size_t n_env_ops, room_env_ops;
	struct cap_op *cap_ops;
	size_t n_cap_ops, room_cap_ops;
	struct seccomp_source *seccomp; /* in loading order */
	size_t n_seccomp, room_seccomp;
	struct policy policy; /* loaded behind them */
	bool new_session, die_with_parent, as_pid_1, no_tty_guard, allow_keys, close_fds;
	struct fds_at keep_fds;

	/* limits */
	struct rlimit_op *rlimits;
	size_t n_rlimits, room_rlimits;
	struct limit_op *limits;
	size_t n_limits, room_limits;
	const char *cgroup;    /* the control group to make ours in; NULL: the one we are in */
	int64_t timeout_ms;    /* 0: none */
	int64_t kill_after_ms; /* from SIGTERM to SIGKILL */

	/* descriptors for the caller */
	struct path_at *lock_files;
	size_t n_lock_files, room_lock_files;
	struct fds_at sync; /* held as long as the sandbox lives */
	struct fd_at block, userns_block, info, json_status;

	int *superseded_fds; /* of options whose last one won: consumed all the same */
	size_t n_superseded_fds, room_superseded_fds;

	/* how to talk */
	bool dry_run, verbose, level_prefix;
	const char **warnings;
	size_t n_warnings, room_warnings;
};

/* What is true of the caller; read once on arrival, given to the pure rooms so that they need ask
 * nobody. */
struct caller {
	uid_t uid;
	gid_t gid;
	uint64_t permitted_caps; /* bit per capability number */
	bool may_mount;          /* CAP_SYS_ADMIN is effective */
	bool is_group_leader;    /* of its process group: setsid() would fail */
	pid_t parent;            /* at the very start; 0: in an outer pid namespace */
	const char *directory;   /* absolute, or NULL when it has no path */
};

/* ---- options.c: argv in, plan out; the only place where an option is spelt ---- */
enum reading { READ_PLAN, READ_HELP, READ_VERSION, READ_NOTHING };

/* How the reader reaches the world: tests and fuzzers put their own here. */
struct doors {
	bool (*fd_is_open)(int fd); /* by the caller, not as a placeholder of ours */
	/* Reads to EOF and closes; false with errno. */
	bool (*read_fd)(int fd, char **ret_bytes, size_t *ret_length);
};

/* Where the option named stood last on the line. */
struct place options_place(const struct plan *plan, const char *option);
/* Of those directly on the line; argument 0: there is none. */
struct place options_last(const struct plan *plan);
bool options_given(const struct plan *plan, const char *option);
/* COMMAND must not find it: the descriptor of an option that has another one now. */
void options_supersede_fd(struct plan *plan, int fd);

/* Reads argv[1..argc-1]. `plan` is filled as far as reading got, also when there is a problem
 * (level_prefix is needed to print it). */
problem options_read(int argc, char *const argv[], const struct doors *doors, struct plan *plan,
		     enum reading *ret_reading);
/* Arena memory. `program` is argv[0]. */
const char *options_help(const char *program);

enum option_group {
	GROUP_GENERAL,
	GROUP_NAMESPACES,
	GROUP_FILESYSTEM,
	GROUP_COMMAND,
	GROUP_SECURITY,
	GROUP_LIMITS,
	GROUP_DESCRIPTORS,
	N_OPTION_GROUPS
};
struct option_row {
	/* Not pointers: each would have to be relocated at every start. */
	char name[28];  /* "--bind" */
	char words[32]; /* "SRC DEST"; "" for none. The words tell arity and completion. */
	enum option_group group;
	char help[96];
	int handler;   /* this and the rest is options.c's own */
	size_t target; /* the field of struct plan it fills */
	int value;
};
extern const struct option_row option_rows[];
extern const size_t n_option_rows;
extern const char *const option_group_titles[N_OPTION_GROUPS];

/* ---- limits.c, its pure part ---- */

/* The words of --rlimit, "nofile" and "SOFT[:HARD]"; what is wrong, without the place. */
problem limits_read_rlimit(const char *name, const char *values, struct rlimit_op *op);
/* The words of --limit. */
problem limits_read_limit(const char *key, const char *value, struct limit_op *op);
const char *limits_resource_name(int resource);
const char *limits_rlim_words(rlim_t value); /* arena memory or static */

/* ---- capabilities.c, its pure part ---- */

/* "CAP_SYS_ADMIN" in any case, or ALL (-1). */
bool caps_from_name(const char *word, int *ret_cap);
const char *caps_name(int cap); /* arena memory */
int caps_last(void);            /* the highest capability number the kernel has */

/* ---- policy.c, the part that reads and tells; policy.h has the rest ---- */
enum rule_use { USE_DENY, USE_ALLOW };
/* Reads a LIST as --seccomp-deny and --seccomp-allow take it, behind what is there. */
problem policy_read_list(struct place place, const char *list, enum rule_use use,
			 struct rules *rules);
problem policy_read_action(struct place place, const char *word, uint32_t *ret_action);
problem policy_read_profile(struct place place, const char *word,
			    const struct profile **ret_profile);
/* Anything beside the caller's own programs. */
bool policy_is_given(const struct policy *policy);
/* Lines of --dry-run, each handed to `line`. */
void policy_explain(const struct plan *plan, void (*line)(struct text *, const char *),
		    struct text *text);

/* ---- plan.c: what makes a plan sound; how it is told ---- */
enum topology {
	RUN_ALONE,      /* bwrapish becomes COMMAND */
	RUN_SUPERVISED, /* a supervisor outside; its child becomes COMMAND */
	RUN_WITH_INIT,  /* a supervisor outside, a reaper inside, COMMAND */
};

/* What follows from a plan and its caller; derived once, never asked for twice. */
struct shape {
	enum topology topology;
	const char *topology_reason;  /* the option that wants it, or NULL */
	bool user_namespace;          /* a new one is made */
	bool user_namespace_optional; /* --unshare-user-try, and the caller may do without */
	bool pid_namespace;           /* a new one is made */
	bool new_proc;         /* --proc mounts a procfs: the pid namespace is new or joined */
	bool inner_level;      /* COMMAND gets a second user namespace */
	bool inner_required;   /* ... without which the run must not go on */
	uint64_t caps;         /* what COMMAND keeps or is given, a bit for each */
	uint64_t ambient_caps; /* those of them that were given */
	uid_t inner_uid;
	gid_t inner_gid;
	unsigned long
		namespaces; /* CLONE_NEW* made with the first level, the user namespace included */
	unsigned long inner_namespaces; /* CLONE_NEW* made with the second level */
	bool dies_with_supervisor;      /* --die-with-parent, and what ends with COMMAND */
	bool ends_with_command; /* what COMMAND leaves behind is killed, and all of it if the
				   supervisor dies */
	bool has_guard; /* a process more ends the pid namespace where the supervisor cannot: as pid 1
			   COMMAND would have to, and programs of the caller's may keep pid 1 from
			   it */
	bool info_late; /* --info-fd can only be answered once the second level exists */
};
struct shape plan_shape(const struct plan *plan, const struct caller *caller);
/* Whether the first operation covers the whole new root, which then needs no tmpfs below it. */
bool plan_first_op_is_root(const struct plan *plan);
problem plan_check(const struct plan *plan, const struct caller *caller);
/* The stages of a run that can be told; what --verbose says when one begins is what --dry-run says
 * of it. */
enum stage {
	STAGE_SPLIT,
	STAGE_BECOME,
	STAGE_PIN,
	STAGE_MOVE_IN,
	STAGE_BUILD,
	STAGE_LOCK,
	STAGE_PREPARE,
	STAGE_GO
};
void plan_explain_stage(const struct plan *plan, const struct shape *shape,
			const struct caller *caller, enum stage stage, struct text *text);
/* All stages: the text of --dry-run. */
void plan_explain(const struct plan *plan, const struct caller *caller, struct text *text);
/* One operation in words, as --dry-run and --verbose tell it; arena memory. */
const char *plan_op_words(const struct op *op, const struct shape *shape);
/* The earlier operation that made the place of `op` read-only, by the words of the plan; NULL: none. */
const struct op *plan_who_made_read_only(const struct plan *plan, const struct op *op);
/* How what the operation protects or hides can be had back, because it lies in a writable bind; NULL: it
 * does not. Arena memory. */
const char *plan_op_risk(const struct plan *plan, const struct op *op);

/* ---- what is true so far, per process ---- */
struct pin;
struct cgroups;
struct late_program;
struct composed;

enum ns_kind { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, N_NS_KINDS };

struct root {
	int fd;            /* O_PATH of the new root directory; -1 before it is entered */
	uint64_t mount_id; /* of its mount, as statx(2) tells it */
};

struct run {
	const struct plan *plan;
	const struct caller *caller;
	struct shape shape;
	char **argv, **envp;         /* as the kernel laid them out */
	int proc_fd;                 /* O_PATH of the host's /proc */
	uint64_t ns_ids[N_NS_KINDS]; /* of the namespaces we are in, as far as somebody asked */
	uint64_t outer_mount_id;     /* of / where we were before new namespaces */
	int monitor_fd;              /* our end of the supervisor's socket; -1 when there is none */
	bool supervisor_is_ready;    /* it has said so: MESSAGE_READY */
	mode_t umask;
	sigset_t signal_mask; /* the caller's; COMMAND gets it back */
	int *inherited_fds;   /* open above 2 on arrival and consumed by no option; ascending */
	size_t n_inherited_fds;
	bool inherited_known; /* false without a /proc to look in */
	bool has_tty;         /* that COMMAND could type into, and nobody allowed it */
	bool guarded;         /* filters_load_guards() has done its work */
	int parent_pidfd; /* pid 1's, to end the sandbox with --die-with-parent; -1: others do */
	int64_t last_resort_ms; /* when pid 1 ends the sandbox itself, CLOCK_MONOTONIC; 0: never */
	struct rlimit nofile;   /* the caller's; COMMAND gets it back */
	bool nofile_raised;
	bool in_chroot; /* / is not the mount namespace's, and what is there is the host's */
	struct root root;
	struct path_guard *guard;          /* NULL: no two trees that a link could lead between */
	struct cgroups *cgroups;           /* the supervisor's; NULL: none were made */
	struct pin *pins;                  /* one for each operation */
	struct late_program *late_program; /* what --seccomp held, shared with children */
	struct composed *composed;         /* what the --seccomp-* options come to; NULL: nothing */
	char **environment;                /* COMMAND's, once made */
};

/* ---- run.c ---- */

/* --verbose: what --dry-run says of the stage, on stderr; otherwise nothing. */
void run_tell_stage(const struct run *run, enum stage stage);
/* Ends this process since another one of setup's has ended, with this status of wait(2), and COMMAND
 * has not been started: with 128 + the signal that ended it or the one that it waited for, which
 * callers read to tell a filter around us (SIGSYS) from what failed; otherwise with 1. */
_Noreturn void run_end_with_setup(int status);
/* Closes what an option consumed, but for 0 to 2, which are close-on-exec. */
void close_consumed(int fd);
/* --verbose: one line on stderr; otherwise nothing, and the words are not even made. */
#define run_tell(run, ...) ((run)->plan->verbose ? say_note(__VA_ARGS__) : (void) 0)
/* The path of a program that a run may need beside COMMAND, never looked for in the caller's PATH;
 * arena memory. NULL when it is not installed. */
const char *run_find_program(const char *name);

/* ---- namespaces.c: making, joining, id maps, closing further user namespaces ---- */

/* A new process in the first level's namespaces (joined or made). Returns 0 in it, its pid in the
 * caller, which gets the other end of run->monitor_fd in ret_socket. */
pid_t ns_split(struct run *run, int *ret_socket);
/* The same without a new process. */
void ns_enter_in_place(struct run *run);
/* In the process that has entered: verifies that it has, writes the id maps unless the caller does,
 * brings up what a new namespace needs (ids, host name, loopback). */
void ns_become(struct run *run);
/* Makes the root of our mount namespace our / and directory, which in a chroot they are not. */
void ns_stand_on_root(const struct run *run);
/* Remembers where we are, so that leaving can be verified. */
void ns_remember(struct run *run);
/* Reads run->ns_ids of the sandbox's namespaces, for a report. */
void ns_learn_ids(struct run *run);
/* COMMAND's second user namespace, or --userns2; false where a level that was not required cannot
 * be had. */
bool ns_enter_inner(struct run *run);
/* Starts a process in a second level of its caller's only id, which runs `live` in the caller's own
 * memory, on a stack of its own; the caller sleeps until it has executed a program or ended
 * (vfork(2)). Returns its pid, or -1 with errno. No file descriptor is shared. */
pid_t ns_start_inner(struct run *run, void (*live)(struct run *run));
/* Dies where --disable-userns or --assert-userns-disabled was given and one more can be made. */
void ns_assert_userns_disabled(const struct run *run);
/* Whether /proc is that of the pid namespace that we are in: then numbers there are ours, too. */
bool ns_has_own_proc(const struct run *run);
/* The number that the process behind pidfd has in this /proc, or -1. */
pid_t ns_pid_in_proc(const struct run *run, int pidfd);
/* One process joins the namespaces that another has made with its second level, which hands them
 * over: by its pid that would take the right to look at it. */
void ns_lead(const struct run *run, int socket);
void ns_follow(const struct run *run, int socket);
/* "child-pid" and the namespaces that are new (run->ns_ids), as members of a JSON object with `gap`
 * before each but the first. */
void ns_describe(const struct run *run, pid_t pid, const char *gap, struct text *text);

/* ---- paths.c: one path inside the new root, found or made, never leaving it ---- */

/* Opens what `path` leads to as seen from root_fd: absolute links and ".." end at the root, magic
 * links are refused (ELOOP). `flags` as in open(2), O_CLOEXEC implied. -1 and errno. */
int path_open(int root_fd, const char *path, int flags);
/* Which operation's tree a mount of the new root belongs to. */
enum { PATH_NO_TREE = -1 };
struct path_mount {
	uint64_t id; /* as statx(2) tells it */
	int tree;
	bool has_links; /* that an earlier COMMAND may have left */
	bool has_worth; /* what is changed in it is changed on the host */
	bool in_reach;  /* the walk's: it has passed a directory that COMMAND can change */
};
struct path_link {
	const char *name; /* the way to it; arena memory. NULL: none */
	int tree;
};
/* What stat(2) shows for an id without a number: user_namespaces(7). */
enum { OVERFLOW_UID = 65534 };
/* What has to be known to change something at the end of a path: a link in one tree may be another's
 * trap, and does not lead into a second one. */
struct path_guard {
	struct path_mount *mounts; /* each that an operation attached */
	size_t n_mounts, room_mounts;
	const char **sources; /* where on the host each operation's tree is; NULL: not known */
	bool owners_tell;     /* who has OVERFLOW_UID is nobody that COMMAND can be */
	/* What the last look-up met: the first link that lies in a tree that can be written to, or, with
	 * EXDEV, one that led into another. */
	struct path_link link;
	int led_into; /* PATH_NO_TREE without */
};
/* As path_open(), for a place that is to be changed: EXDEV, and the guard tells why, where a link
 * leads from one tree into another. Without a guard it is path_open(). */
int path_open_to_change(int root_fd, const char *path, int flags, struct path_guard *guard);
/* Whether, by its words alone, `path` is `top` or lies below it. */
bool path_is_within(const char *path, const char *top);
/* The last component (arena memory; "." for the root itself), and the length of what is before it. */
size_t path_split(const char *path, const char **ret_name);
/* Opens the directory that holds the last component, to change it, making missing ones with `mode`, and
 * tells the last name as path_split() does. -1 and errno; EEXIST: a link that leads nowhere is in the way;
 * EXDEV as above. */
int path_open_parent(int root_fd, const char *path, mode_t mode, struct path_guard *guard,
		     const char **ret_name);
/* Tests choose the engine; otherwise the first call finds out. */
enum path_engine { PATH_ENGINE_UNKNOWN, PATH_ENGINE_OPENAT2, PATH_ENGINE_WALK };
extern enum path_engine path_engine;

/* ---- newroot.c: the new /, everything made or mounted in it, and moving in ---- */

/* Takes every source as a detached clone, while the host can be seen. */
void newroot_pin(struct run *run);
/* Makes / and moves in: from here on the host is gone. */
void newroot_enter(struct run *run);
/* A detached tmpfs; size 0: the kernel's default. `place` begins the message it dies with. */
int newroot_make_tmpfs(struct place place, mode_t mode, uint64_t size_bytes);
/* Arena memory. Callers of bubblewrap look for these words and the path in one of two forms, that of
 * before 0.12 and that of since then, when a procfs is the trouble. */
const char *newroot_no_proc_words(const struct op *op);
/* What is mounted topmost on / of where we are. */
uint64_t newroot_topmost_mount_id(void);
/* Carries out the operations in order. */
void newroot_build(struct run *run);
/* Why the last look-up ended with EXDEV. */
const char *newroot_link_words(const struct run *run);

/* ---- bind-mount.c: one host path or descriptor, shown at one place with the right flags ---- */

/* A detached clone with its flags set on all of it; -1 when the source does not exist and may be
 * missing. */
int bind_pin(const struct run *run, const struct op *op);
/* One clone of the host's `path`, without submounts: for device nodes. */
int bind_pin_one(const char *path, bool read_only);
/* Sets `op`'s flags on a clone, submounts included. */
void bind_set_flags(const struct run *run, const struct op *op, int mount_fd);
/* Attaches a detached mount on what `name` is in the directory at_fd, a link not followed; "": on what
 * at_fd refers to. */
void bind_attach(const struct op *op, int mount_fd, int at_fd, const char *name);

/* The path that /proc shows for a descriptor; dies when it is no file or directory. */
const char *bind_shown_path(const struct run *run, struct place place, int fd);
/* A clone of what fd refers to and all mounts below, read-only and private; -1 and errno. */
int bind_clone_read_only(int fd);

/* ---- overlay.c: layers, the kernel's overlay and fuse-overlayfs ---- */

/* What cannot be right about an overlay, whatever the kernel; pure. */
problem overlay_check(const struct op *op);
/* In words; arena memory, pure. */
const char *overlay_words(const struct op *op);
/* Whether a process outside may have to be started for some overlay of the plan; pure. */
bool overlay_may_need_helper(const struct plan *plan);
/* Whether some overlay's changes are to be listed; pure. */
bool overlay_lists_changes(const struct plan *plan);

struct overlay_part; /* a mount that belongs on a submount of an overlay's layers */
/* Merges the layers, while the host can be seen. Returns the detached mount. */
int overlay_pin(struct run *run, const struct op *op, struct overlay_part **ret_parts);
/* Attaches the parts below the overlay, which is attached at its destination. */
void overlay_attach_parts(const struct run *run, const struct op *op, struct overlay_part *parts);

/* A mount below a directory, as /proc/self/mountinfo tells it. */
struct submount {
	int dir_fd;
	const char *path; /* relative to the directory */
	const char *type;
	bool can_be_layer; /* false for procfs and its like, whose files mean something else to each
			      reader */
};
/* The mounts below the directories that can be seen, parents first, sorted by path; arena memory.
 */
struct submount *overlay_find_submounts(const struct run *run, const int *dir_fds, size_t n_dirs,
					size_t *ret_n);

/* ---- overlay-helper.c: fuse-overlayfs, and the process that lists changes ---- */

/* A detached mount, and the upper and the work directory in it; all -1: nothing can be written. */
struct overlay_writable {
	int mount_fd, upper_fd, work_fd;
};
/* A detached FUSE mount that fuse-overlayfs serves, with these MOUNT_ATTR_* beside nosuid and nodev;
 * `layers` top first. Closes what is in `writable`. -1 and a sentence. */
int overlay_fuse_mount(struct run *run, const struct op *op, const int *layers, size_t n_layers,
		       struct overlay_writable *writable, unsigned attributes, bool squash,
		       const char **ret_why);
/* In setup: something is about to be mounted on dest_fd, which is on the mount of this id. Where that is
 * a FUSE mount of ours, remembers to cover the place in the layers, else warns where it is FUSE. */
void overlay_note_mount(const struct run *run, const struct op *op, int dest_fd, uint64_t mount_id);
/* Covers those places, before COMMAND starts. */
void overlay_cover_mounted(void);
/* Who notes what was removed or renamed, and so in which words: the kernel's overlay in trusted.* or
 * (userxattr) user.* attributes, or fuse-overlayfs. */
enum overlay_marks { MARKS_TRUSTED, MARKS_USER, MARKS_FUSE };
/* Starts the process that will list the changes. */
void overlay_watch_changes(struct run *run, const struct op *op, enum overlay_marks marks,
			   const int *layers, size_t n_layers, int upper_fd);
/* All overlays are pinned: the supervisor, if it waits for that, drops what it kept to start
 * helpers. */
void overlay_pinned(const struct run *run);
/* The supervisor's side: starts what `socket` asks for and takes `socket` over. `child` is in the
 * sandbox's user namespace. */
void overlay_start_helper(struct run *run, pid_t child, int socket, bool reads_changes);
/* Those that the supervisor has to keep open; arena memory. */
int *overlay_helper_fds(size_t *ret_n);
/* After everything in the sandbox has ended: waits for fuse-overlayfs to have written everything. It
 * may be still there afterwards. wait() waits for a while for a child's end; false: there is no more
 * time. */
void overlay_wait_for_fuse(bool (*wait)(void));
/* Then: has the changes listed. False when a list is not whole; then somebody has said why. */
bool overlay_list_changes(bool (*wait)(void));
/* Whether pid is a helper, which ends by itself. */
bool overlay_is_helper(pid_t pid);
/* A child's status was taken: if it is a helper, its number names it no longer. */
void overlay_note_end(pid_t pid, int status);
/* Without a pid namespace COMMAND can stop a helper, and who waits for an answer of
 * fuse-overlayfs's cannot be killed: the helpers go on; `kill`: fuse-overlayfs ends, which answers
 * all. */
void overlay_urge_helpers(bool kill);

/* ---- overlay-changes.c ---- */

/* Before COMMAND starts: remembers what the overlay's top is like. */
void overlay_changes_begin(const struct op *op, enum overlay_marks marks, int upper_fd);
/* Writes one JSON line for each path below `inner_path` that the upper directory holds or hides, and a
 * last one that says that these are all. `lowers` are the layers, top first. Dies when something
 * cannot be read or written. */
void overlay_changes_write(const struct op *op, enum overlay_marks marks, int upper_fd,
			   const int *lowers, size_t n_lowers);

/* ---- network.c ---- */
void network_loopback_up(void);

/* ---- capabilities.c ---- */
void caps_of_process(uint64_t *ret_permitted, uint64_t *ret_effective, uint64_t *ret_ambient);
/* Leaves exactly `keep` permitted and effective and nothing beyond it in the bounding set, and
 * exactly `ambient` (part of it) inheritable and ambient; reads all five sets back. */
void caps_keep(uint64_t keep, uint64_t ambient);
/* Leaves nothing beyond `keep` in the bounding set; needs CAP_SETPCAP for what is still there. */
void caps_drop_bounding(uint64_t keep);
/* Gives up every capability of one of our own processes. */
void caps_drop_all(void);
/* Those of `keep` have to be permitted. */
void caps_drop_all_but(uint64_t keep);
/* Makes what a change of uid took effective again. */
void caps_raise_permitted(void);

/* ---- seccomp.c; its prefix is filters_, for libseccomp has taken the other ---- */

/* Composes what the --seccomp-* options said and writes --seccomp-dump; before any split. */
void filters_compose(struct run *run);
/* Makes room for --seccomp's program that children made later share. */
void filters_prepare(struct run *run);
/* Reads --seccomp's program. */
void filters_read(struct run *run);
/* Why these bytes are no program; NULL when they may be one. */
problem filters_check(struct place place, const char *bytes, size_t length);
/* Whether anything is to be loaded beside the guards. */
bool filters_are_asked_for(const struct run *run);
/* Loads the guards of keys and terminal, for this process and its children, unless they are loaded
 * already or come as part of what filters_load() loads. Setup goes on as before. */
void filters_load_guards(struct run *run);
/* Loads the guards, the caller's programs, and what the lists and profiles come to. After this
 * only write, exit and, for COMMAND, exec are sure; for pid 1 also waiting. */
enum filtered { FILTER_COMMAND, FILTER_INIT };
void filters_load(struct run *run, enum filtered whom);

/* ---- trace.c: --seccomp-trace ---- */
struct sock_filter;

/* In COMMAND's process, the last thing but exec: loads a program that notifies, and hands its
 * listener to the supervisor. */
void trace_load(const struct run *run, const struct sock_filter *code, size_t n);
/* In the supervisor: a call waits at the listener; it is noted and let through. */
void trace_hear(const struct run *run, int listener);
/* Writes the last line. */
void trace_finish(const struct run *run);

/* ---- limits.c ---- */
/* What was used; -1 is "not known". */
struct usage {
	int64_t memory_peak_bytes, oom_kills, throttled; /* of a group */
	int64_t max_rss_bytes;                           /* of the largest process */
	int64_t cpu_us;
};
/* --rlimit, in the process that becomes COMMAND. */
void limits_apply_rlimits(const struct plan *plan);
/* Of the group; where that does not count something, of the processes that were waited for. */
void limits_read_usage(const struct run *run, struct usage *usage);
/* What to add to the error of a fork(2) or mkdir(2) in the sandbox's groups; "" when no limit of ours
 * explains it. */
const char *limits_cause(const struct plan *plan, int error);
/* Where on the line a key is limited, in words; NULL: nowhere. */
const char *limits_place(const struct plan *plan, const char *key);

/* ---- descendants.c: what COMMAND leaves behind ---- */

/* Ends every process below this one, which has to be a child subreaper: then also those that left
 * their session, their process group or their parent. Returns when all are gone but children that
 * are spared: 0; or, when patience is over, one that is not. proc_fd: the /proc of our own pid
 * namespace. reap() takes the status of any child that has ended, or waits for a while for one: its
 * pid; 0: none; -1: there are no children. */
pid_t descendants_kill(int proc_fd, bool (*is_spared)(pid_t pid), pid_t (*reap)(bool wait));
/* What was killed ends by itself, but not before what it waits for in the kernel comes: a file system
 * that does not answer, for instance. It never runs again, so that nobody need wait for ever. */
enum { DESCENDANTS_PATIENCE_MS = 30000 };
/* Before the split: whatever descends from this process already is the caller's (a shell's background
 * jobs, when the shell has become us by exec) and never killed by the above, nor is what they leave
 * behind later. */
void descendants_spare(int proc_fd);

/* ---- cgroups.c: the control groups that hold exactly the sandbox ---- */

/* Makes the groups and sets the limits, for --limit, --limit-try and --cgroup. */
void cgroups_make(struct run *run);
/* For clone3(2) with CLONE_INTO_CGROUP; -1 where there is no group to be born in. */
int cgroups_birth_fd(const struct run *run);
/* Dies of what clone3(2) said where the group is the reason. */
void cgroups_check_birth(const struct run *run, int error);
/* Moves a process that waits for it into the groups it was not born in. */
void cgroups_enter(const struct run *run, pid_t pid, bool was_born_in);
/* Whether a process that was or was not born in the group has to be moved. */
bool cgroups_must_enter(const struct run *run, bool was_born_in);
/* In the sandbox: forgets what is the supervisor's. */
void cgroups_leave_to_supervisor(struct run *run);
/* Whether a directory in which they are is not the caller's to write to, so that removing them takes
 * root's privilege. */
bool cgroups_are_in_closed(const struct run *run);
/* Appends the descriptors that the supervisor needs; there is room for CGROUPS_MOST_FDS. */
enum { CGROUPS_MOST_FDS = 28 };
size_t cgroups_fds(const struct run *run, int *fds);
/* Removes, with what is in them, the groups beside ours that supervisors left who were killed. */
void cgroups_sweep(const struct run *run);
/* Puts this process, which works for COMMAND, where the same limits count it and only
 * cgroups_remove() ends it. */
void cgroups_enter_as_helper(const struct run *run);
/* Kills all that is in the groups but helpers, and returns when nothing is; calls meanwhile() as long
 * as it waits. */
void cgroups_kill_command(const struct run *run, void (*meanwhile)(void));
void cgroups_read_usage(const struct run *run, struct usage *usage);
/* Kills what is left in the groups, helpers too, and removes them. */
void cgroups_remove(struct run *run);

/* ---- scope.c: a control group from systemd ---- */

/* Has the user's systemd move this process into a scope of its own, with a group that the user may
 * write to. NULL, or why that was not possible. */
problem scope_enter(const struct run *run);

/* ---- command.c: environment, directory, session, exec ---- */

/* A session keyring of the sandbox's own, unless the caller's is to be kept. */
void command_new_keyring(const struct run *run);
/* COMMAND's environment, without PWD. */
void command_make_environment(struct run *run);
/* Copies every word of the caller's that is still needed, so that the caller's own can be scrubbed. */
void command_keep_words(struct run *run);
/* Waits for --block-fd. */
void command_wait(const struct run *run);
/* Dies unless this system has SELinux; while the host can be seen. */
void command_check_labels(const struct plan *plan);
/* The label of what this process creates or executes next: "fscreate" or "exec". */
void command_set_label(const struct run *run, const char *attribute, const char *option,
		       const char *label);
/* Everything between the finished root and the filters. */
void command_prepare(struct run *run);
/* Filters and exec. */
_Noreturn void command_go(struct run *run);

/* ---- init.c: pid 1 inside ---- */

/* Splits COMMAND off: returns in COMMAND's process, once pid 1 is ready. */
void init_split(struct run *run);

/* ---- signals.c: what comes to the supervisor ---- */
struct signalfd_siginfo;

/* Blocks all that it hears of, for itself and the children it will have. */
void signals_block(const struct plan *plan);
/* In the sandbox: closes the descriptor. */
void signals_leave_to_supervisor(void);
int signals_fd(void); /* readable when one has come */
/* Takes the next that has come; false: there is none. */
bool signals_next(struct signalfd_siginfo *ret_info);
/* Takes all that have come: the last of those that end us, or 0. */
int signals_take(void);
/* Whether one that ends us has come; it is not taken. */
bool signals_ask_for_the_end(void);
/* What a signal does to a process that has not arranged for it, and to us, where it is not COMMAND's. */
bool signals_end_us(int number);
bool signals_stop_us(int number);
/* Does what one that stops would have done had it not been taken. */
void signals_stop(int number);
/* Has the kernel continue this process then (CLOCK_MONOTONIC), whoever has stopped it, and once more every so
 * often if that is not 0. False with errno: EAGAIN where too many signals wait for processes of this user. */
bool signals_wake_at(int64_t time_ms, int64_t then_every_ms);
/* Whether one that has come to us has come to pid 1 as well, which has the number pid_1 in /proc, and so to
 * all of the group that was meant: told of the first of each kind, and of what its sender sends to us at
 * the same time. */
bool signals_went_to_group(const struct run *run, pid_t pid_1, const struct signalfd_siginfo *info);
/* One of this kind has gone to the whole group. */
void signals_note_group(int number);

/* ---- monitor.c: the process outside ---- */

/* Before the split: takes the parent's pidfd and blocks the signals to forward. */
void monitor_prepare(struct run *run);
/* In the sandbox: closes what is the supervisor's, but the parent's pidfd where pid 1 needs it. */
void monitor_leave_to_supervisor(struct run *run);
/* The supervisor's life; ends the process with COMMAND's status. */
_Noreturn void monitor_run(struct run *run, pid_t child, int socket);
/* In the supervisor, before its life begins: returns when the descriptor can be read, or after `ms` if
 * that is not negative. Ends the run when its time is up, the parent is gone or a signal says so. */
void monitor_await(const struct run *run, int fd, int ms);
/* Inside: has --info-fd and the first line of --json-status-fd written, by the supervisor where
 * there is one, and returns when they are; with --userns-block-fd when the caller has written the
 * id maps. */
void monitor_tell_namespaces(struct run *run);
/* Inside: returns when the supervisor, if there is one, has no more privilege and no more descriptors
 * than it needs; before that no COMMAND may run. */
void monitor_await_ready(struct run *run);

/* ---- sync.c: the messages between them ---- */
enum message_kind {
	MESSAGE_CHILD = 1,  /* with a pidfd: the process that stands in for the sender */
	MESSAGE_GO,         /* the other side may go on */
	MESSAGE_NAMESPACES, /* with ns_ids: the sandbox's namespaces exist; value: in a second level
			     */
	MESSAGE_STARTING,   /* the next step is exec; with a pidfd: where signals go */
	MESSAGE_NOT_STARTED, /* it failed */
	MESSAGE_ENDED,       /* value: COMMAND's wait status */
	MESSAGE_ALL_ENDED,   /* the same, and there is nobody else: the reaper ends, too */
	MESSAGE_LISTENER,    /* with a descriptor: where --seccomp-trace's calls wait */
	MESSAGE_HELPER,      /* with a socket: start a helper, which is told there what to do */
	MESSAGE_FD,          /* to a helper: one more descriptor */
	MESSAGE_PINNED,      /* no more helpers will be asked for */
	MESSAGE_READY,       /* the supervisor has given up what it does not need */
};
struct message {
	uint32_t kind;
	int32_t value;
	uint64_t ns_ids[N_NS_KINDS];
};
/* Both ends are close-on-exec. */
void sync_make_pair(int ret_ends[2]);
/* They die when the other side is gone, but for the one named try. */
void sync_send(int socket, enum message_kind kind, int value);
void sync_send_fd(int socket, enum message_kind kind, int value, int attached_fd);
/* A letter lies ready at an address that is known beforehand; sending it is one sendmsg(2) with
 * that address. */
struct fd_letter {
	struct message message;
	struct iovec part;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr envelope;
};
void sync_write_letter(struct fd_letter *letter, enum message_kind kind);
const void *sync_letter_address(const struct fd_letter *letter);
void sync_send_letter(int socket, struct fd_letter *letter, int attached_fd);
void sync_send_namespaces(int socket, int value, const struct run *run);
bool sync_try_send(int socket, enum message_kind kind, int value);
/* To setup, which waits for it: dies unless it is sent or there is nobody any more, which whoever
 * waits for the process notices. */
void sync_let_go_on(int socket, enum message_kind kind);
/* 1: a message; 0: the other side is gone; -1: none now (only with `wait` false). ret_fd may be
 * NULL. */
int sync_receive(int socket, bool wait, struct message *ret_message, int *ret_fd);

/* ---- diagnose.c: the cause behind an errno; arena memory, "" when there is nothing to add ---- */
const char *diagnose_new_namespace(const struct run *run, unsigned long flags, int error);
const char *diagnose_id_map(const struct run *run, int error);
const char *diagnose_mount_api(int error);
const char *diagnose_proc_mount(int error);
const char *diagnose_exec(const char *command, const char *path_list, int error);

#endif
