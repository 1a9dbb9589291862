/* options.c - argv in, plan out. The table below is the only place where an option is spelt;
 * --help, the completions, the man page's headings and the tests are made from it or checked
 * against it.
 *
 * This room is pure: it asks the world nothing but through struct doors (is a descriptor open; read
 * the words behind --args), returns problems instead of ending the process, and changes nothing but
 * the plan.
 */
#include "plan/options.h"

#include "plan/filter-options.h"
#include "plan/limit-options.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/position.h"
#include "sys/capabilities.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum handler {
	H_HELP,
	H_VERSION,
	H_ARGS,
	H_FLAG,        /* bool at target */
	H_UNSHARE_TRY, /* enum want at target */
	H_UNSHARE,
	H_UNSHARE_ALL,
	H_SHARE_NET,
	H_FD,           /* struct fd_at at target; the last one wins; value: enum fd_use */
	H_SECCOMP,      /* value: 1 for the repeatable form */
	H_SECCOMP_LIST, /* value: enum rule_use */
	H_SECCOMP_ERRNO,
	H_SECCOMP_PROFILE,
	H_FDS,  /* struct fds_at at target: all of them; value: enum fd_use */
	H_ID,   /* uid_t at target */
	H_WORD, /* const char * at target; the last one wins */
	H_ARGV0,
	H_LOCK_FILE,
	H_ENV, /* value: enum env_action */
	H_CAP, /* value: 1 to add */
	H_RLIMIT,
	H_LIMIT,   /* value: 1 for the form that only warns */
	H_SECONDS, /* int64_t, milliseconds, at target; value: 1 where 0 is one */
	H_PERMS,
	H_SIZE,
	H_PROPAGATION,
	H_LAYER,        /* value: 1 when it is a descriptor */
	H_OVERLAY_WORD, /* of the next overlay; value: enum overlay_word */
	H_OP,           /* value: enum op_form */
};

/* What becomes of a descriptor, and so whether two options may name the same. */
enum fd_use {
	USE_OWN,     /* written to, read, or passed on: good for one option */
	USE_SHOWN,   /* stands for a file, a directory or a namespace, and stays as it is */
	USE_COPIED,  /* read once, for all that want a copy */
	USE_WAITED,  /* read a byte at a time */
	USE_HELD,    /* kept open, whoever else uses it */
	USE_PASSED,  /* COMMAND gets it */
	USE_DRAINED, /* read to its end and closed before the next option is looked at */
	N_FD_USES
};

enum overlay_word { OVERLAY_WORD_BACKEND, OVERLAY_WORD_OPTION, OVERLAY_WORD_CHANGES };

/* The forms of the operations: one row for each option that makes one. */
enum op_form {
	FORM_BIND,
	FORM_BIND_TRY,
	FORM_DEV_BIND,
	FORM_DEV_BIND_TRY,
	FORM_RO_BIND,
	FORM_RO_BIND_TRY,
	FORM_BIND_FD,
	FORM_RO_BIND_FD,
	FORM_REMOUNT_RO,
	FORM_TMPFS,
	FORM_PROC,
	FORM_DEV,
	FORM_MQUEUE,
	FORM_DIR,
	FORM_FILE,
	FORM_BIND_DATA,
	FORM_RO_BIND_DATA,
	FORM_SYMLINK,
	FORM_CHMOD,
	FORM_OVERLAY,
	FORM_TMP_OVERLAY,
	FORM_RO_OVERLAY,
};

static const struct {
	enum op_kind kind;
	bool read_only, devices, skip_missing, takes_perms, takes_size, takes_propagation;
	mode_t mode; /* what is made when --perms says nothing; its bits also trim the parents' 0755
		      */
} op_forms[] = {
	[FORM_BIND] = { .kind = OP_BIND, .takes_propagation = true },
	[FORM_BIND_TRY] = { .kind = OP_BIND, .skip_missing = true, .takes_propagation = true },
	[FORM_DEV_BIND] = { .kind = OP_BIND, .devices = true, .takes_propagation = true },
	[FORM_DEV_BIND_TRY] = { .kind = OP_BIND,
				.devices = true,
				.skip_missing = true,
				.takes_propagation = true },
	[FORM_RO_BIND] = { .kind = OP_BIND, .read_only = true, .takes_propagation = true },
	[FORM_RO_BIND_TRY] = { .kind = OP_BIND,
			       .read_only = true,
			       .skip_missing = true,
			       .takes_propagation = true },
	[FORM_BIND_FD] = { .kind = OP_BIND, .takes_propagation = true },
	[FORM_RO_BIND_FD] = { .kind = OP_BIND, .read_only = true, .takes_propagation = true },
	[FORM_REMOUNT_RO] = { .kind = OP_REMOUNT_RO },
	[FORM_TMPFS] = { .kind = OP_TMPFS, .takes_perms = true, .takes_size = true, .mode = 0755 },
	[FORM_PROC] = { .kind = OP_PROC },
	[FORM_DEV] = { .kind = OP_DEV },
	[FORM_MQUEUE] = { .kind = OP_MQUEUE },
	[FORM_DIR] = { .kind = OP_DIR, .takes_perms = true, .mode = 0755 },
	[FORM_FILE] = { .kind = OP_FILE, .takes_perms = true, .mode = 0666 },
	[FORM_BIND_DATA] = { .kind = OP_DATA, .takes_perms = true, .mode = 0600 },
	[FORM_RO_BIND_DATA] = { .kind = OP_DATA,
				.read_only = true,
				.takes_perms = true,
				.mode = 0600 },
	[FORM_SYMLINK] = { .kind = OP_SYMLINK },
	[FORM_CHMOD] = { .kind = OP_CHMOD },
	[FORM_OVERLAY] = { .kind = OP_OVERLAY },
	[FORM_TMP_OVERLAY] = { .kind = OP_OVERLAY },
	[FORM_RO_OVERLAY] = { .kind = OP_OVERLAY, .read_only = true },
};

const char *const option_group_titles[N_OPTION_GROUPS] = {
	[GROUP_GENERAL] = "General",
	[GROUP_NAMESPACES] = "Namespaces and identity",
	[GROUP_FILESYSTEM] = "File system, in the order given",
	[GROUP_COMMAND] = "The command and its surroundings",
	[GROUP_SECURITY] = "Privileges",
	[GROUP_LIMITS] = "Limits",
	[GROUP_DESCRIPTORS] = "Descriptors for the caller",
};

#define ROW(name, words, group, help, handler, ...)                         \
	{                                                                   \
		"--" name, words, GROUP_##group, help, handler, __VA_ARGS__ \
	}
#define AT(field) offsetof(struct plan, field)

/* clang-format off */
const struct option_row option_rows[] = {
	ROW("help", "", GENERAL, "print this help and exit", H_HELP, 0, 0),
	ROW("version", "", GENERAL, "print the version and exit", H_VERSION, 0, 0),
	ROW("args", "FD", GENERAL, "read NUL-separated options from FD, in place", H_ARGS, 0, 0),
	ROW("dry-run", "", GENERAL, "check the line, tell what would be done, do nothing", H_FLAG, AT(dry_run), 0),
	ROW("verbose", "", GENERAL, "tell each step on stderr as it happens", H_FLAG, AT(verbose), 0),
	ROW("level-prefix", "", GENERAL, "begin errors with <3> and warnings with <4>", H_FLAG, AT(level_prefix), 0),

	ROW("unshare-all", "", NAMESPACES, "all of the following that the kernel has", H_UNSHARE_ALL, 0, 0),
	ROW("share-net", "", NAMESPACES, "keep the network in spite of what was said before", H_SHARE_NET, 0, 0),
	ROW("unshare-user", "", NAMESPACES, "a new user namespace", H_UNSHARE, AT(ns.unshare_user), 0),
	ROW("unshare-user-try", "", NAMESPACES, "the same, or go on without where the kernel has none", H_UNSHARE_TRY, AT(ns.unshare_user), 0),
	ROW("unshare-ipc", "", NAMESPACES, "a new IPC namespace", H_FLAG, AT(ns.unshare_ipc), 0),
	ROW("unshare-pid", "", NAMESPACES, "a new pid namespace, with a reaper as pid 1", H_FLAG, AT(ns.unshare_pid), 0),
	ROW("unshare-net", "", NAMESPACES, "a new network namespace with only a loopback device", H_FLAG, AT(ns.unshare_net), 0),
	ROW("unshare-uts", "", NAMESPACES, "a new UTS namespace (host name)", H_FLAG, AT(ns.unshare_uts), 0),
	ROW("unshare-cgroup", "", NAMESPACES, "a new cgroup namespace", H_UNSHARE, AT(ns.unshare_cgroup), 0),
	ROW("unshare-cgroup-try", "", NAMESPACES, "the same, or go on without where the kernel has none", H_UNSHARE_TRY, AT(ns.unshare_cgroup), 0),
	ROW("userns", "FD", NAMESPACES, "join this user namespace instead of making one", H_FD, AT(ns.userns), USE_SHOWN),
	ROW("userns2", "FD", NAMESPACES, "join this user namespace once setup is done", H_FD, AT(ns.userns2), USE_SHOWN),
	ROW("pidns", "FD", NAMESPACES, "join this pid namespace, or make the new one below it", H_FD, AT(ns.pidns), USE_SHOWN),
	ROW("disable-userns", "", NAMESPACES, "no further user namespaces inside; needs --unshare-user", H_FLAG, AT(ns.disable_userns), 0),
	ROW("assert-userns-disabled", "", NAMESPACES, "refuse to run where one could still be made inside", H_FLAG, AT(ns.assert_userns_disabled), 0),
	ROW("uid", "UID", NAMESPACES, "the user id inside", H_ID, AT(ns.inner_uid), AT(ns.has_uid)),
	ROW("gid", "GID", NAMESPACES, "the group id inside", H_ID, AT(ns.inner_gid), AT(ns.has_gid)),
	ROW("hostname", "NAME", NAMESPACES, "the host name inside; needs --unshare-uts", H_WORD, AT(ns.hostname), 0),

	ROW("bind", "SRC DEST", FILESYSTEM, "show the host's SRC at DEST", H_OP, 0, FORM_BIND),
	ROW("bind-try", "SRC DEST", FILESYSTEM, "the same, skipped where SRC does not exist", H_OP, 0, FORM_BIND_TRY),
	ROW("dev-bind", "SRC DEST", FILESYSTEM, "as --bind, with device nodes that work", H_OP, 0, FORM_DEV_BIND),
	ROW("dev-bind-try", "SRC DEST", FILESYSTEM, "the same, skipped where SRC does not exist", H_OP, 0, FORM_DEV_BIND_TRY),
	ROW("ro-bind", "SRC DEST", FILESYSTEM, "show the host's SRC read-only at DEST", H_OP, 0, FORM_RO_BIND),
	ROW("ro-bind-try", "SRC DEST", FILESYSTEM, "the same, skipped where SRC does not exist", H_OP, 0, FORM_RO_BIND_TRY),
	ROW("bind-fd", "FD DEST", FILESYSTEM, "as --bind, for the file or directory that FD refers to", H_OP, 0, FORM_BIND_FD),
	ROW("ro-bind-fd", "FD DEST", FILESYSTEM, "the same, read-only", H_OP, 0, FORM_RO_BIND_FD),
	ROW("propagation", "TYPE", FILESYSTEM, "private or slave: do mounts that the host adds appear in it", H_PROPAGATION, 0, 0),
	ROW("overlay-src", "SRC", FILESYSTEM, "a layer of the next overlay, first is bottom", H_LAYER, 0, 0),
	ROW("overlay-src-fd", "FD", FILESYSTEM, "the same, for the directory that FD refers to", H_LAYER, 0, 1),
	ROW("overlay", "RWSRC WORKDIR DEST", FILESYSTEM, "the layers merged at DEST, writes go to RWSRC", H_OP, 0, FORM_OVERLAY),
	ROW("tmp-overlay", "DEST", FILESYSTEM, "the same, writes vanish", H_OP, 0, FORM_TMP_OVERLAY),
	ROW("ro-overlay", "DEST", FILESYSTEM, "two or more layers merged read-only at DEST", H_OP, 0, FORM_RO_OVERLAY),
	ROW("overlay-backend", "BACKEND", FILESYSTEM, "auto, kernel or fuse: who merges the next overlay", H_OVERLAY_WORD, 0, OVERLAY_WORD_BACKEND),
	ROW("overlay-opt", "OPT", FILESYSTEM, "a mount option of the next overlay (volatile, index=off, ...)", H_OVERLAY_WORD, 0, OVERLAY_WORD_OPTION),
	ROW("overlay-changes", "FD", FILESYSTEM, "list what was changed in the next overlay on FD, as JSON lines", H_OVERLAY_WORD, 0, OVERLAY_WORD_CHANGES),
	ROW("remount-ro", "DEST", FILESYSTEM, "make the mount at DEST read-only, not those below it", H_OP, 0, FORM_REMOUNT_RO),
	ROW("proc", "DEST", FILESYSTEM, "procfs at DEST", H_OP, 0, FORM_PROC),
	ROW("dev", "DEST", FILESYSTEM, "a small /dev at DEST", H_OP, 0, FORM_DEV),
	ROW("tmpfs", "DEST", FILESYSTEM, "an empty tmpfs at DEST", H_OP, 0, FORM_TMPFS),
	ROW("mqueue", "DEST", FILESYSTEM, "POSIX message queues at DEST", H_OP, 0, FORM_MQUEUE),
	ROW("dir", "DEST", FILESYSTEM, "a directory at DEST", H_OP, 0, FORM_DIR),
	ROW("file", "FD DEST", FILESYSTEM, "a copy of what FD holds, written to DEST", H_OP, 0, FORM_FILE),
	ROW("bind-data", "FD DEST", FILESYSTEM, "a private copy of what FD holds, shown at DEST", H_OP, 0, FORM_BIND_DATA),
	ROW("ro-bind-data", "FD DEST", FILESYSTEM, "the same, read-only", H_OP, 0, FORM_RO_BIND_DATA),
	ROW("symlink", "SRC DEST", FILESYSTEM, "a symbolic link at DEST that says SRC", H_OP, 0, FORM_SYMLINK),
	ROW("chmod", "OCTAL PATH", FILESYSTEM, "change the mode of what is at PATH", H_OP, 0, FORM_CHMOD),
	ROW("perms", "OCTAL", FILESYSTEM, "the mode of what the next operation makes", H_PERMS, 0, 0),
	ROW("size", "BYTES", FILESYSTEM, "the size limit of the next --tmpfs", H_SIZE, 0, 0),
	ROW("file-label", "LABEL", FILESYSTEM, "SELinux label of what is made", H_WORD, AT(root.file_label), 0),
	ROW("not-a-security-boundary", "", FILESYSTEM, "only warn where a submount's flags cannot be set", H_FLAG, AT(root.tolerate_submounts), 0),

	ROW("chdir", "DIR", COMMAND, "start in DIR, a path inside", H_WORD, AT(command.chdir), 0),
	ROW("argv0", "VALUE", COMMAND, "what COMMAND sees as its own name", H_ARGV0, AT(command.argv0), 0),
	ROW("clearenv", "", COMMAND, "forget the whole environment", H_ENV, 0, ENV_CLEAR),
	ROW("setenv", "VAR VALUE", COMMAND, "set a variable", H_ENV, 0, ENV_SET),
	ROW("unsetenv", "VAR", COMMAND, "forget a variable", H_ENV, 0, ENV_UNSET),
	ROW("env", "NAME", COMMAND, "take a variable from the caller again, after --clearenv", H_ENV, 0, ENV_KEEP),
	ROW("new-session", "", COMMAND, "a new terminal session (setsid)", H_FLAG, AT(command.new_session), 0),
	ROW("no-tty-guard", "", COMMAND, "allow typing into the caller's terminal, and signals (O_ASYNC)", H_FLAG, AT(filter.no_tty_guard), 0),
	ROW("allow-keys", "", COMMAND, "leave COMMAND the caller's kernel keys (keyctl)", H_FLAG, AT(filter.allow_keys), 0),
	ROW("die-with-parent", "", COMMAND, "kill the sandbox when bwrapish or its parent dies", H_FLAG, AT(command.die_with_parent), 0),
	ROW("as-pid-1", "", COMMAND, "COMMAND itself is pid 1; needs --unshare-pid", H_FLAG, AT(command.as_pid_1), 0),
	ROW("close-fds", "", COMMAND, "pass no descriptor above 2 to COMMAND", H_FLAG, AT(command.close_fds), 0),
	ROW("keep-fd", "FD", COMMAND, "except this one", H_FDS, AT(command.keep_fds), USE_PASSED),

	ROW("cap-add", "CAP", SECURITY, "give COMMAND a capability, or ALL, within the sandbox", H_CAP, 0, 1),
	ROW("cap-drop", "CAP", SECURITY, "take a capability, or ALL, away", H_CAP, 0, 0),
	ROW("seccomp", "FD", SECURITY, "load the BPF program in FD", H_SECCOMP, 0, 0),
	ROW("add-seccomp-fd", "FD", SECURITY, "the same, repeatable", H_SECCOMP, 0, 1),
	ROW("seccomp-deny", "LIST", SECURITY, "deny the system calls and @groups in LIST, NAME:ERRNO with that error", H_SECCOMP_LIST, 0, USE_DENY),
	ROW("seccomp-allow", "LIST", SECURITY, "allow only those in LIST; with a profile, allow them in spite of it", H_SECCOMP_LIST, 0, USE_ALLOW),
	ROW("seccomp-errno", "ACTION", SECURITY, "what is denied fails with this error (EPERM), or kill, or log", H_SECCOMP_ERRNO, 0, 0),
	ROW("seccomp-profile", "PROFILE", SECURITY, "deny what a built-in profile denies: default, build or minimal", H_SECCOMP_PROFILE, 0, 0),
	ROW("seccomp-log", "", SECURITY, "have the kernel log what these deny", H_FLAG, AT(filter.policy.log), 0),
	ROW("seccomp-dump", "FD", SECURITY, "write what these come to to FD, as BPF for --seccomp", H_FD, AT(filter.policy.dump), USE_OWN),
	ROW("seccomp-trace", "FD", SECURITY, "deny nothing, write to FD what these would deny; no sandbox then", H_FD, AT(filter.policy.trace), USE_OWN),
	ROW("exec-label", "LABEL", SECURITY, "SELinux label of COMMAND", H_WORD, AT(command.exec_label), 0),

	ROW("rlimit", "NAME SOFT[:HARD]", LIMITS, "a resource limit of COMMAND's, named as in getrlimit(2)", H_RLIMIT, 0, 0),
	ROW("limit", "KEY VALUE", LIMITS, "limit the sandbox by its own control group's file KEY", H_LIMIT, 0, 0),
	ROW("limit-try", "KEY VALUE", LIMITS, "the same, or warn and go on where it cannot be had", H_LIMIT, 0, 1),
	ROW("cgroup", "PATH", LIMITS, "make that group below this one (cgroup v2)", H_WORD, AT(limit.cgroup), 0),
	ROW("timeout", "SECONDS", LIMITS, "end the sandbox after this time; exit code 124", H_SECONDS, AT(limit.timeout_ms), 0),
	ROW("kill-after", "SECONDS", LIMITS, "how long --timeout waits between SIGTERM and SIGKILL (5)", H_SECONDS, AT(limit.kill_after_ms), 1),

	ROW("lock-file", "DEST", DESCRIPTORS, "hold a shared lock on DEST, a file inside, while the sandbox lives", H_LOCK_FILE, 0, 0),
	ROW("sync-fd", "FD", DESCRIPTORS, "keep FD open while the sandbox lives", H_FDS, AT(report.sync), USE_HELD),
	ROW("block-fd", "FD", DESCRIPTORS, "wait for FD before COMMAND starts", H_FD, AT(report.block), USE_WAITED),
	ROW("userns-block-fd", "FD", DESCRIPTORS, "wait for FD while the caller writes the id maps", H_FD, AT(report.userns_block), USE_WAITED),
	ROW("info-fd", "FD", DESCRIPTORS, "write child-pid and namespaces to FD as JSON", H_FD, AT(report.info), USE_OWN),
	ROW("json-status-fd", "FD", DESCRIPTORS, "write status lines to FD as JSON", H_FD, AT(report.json_status), USE_OWN),
};
/* clang-format on */
const size_t n_option_rows = ARRAY_SIZE(option_rows);

/* A descriptor that an option named. */
struct named_fd {
	int fd;
	enum fd_use use;
	struct position position;
};

struct reader {
	struct plan *plan;
	const struct doors *doors;
	struct named_fd *named_fds; /* in the order of the line */
	size_t n_named_fds, capacity_named_fds;
	enum reading reading; /* READ_PLAN until --help or --version was met */
	/* Modifiers that wait for their operation; place.argument is 0 for "none". */
	struct position perms_position, size_position, propagation_position;
	mode_t perms;
	uint64_t size_bytes;
	enum propagation propagation;
	struct position overlay_position; /* the last word that waits for its overlay */
	struct overlay overlay;
};

static const char *nth_bare_name(size_t i)
{
	return option_rows[i].name + 2; /* without the dashes */
}

static const struct option_row *find_row(const char *name)
{
	bool has_dashes = name[0] == '-' && name[1] == '-'; /* as all rows have */
	for (size_t i = 0; has_dashes && i < n_option_rows; i++)
		if (option_rows[i].name[2] == name[2] && streq(option_rows[i].name, name))
			return &option_rows[i];
	return NULL;
}

struct position options_position(const struct plan *plan, const char *option)
{
	return plan->seen[find_row(option) - option_rows];
}

struct position options_last(const struct plan *plan)
{
	struct position last = { 0 };
	for (size_t i = 0; i < n_option_rows; i++)
		if (plan->seen[i].argument > last.argument && !plan->seen[i].args_word)
			last = plan->seen[i];
	return last;
}

bool options_given(const struct plan *plan, const char *option)
{
	return options_position(plan, option).argument != 0;
}

static size_t count_words(const char *words)
{
	size_t n = *words != '\0';
	for (; *words; words++)
		n += *words == ' ';
	return n;
}

/* ---- descriptors ---- */

static problem read_fd_number(struct reader *reader, enum fd_use use, struct position position,
			      const char *word, int *ret_fd)
{
	uint64_t fd;
	if (!parse_decimal(word, INT_MAX, &fd))
		return problem_at(position,
				  "Invalid fd: %s is not a descriptor's number; a shell opens FILE "
				  "as number 9 by 9<FILE or 9>FILE at the end of the line",
				  word);
	if (!reader->doors->fd_is_open((int) fd)) {
		for (size_t i = 0; i < reader->n_named_fds; i++)
			if (reader->named_fds[i].use == USE_DRAINED &&
			    reader->named_fds[i].fd == (int) fd)
				return problem_at(position,
						  "Invalid fd: descriptor %d is not open any more: "
						  "%s has read all of it and closed it",
						  (int) fd,
						  position_text(reader->named_fds[i].position));
		return problem_at(position, "Invalid fd: descriptor %d is not open", (int) fd);
	}
	*ret_fd = (int) fd;
	reader->named_fds = arena_grow(reader->named_fds, reader->n_named_fds,
				       &reader->capacity_named_fds, sizeof(*reader->named_fds));
	reader->named_fds[reader->n_named_fds++] =
		(struct named_fd){ .fd = (int) fd, .use = use, .position = position };
	return NULL;
}

static int compare_named_fds(const void *a, const void *b)
{
	const struct named_fd *one = a, *other = b;
	if (one->fd != other->fd)
		return one->fd < other->fd ? -1 : 1;
	if (one->position.argument != other->position.argument)
		return one->position.argument < other->position.argument ? -1 : 1;
	return one->position.args_word < other->position.args_word ? -1 : 1;
}

static bool may_share(const struct named_fd *one, const struct named_fd *other)
{
	/* bubblewrap's callers may wait with --sync-fd for the end of what another option writes.
	 */
	static const bool together[N_FD_USES][N_FD_USES] = {
		[USE_OWN] = { [USE_HELD] = true },
		[USE_SHOWN] = { [USE_SHOWN] = true, [USE_COPIED] = true, [USE_HELD] = true },
		[USE_COPIED] = { [USE_SHOWN] = true, [USE_COPIED] = true, [USE_HELD] = true },
		[USE_WAITED] = { [USE_WAITED] = true, [USE_HELD] = true },
		[USE_HELD] = { [USE_OWN] = true,
			       [USE_SHOWN] = true,
			       [USE_COPIED] = true,
			       [USE_WAITED] = true,
			       [USE_HELD] = true },
	};
	return together[one->use][other->use] ||
	       streq(one->position.option, other->position.option);
}

/* One number for two options is a mistake, unless neither takes from the other what it is there
 * for. Who has drained one has closed it: what else would be found under its number then is ours. */
static problem check_shared_fds(const struct reader *reader)
{
	const struct named_fd *first[N_FD_USES] = { 0 };
	if (reader->n_named_fds)
		qsort(reader->named_fds, reader->n_named_fds, sizeof(*reader->named_fds),
		      compare_named_fds);
	for (size_t i = 0; i < reader->n_named_fds; i++) {
		const struct named_fd *named = &reader->named_fds[i];
		if (i && named[-1].fd != named->fd)
			memset(first, 0, sizeof(first));
		for (size_t use = 0; use < N_FD_USES; use++)
			if (first[use] && !may_share(first[use], named))
				return problem_at(named->position,
						  "descriptor %d is that of %s, too: each needs "
						  "one of its own",
						  named->fd, position_text(first[use]->position));
		if (!first[named->use])
			first[named->use] = named;
	}
	return NULL;
}

/* What only --sync-fd names nobody else closes. */
static void note_shared_sync_fds(const struct reader *reader)
{
	const struct fds_at *sync = &reader->plan->report.sync;
	for (size_t i = 0; i < sync->n; i++)
		for (size_t j = 0; j < reader->n_named_fds; j++)
			sync->items[i].is_shared |= reader->named_fds[j].fd == sync->items[i].fd &&
						    reader->named_fds[j].use != USE_HELD;
}

/* ---- paths, operations and their modifiers ---- */

static problem check_path(struct position position, const char *kind, const char *word)
{
	if (!*word)
		return problem_at(position, "%s is an empty path", kind);
	if (word[0] == '-' && word[1] == '-')
		return problem_at(
			position,
			"%s is missing: the next word is %s (for a path of that name write ./%s)",
			kind, word, word);
	return NULL;
}

static problem read_layer(struct reader *reader, bool is_fd, const char *word,
			  struct position position)
{
	struct overlay *overlay = &reader->overlay;
	struct layer layer = { .path = is_fd ? NULL : word, .fd = -1, .position = position };
	problem bad = is_fd ? read_fd_number(reader, USE_SHOWN, position, word, &layer.fd)
			    : check_path(position, "SRC", word);
	if (bad)
		return bad;
	reader->overlay_position = position;
	overlay->layers = arena_grow(overlay->layers, overlay->n_layers, &overlay->capacity_layers,
				     sizeof(layer));
	overlay->layers[overlay->n_layers++] = layer;
	return NULL;
}

static problem read_overlay_word(struct reader *reader, enum overlay_word kind, const char *word,
				 struct position position)
{
	static const char *const backends[] = {
		[OVERLAY_AUTO] = "auto", [OVERLAY_KERNEL] = "kernel", [OVERLAY_FUSE] = "fuse"
	};
	struct overlay *overlay = &reader->overlay;
	const struct position *before = kind == OVERLAY_WORD_BACKEND   ? &overlay->backend_position
					: kind == OVERLAY_WORD_CHANGES ? &overlay->changes.position
								       : NULL;
	if (before && before->argument)
		return problem_at(position,
				  "%s was already given for this operation, at argument %u",
				  position.option, before->argument);
	reader->overlay_position = position;
	if (kind == OVERLAY_WORD_CHANGES) {
		overlay->changes.position = position;
		return read_fd_number(reader, USE_OWN, position, word, &overlay->changes.fd);
	}
	if (kind == OVERLAY_WORD_OPTION) {
		overlay->options =
			arena_grow(overlay->options, overlay->n_options, &overlay->capacity_options,
				   sizeof(*overlay->options));
		overlay->options[overlay->n_options++] = (struct word_at){ word, position };
		return NULL;
	}
	overlay->backend_position = position;
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (streq(word, backends[i])) {
			overlay->backend = (enum overlay_backend) i;
			return NULL;
		}
	return problem_at(position, "Invalid backend: %s is neither auto, kernel nor fuse", word);
}

static void forget_overlay(struct reader *reader)
{
	reader->overlay_position.argument = 0;
	reader->overlay = (struct overlay){ .changes.fd = -1, .upper.fd = -1, .work.fd = -1 };
}

/* The overlay whose layers and modifiers have just been read. */
static const struct overlay *take_overlay(struct reader *reader, bool writable)
{
	struct overlay *overlay = arena_alloc(sizeof(*overlay));
	*overlay = reader->overlay;
	overlay->writable = writable;
	forget_overlay(reader);
	return overlay;
}

static problem read_op(struct reader *reader, const struct option_row *row, char *const *words,
		       struct position position)
{
	struct plan *plan = reader->plan;
	const __typeof__(op_forms[0]) *form = &op_forms[row->value];
	struct op op = {
		.kind = form->kind,
		.read_only = form->read_only,
		.devices = form->devices,
		.skip_missing = form->skip_missing,
		.mode = form->mode,
		.outer_fd = -1,
		.position = position,
	};
	problem bad = NULL;
	const char *name = row->words;
	for (size_t i = 0; !bad && i < count_words(row->words);
	     i++, name = strchrnul(name, ' ') + 1) {
		if (form->kind == OP_SYMLINK && i == 0) /* any text, but not none */
			bad = *(op.link_target = words[i])
				      ? NULL
				      : problem_at(position, "SRC is an empty path");
		else if (strncmp(name, "RWSRC", 5) == 0)
			bad = check_path(position, "RWSRC", reader->overlay.upper.path = words[i]);
		else if (strncmp(name, "WORKDIR", 7) == 0)
			bad = check_path(position, "WORKDIR", reader->overlay.work.path = words[i]);
		else if (strncmp(name, "SRC", 3) == 0)
			bad = check_path(position, "SRC", op.outer_path = words[i]);
		else if (strncmp(name, "DEST", 4) == 0 || strncmp(name, "PATH", 4) == 0)
			bad = check_path(position, name[0] == 'D' ? "DEST" : "PATH",
					 op.inner_path = words[i]);
		else if (strncmp(name, "FD", 2) == 0)
			bad = read_fd_number(reader, form->kind == OP_BIND ? USE_SHOWN : USE_COPIED,
					     position, words[i], &op.outer_fd);
		else if (!parse_octal_mode(words[i], &op.mode))
			bad = problem_at(position,
					 "Invalid mode: %s is not an octal number up to 7777",
					 words[i]);
	}
	if (bad)
		return bad;

	if (form->takes_perms && reader->perms_position.argument) {
		op.mode = reader->perms;
		reader->perms_position.argument = 0;
	}
	if (form->takes_size && reader->size_position.argument) {
		op.size_bytes = reader->size_bytes;
		reader->size_position.argument = 0;
	}
	if (form->takes_propagation && reader->propagation_position.argument) {
		op.propagation = reader->propagation;
		reader->propagation_position.argument = 0;
	}
	if (form->kind == OP_OVERLAY) {
		op.overlay = take_overlay(reader, !form->read_only);
		if ((bad = overlay_check(&op)))
			return bad;
	}
	/* Parents are as open as what they lead to: bubblewrap's callers rely on 0700 above binds.
	 */
	mode_t parent_trim = form->kind == OP_CHMOD ? 0 : op.mode;
	op.parent_mode = 0700 | (parent_trim & 0070 ? 0050 : 0) | (parent_trim & 0007 ? 0005 : 0);

	plan->root.ops =
		arena_grow(plan->root.ops, plan->root.n_ops, &plan->root.capacity_ops, sizeof(op));
	plan->root.ops[plan->root.n_ops++] = op;
	return NULL;
}

/* Behind digits that are octal or hexadecimal a unit could be misread. */
static bool parse_tmpfs_size(const char *word, uint64_t *ret_bytes)
{
	uint64_t max = SIZE_MAX / 2;
	return (parse_any_base(word, max, ret_bytes) ||
		(word[0] != '0' && parse_size(word, max, ret_bytes))) &&
	       *ret_bytes > 0;
}

static problem read_modifier(struct reader *reader, const struct option_row *row, const char *word,
			     struct position position)
{
	struct position *waiting = row->handler == H_PERMS  ? &reader->perms_position
				   : row->handler == H_SIZE ? &reader->size_position
							    : &reader->propagation_position;
	if (waiting->argument)
		return problem_at(position,
				  "%s was already given for this operation, at argument %u",
				  row->name, waiting->argument);
	*waiting = position;
	if (row->handler == H_PERMS && !parse_octal_mode(word, &reader->perms))
		return problem_at(position, "Invalid mode: %s is not an octal number up to 7777",
				  word);
	if (row->handler == H_SIZE && !parse_tmpfs_size(word, &reader->size_bytes))
		return problem_at(position,
				  "Invalid size: %s is not a number of bytes from 1 to %zu, which "
				  "may have K, M, G or T behind it",
				  word, SIZE_MAX / 2);
	if (row->handler == H_PROPAGATION) {
		reader->propagation = streq(word, "private") ? PROPAGATION_PRIVATE
				      : streq(word, "slave") ? PROPAGATION_SLAVE
							     : PROPAGATION_DEFAULT;
		if (reader->propagation == PROPAGATION_DEFAULT)
			return problem_at(position,
					  "Invalid propagation: %s is neither private nor slave",
					  word);
	}
	return NULL;
}

/* A modifier stands before what it modifies; anything else in between is a mistake. */
static problem check_no_modifier_waits(const struct reader *reader)
{
	if (reader->perms_position.argument)
		return problem_at(reader->perms_position,
				  "must be followed by an operation that makes something: "
				  "--dir, --tmpfs, --file, --bind-data or --ro-bind-data");
	if (reader->size_position.argument)
		return problem_at(reader->size_position, "must be followed by --tmpfs");
	if (reader->propagation_position.argument)
		return problem_at(reader->propagation_position, "must be followed by a bind");
	if (reader->overlay_position.argument)
		return arena_printf("%s must be followed by another --overlay-src or one of "
				    "--overlay, --tmp-overlay, or --ro-overlay, at %s",
				    reader->overlay_position.option,
				    position_text(reader->overlay_position));
	return NULL;
}

static problem read_env(struct plan *plan, const struct option_row *row, char *const *words,
			struct position position)
{
	struct env_op op = { .action = (enum env_action) row->value };
	if (op.action != ENV_CLEAR) {
		op.name = words[0];
		if (!*op.name || strchr(op.name, '='))
			return problem_at(position,
					  "Invalid variable name: \"%s\" is empty or has a = in it",
					  op.name);
	}
	if (op.action == ENV_SET)
		op.value = words[1];
	plan->command.env_ops = arena_grow(plan->command.env_ops, plan->command.n_env_ops,
					   &plan->command.capacity_env_ops, sizeof(op));
	plan->command.env_ops[plan->command.n_env_ops++] = op;
	return NULL;
}

static problem read_cap(struct plan *plan, bool add, const char *word, struct position position)
{
	struct cap_op op = { .add = add, .position = position };
	if (!caps_from_name(word, &op.cap))
		return problem_at(
			position,
			"Unknown capability %s (they are named as in capabilities(7), or ALL)%s",
			word,
			caps_from_name(arena_join("CAP_", word), &op.cap)
				? arena_printf("; is CAP_%s meant?", word)
				: "");
	plan->command.cap_ops = arena_grow(plan->command.cap_ops, plan->command.n_cap_ops,
					   &plan->command.capacity_cap_ops, sizeof(op));
	plan->command.cap_ops[plan->command.n_cap_ops++] = op;
	return NULL;
}

static void add_warning(struct plan *plan, const char *warning)
{
	plan->warnings = arena_grow(plan->warnings, plan->n_warnings, &plan->capacity_warnings,
				    sizeof(char *));
	plan->warnings[plan->n_warnings++] = warning;
}

static problem read_rlimit(struct plan *plan, char *const *words, struct position position)
{
	struct rlimit_op op = { .position = position };
	problem bad = limits_read_rlimit(words[0], words[1], &op);
	if (bad)
		return problem_at(position, "%s", bad);
	for (size_t i = 0; i < plan->limit.n_rlimits; i++) {
		if (plan->limit.rlimits[i].resource != op.resource)
			continue;
		plan->limit.rlimits[i] = op;
		add_warning(plan, arena_printf("Only the last %s %s will take effect",
					       position.option, limits_resource_name(op.resource)));
		return NULL;
	}
	plan->limit.rlimits = arena_grow(plan->limit.rlimits, plan->limit.n_rlimits,
					 &plan->limit.capacity_rlimits, sizeof(op));
	plan->limit.rlimits[plan->limit.n_rlimits++] = op;
	return NULL;
}

static problem read_limit(struct plan *plan, bool optional, char *const *words,
			  struct position position)
{
	struct limit_op op = { .optional = optional, .position = position };
	problem bad = limits_read_limit(words[0], words[1], &op);
	if (bad)
		return problem_at(position, "%s", bad);
	plan->limit.limits = arena_grow(plan->limit.limits, plan->limit.n_limits,
					&plan->limit.capacity_limits, sizeof(op));
	plan->limit.limits[plan->limit.n_limits++] = op;
	return NULL;
}

static problem add_fd(struct reader *reader, struct fds_at *list, enum fd_use use, const char *word,
		      struct position position)
{
	struct fd_at fd = { .position = position };
	problem bad = read_fd_number(reader, use, position, word, &fd.fd);
	if (bad)
		return bad;
	list->items = arena_grow(list->items, list->n, &list->capacity, sizeof(fd));
	list->items[list->n++] = fd;
	return NULL;
}

void options_supersede_fd(struct plan *plan, int fd)
{
	if (fd < 0)
		return;
	plan->superseded_fds = arena_grow(plan->superseded_fds, plan->n_superseded_fds,
					  &plan->capacity_superseded_fds, sizeof(int));
	plan->superseded_fds[plan->n_superseded_fds++] = fd;
}

static problem read_seccomp(struct reader *reader, const struct option_row *row, const char *word,
			    struct position position)
{
	struct plan *plan = reader->plan;
	bool repeatable = row->value;
	struct seccomp_source source = { .at.position = position };
	if (plan->filter.n_seccomp && (plan->filter.seccomp[0].bytes != NULL) != repeatable)
		return problem_at(position,
				  "--seccomp and --add-seccomp-fd cannot be combined; use "
				  "--add-seccomp-fd for all");
	problem bad = read_fd_number(reader, repeatable ? USE_DRAINED : USE_OWN, position, word,
				     &source.at.fd);
	if (bad)
		return bad;
	if (repeatable) {
		char *bytes;
		if (!reader->doors->read_fd(source.at.fd, &bytes, &source.length))
			return problem_at(position, "Can't read descriptor %d: %s", source.at.fd,
					  errno_text(errno));
		source.bytes = bytes;
		bad = filters_check(position, source.bytes, source.length);
	} else if (plan->filter.n_seccomp) {
		options_supersede_fd(plan, plan->filter.seccomp[0].at.fd);
		plan->filter.n_seccomp = 0;
	}
	plan->filter.seccomp = arena_grow(plan->filter.seccomp, plan->filter.n_seccomp,
					  &plan->filter.capacity_seccomp, sizeof(source));
	plan->filter.seccomp[plan->filter.n_seccomp++] = source;
	return bad;
}

static problem read_policy(struct plan *plan, const struct option_row *row, const char *word,
			   struct position position)
{
	struct policy *policy = &plan->filter.policy;
	if (row->handler == H_SECCOMP_ERRNO)
		return policy_read_action(position, word, &policy->deny_action);
	if (row->handler == H_SECCOMP_PROFILE)
		return policy_read_profile(position, word, &policy->profile);
	enum rule_use use = (enum rule_use) row->value;
	return policy_read_list(position, word, use,
				use == USE_DENY ? &policy->deny : &policy->allow);
}

static void unshare_at_least(enum want *want, enum want asked)
{
	if (*want < asked)
		*want = asked;
}

static problem read_words(struct reader *reader, char *const *words, size_t n_words,
			  struct position args_place, size_t *ret_used);

static problem read_args_fd(struct reader *reader, const char *word, struct position position)
{
	if (position.args_word)
		return problem_at(position, "--args cannot stand inside what another --args reads");
	int fd;
	problem bad = read_fd_number(reader, USE_DRAINED, position, word, &fd);
	if (bad)
		return bad;
	char *bytes;
	size_t length;
	if (!reader->doors->read_fd(fd, &bytes, &length))
		return problem_at(position, "Can't read --args data from descriptor %d: %s", fd,
				  errno_text(errno));

	size_t n_words = 0;
	for (size_t i = 0; i < length; i++)
		n_words += bytes[i] == '\0';
	if (length && bytes[length - 1] != '\0')
		n_words++; /* the last NUL is optional */
	char **words = arena_alloc((n_words + 1) * sizeof(*words));
	for (size_t i = 0; i < n_words; i++) {
		words[i] = bytes;
		bytes += strlen(bytes) + 1;
	}
	size_t used;
	return read_words(reader, words, n_words, position, &used);
}

/* One option and its words. */
/* The last one wins, and whoever gave the others is told. */
static void warn_of_repeat(struct plan *plan, const struct option_row *row)
{
	switch ((enum handler) row->handler) {
	case H_SECCOMP:
		if (row->value) /* --add-seccomp-fd adds */
			return;
		break;
	case H_FD:
	case H_WORD:
	case H_ID:
	case H_SECONDS:
	case H_SECCOMP_ERRNO:
	case H_SECCOMP_PROFILE:
		break;
	default:
		return;
	}
	add_warning(plan, arena_printf("Only the last %s option will take effect", row->name));
}

static problem read_consumed_fd(struct reader *reader, struct fd_at *target, enum fd_use use,
				const char *word, struct position position)
{
	options_supersede_fd(reader->plan, target->fd);
	target->position = position;
	return read_fd_number(reader, use, position, word, &target->fd);
}

static problem read_id(struct plan *plan, const struct option_row *row, const char *word,
		       struct position position)
{
	uint64_t id;
	if (!parse_decimal(word, UINT32_MAX - 1, &id))
		return problem_at(position, "Invalid %s: %s is not a number from 0 to %u",
				  row->name + 2, word, UINT32_MAX - 1);
	*(uint32_t *) ((char *) plan + row->target) = (uint32_t) id;
	*((bool *) plan + row->value) = true;
	return NULL;
}

static problem read_word(const struct option_row *row, const char **target, const char *word,
			 struct position position)
{
	problem bad = NULL;
	if (streq(row->words, "DIR") || streq(row->words, "PATH"))
		bad = check_path(position, row->words, word);
	*target = word;
	return bad;
}

static problem read_lock_file(struct plan *plan, const char *word, struct position position)
{
	plan->report.lock_files =
		arena_grow(plan->report.lock_files, plan->report.n_lock_files,
			   &plan->report.capacity_lock_files, sizeof(*plan->report.lock_files));
	plan->report.lock_files[plan->report.n_lock_files++] = (struct path_at){ word, position };
	return check_path(position, "DEST", word);
}

static problem read_seconds(int64_t *target, bool zero_allowed, const char *word,
			    struct position position)
{
	if (parse_seconds(word, target) && (zero_allowed || *target))
		return NULL;
	return problem_at(position, "Invalid time: %s is not a number of seconds%s, like 2 or 0.5",
			  word, zero_allowed ? "" : " above 0");
}

static problem read_option(struct reader *reader, const struct option_row *row, char *const *words,
			   struct position position)
{
	struct plan *plan = reader->plan;
	void *target = (char *) plan + row->target;
	bool seen_before = plan->seen[row - option_rows].argument != 0;
	plan->seen[row - option_rows] = position;
	if (seen_before)
		warn_of_repeat(plan, row);

	switch ((enum handler) row->handler) {
	case H_HELP:
		reader->reading = READ_HELP;
		return NULL;
	case H_VERSION:
		reader->reading = READ_VERSION;
		return NULL;
	case H_ARGS:
		return read_args_fd(reader, words[0], position);
	case H_FLAG:
		*(bool *) target = true;
		return NULL;
	case H_UNSHARE_TRY:
		unshare_at_least(target, WANT_TRY);
		return NULL;
	case H_UNSHARE:
		unshare_at_least(target, WANT_YES);
		return NULL;
	case H_UNSHARE_ALL:
		unshare_at_least(&plan->ns.unshare_user, WANT_TRY);
		unshare_at_least(&plan->ns.unshare_cgroup, WANT_TRY);
		plan->ns.unshare_ipc = plan->ns.unshare_pid = plan->ns.unshare_net =
			plan->ns.unshare_uts = true;
		return NULL;
	case H_SHARE_NET:
		plan->ns.unshare_net = false;
		return NULL;
	case H_FD:
		return read_consumed_fd(reader, target, (enum fd_use) row->value, words[0],
					position);
	case H_SECCOMP:
		return read_seccomp(reader, row, words[0], position);
	case H_SECCOMP_LIST:
	case H_SECCOMP_ERRNO:
	case H_SECCOMP_PROFILE:
		return read_policy(plan, row, words[0], position);
	case H_FDS:
		return add_fd(reader, target, (enum fd_use) row->value, words[0], position);
	case H_ID:
		return read_id(plan, row, words[0], position);
	case H_WORD:
		return read_word(row, target, words[0], position);
	case H_ARGV0:
		if (seen_before)
			return problem_at(position, "--argv0 can be given only once");
		plan->command.argv0 = words[0];
		return NULL;
	case H_LOCK_FILE:
		return read_lock_file(plan, words[0], position);
	case H_ENV:
		return read_env(plan, row, words, position);
	case H_CAP:
		return read_cap(plan, row->value, words[0], position);
	case H_LIMIT:
		return read_limit(plan, row->value, words, position);
	case H_SECONDS:
		return read_seconds(target, row->value, words[0], position);
	case H_RLIMIT:
		return read_rlimit(plan, words, position);
	case H_PERMS:
	case H_SIZE:
	case H_PROPAGATION:
		return read_modifier(reader, row, words[0], position);
	case H_LAYER:
		return read_layer(reader, row->value, words[0], position);
	case H_OVERLAY_WORD:
		return read_overlay_word(reader, (enum overlay_word) row->value, words[0],
					 position);
	case H_OP:
		return read_op(reader, row, words, position);
	}
	return NULL;
}

static bool waits_for_an_operation(const struct option_row *row)
{
	return row->handler == H_PERMS || row->handler == H_SIZE || row->handler == H_PROPAGATION ||
	       row->handler == H_LAYER || row->handler == H_OVERLAY_WORD || row->handler == H_ARGS;
}

/* Behind "Unknown option". */
static const char *what_was_meant(const char *word, bool in_args)
{
	if (in_args && strchr(word, '\n'))
		return "; a word of --args ends with a NUL and not with a newline: tr '\\n' '\\0'";
	size_t length = strcspn(word, "= ");
	const struct option_row *row = find_row(arena_copy(word, length));
	if (row && word[length])
		return arena_printf("; %s and what it takes are words of their own", row->name);
	const char *near = strncmp(word, "--", 2) == 0
				   ? nearest_word(word + 2, nth_bare_name, n_option_rows)
				   : NULL;
	/* The opposite is never meant. */
	if (!near || (strncmp(near, "un", 2) == 0 && streq(near + 2, word + 2)))
		return "; --help lists all of them";
	return arena_printf("; is --%s meant?", near);
}

/* Reads options until the words end, a COMMAND begins, or --help is met. `args_place` is that of
 * --args when the words came from there. */
static problem read_words(struct reader *reader, char *const *words, size_t n_words,
			  struct position args_place, size_t *ret_used)
{
	size_t i = 0;
	problem bad = NULL;
	bool in_args = args_place.argument != 0;
	while (!bad && i < n_words && reader->reading == READ_PLAN) {
		struct position position = { .option = words[i],
					     .argument = in_args ? args_place.argument
								 : (unsigned) i + 1,
					     .args_word = in_args ? (unsigned) i + 1 : 0 };
		bool ends = streq(words[i], "--");
		if (ends || words[i][0] != '-') {
			if (in_args)
				return problem_at(position,
						  "%s cannot come out of --args: only options can",
						  ends ? "--" : "COMMAND");
			i += ends;
			break;
		}
		const struct option_row *row = find_row(words[i]);
		if (!row)
			return arena_printf("Unknown option %s%s", position_text(position),
					    what_was_meant(words[i], in_args));
		position.option = row->name;
		size_t n_needed = count_words(row->words);
		if (n_words - i - 1 < n_needed)
			return problem_at(position, "takes %s, but the line ends before %s",
					  row->words, n_needed == 1 ? "it" : "all of it");
		bad = read_option(reader, row, words + i + 1, position);
		if (!bad && !waits_for_an_operation(row))
			bad = check_no_modifier_waits(reader);
		i += 1 + n_needed;
	}
	*ret_used = i;
	return bad ? bad : reader->reading == READ_PLAN ? check_no_modifier_waits(reader) : NULL;
}

problem options_read(int argc, char *const argv[], const struct doors *doors, struct plan *plan,
		     enum reading *ret_reading)
{
	*plan = (struct plan){
		.ns = { .userns.fd = -1, .userns2.fd = -1, .pidns.fd = -1 },
		.filter.policy = { .dump.fd = -1,
				   .trace.fd = -1,
				   .deny_action = POLICY_DEFAULT_ACTION },
		.limit.kill_after_ms = 5000,
		.report = { .block.fd = -1,
			    .userns_block.fd = -1,
			    .info.fd = -1,
			    .json_status.fd = -1 },
	};
	plan->seen = arena_alloc(n_option_rows * sizeof(*plan->seen));
	struct reader reader = { .plan = plan, .doors = doors, .reading = READ_PLAN };
	forget_overlay(&reader);
	size_t n_words = argc > 1 ? (size_t) argc - 1 : 0, used = 0;
	char *const *words = argv + (argc > 0);
	problem bad = read_words(&reader, words, n_words, (struct position){ 0 }, &used);
	if (!bad)
		bad = check_shared_fds(&reader);
	if (bad)
		return bad;
	note_shared_sync_fds(&reader);
	*ret_reading = reader.reading;
	if (reader.reading == READ_PLAN && used == n_words)
		*ret_reading = READ_NOTHING;
	plan->command.argv = words + used;
	return NULL;
}

const char *options_help(const char *program)
{
	struct text text = { 0 };
	char *shown = arena_alloc(4 * strlen(program) + 1);
	escape_controls(program, strlen(program), shown);
	text_add(&text, "usage: %s [OPTIONS...] [--] COMMAND [ARGS...]\n", shown);
	for (enum option_group group = 0; group < N_OPTION_GROUPS; group++) {
		text_add(&text, "\n%s:\n", option_group_titles[group]);
		for (size_t i = 0; i < n_option_rows; i++) {
			const struct option_row *row = &option_rows[i];
			if (row->group != group)
				continue;
			const char *head = arena_printf("%s%s%s", row->name, *row->words ? " " : "",
							row->words);
			text_add(&text, "  %-28s %s\n", head, row->help);
		}
	}
	text_add(&text, "\nman bwrapish: each option in full, with examples, what an error "
			"means, what is protected\n");
	return text.bytes;
}
