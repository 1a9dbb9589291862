/* causes.h - why a sandbox cannot be had, and what to do: one table, of which messages, --check and
 * bwrapish-diagnostics(7) are made. */
#ifndef RUN_CAUSES_H
#define RUN_CAUSES_H

#include <stddef.h>

/* clang-format off */
enum cause {
	/* namespaces */
	CAUSE_USERNS_MISSING, CAUSE_USERNS_SYSCTL_DEBIAN, CAUSE_USERNS_APPARMOR, CAUSE_APPARMOR_PROFILE, CAUSE_SELINUX,
	CAUSE_NAMESPACE_FILTER, CAUSE_CHROOT, CAUSE_IDS_UNMAPPED, CAUSE_NESTED_DISABLE_USERNS, CAUSE_NAMESPACE_DENIED,
	CAUSE_NAMESPACE_NONE, CAUSE_NAMESPACE_LIMIT, CAUSE_NAMESPACE_MISSING, CAUSE_PID_1_GONE,
	CAUSE_JOIN_OUTSIDE, CAUSE_JOIN_RIGHTS, CAUSE_JOIN_OWNER,
	CAUSE_NPROC, CAUSE_PIDS_MAX, CAUSE_PROCESSES,
	/* identity */
	CAUSE_CAPS_TAKEN, CAUSE_SETFCAP, CAUSE_NO_NEW_PRIVS, CAUSE_NOSUID,
	CAUSE_MAPPER_MISSING, CAUSE_MAPPER_RIGHTS, CAUSE_SUBIDS_NONE, CAUSE_SUBIDS_OTHERS,
	/* /proc */
	CAUSE_PROC_MISSING, CAUSE_PROC_READ_ONLY, CAUSE_PROC_COVERED, CAUSE_PROC_COVERED_WHOLE, CAUSE_PROC_COVERED_PID,
	CAUSE_PROC_COVERED_TRY, CAUSE_PROC_NO_PIDNS,
	/* mounts */
	CAUSE_MOUNT_FILTER, CAUSE_KERNEL_TOO_OLD, CAUSE_FLAG_TOO_NEW, CAUSE_MOUNT_LIMIT, CAUSE_INITRAMFS, CAUSE_DEV_NODE,
	/* the way to a path */
	CAUSE_WAY_MISSING, CAUSE_WAY_FILE, CAUSE_WAY_CLOSED, CAUSE_WAY_NOT_WRITABLE, CAUSE_WAY_LINK,
	CAUSE_SOURCE_TILDE, CAUSE_SOURCE_VARIABLE, CAUSE_SOURCE_COLON, CAUSE_SOURCE_INSIDE, CAUSE_SOURCE_RELATIVE,
	CAUSE_MOUNT_DELETED, CAUSE_MOUNT_DENIED,
	/* what programs say inside */
	CAUSE_RESOLV_LINK, CAUSE_IDS_SSH, CAUSE_IDS_CHOWN,
	/* COMMAND */
	CAUSE_EXEC_BEHIND_DASHES, CAUSE_EXEC_BEHIND_COMMAND, CAUSE_EXEC_DASH, CAUSE_EXEC_WORDS, CAUSE_EXEC_HIDDEN,
	CAUSE_EXEC_PATH_CLOSED, CAUSE_EXEC_DOS, CAUSE_EXEC_EMPTY_ROOT, CAUSE_EXEC_EMPTY_WORD, CAUSE_EXEC_PATH, CAUSE_EXEC_INTERPRETER, CAUSE_EXEC_DIRECTORY,
	CAUSE_EXEC_MODE, CAUSE_EXEC_NOEXEC, CAUSE_EXEC_FILTER, CAUSE_ARGUMENTS_TOO_LONG, CAUSE_ENVIRONMENT_TOO_LONG,
	CAUSE_VARIABLE_TOO_LONG,
	/* its reach */
	CAUSE_LANDLOCK_MISSING, CAUSE_LANDLOCK_OLD, CAUSE_TCP_GUARD, CAUSE_MDWE_MISSING,
	N_CAUSES
};
/* clang-format on */

/* Not pointers: each would have to be relocated at every start. */
struct cause_row {
	char id[28];      /* for programs: it stays when the sentences change */
	char symptom[64]; /* what the message says has failed */
	char why[192];    /* one %s at most in these two: a name or a number */
	char cure[184];   /* "": there is none, or the cause says it */
};
extern const struct cause_row causes[N_CAUSES];

/* "; WHY: CURE" with `name` in place of %s; arena memory. */
const char *cause_text(enum cause cause, const char *name);
/* Which one a message ends with; N_CAUSES: none of them. */
enum cause cause_find(const char *message);

#endif
