/* join.c - the namespaces that descriptors name: joined, and read back.
 *
 * The kernel asks for CAP_SYS_ADMIN in two user namespaces, the one that owns what is joined and the one that we
 * are in (setns(2)). So --userns comes before all others, and a user namespace of our own after them.
 */
#include "ns/join.h"

#include "ns/clocks.h"
#include "plan/ns-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/nskind.h"
#include "utils.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

uint64_t ns_read_id(const struct run *run, enum ns_kind kind)
{
	struct stat status;
	const char *path = arena_join("self/ns/", ns_kinds[kind].file);
	if (fstatat(run->host->proc_fd, path, &status, 0) < 0) {
		int error = errno;
		const char *cause = diagnose_missing_kind(run, ns_kinds[kind].flag);
		if (!*cause && error == ENOENT)
			cause = cause_text(CAUSE_PROC_MISSING, NULL);
		die_because(error, "Can't read /proc/%s: %s%s", path, errno_text(error), cause);
	}
	return status.st_ino;
}

bool ns_joins_strangers(const struct plan *plan)
{
	return plan->ns.userns.fd >= 0 || plan->ns.pidns.fd >= 0;
}

/* Our processes may share a user or pid namespace with strangers once they have joined it; until
 * COMMAND is executed nobody there shall read their memory or borrow their descriptors. Root of a
 * joined user namespace has every capability over us, so that only this keeps it out. A change of ids
 * or of the user namespace sets it to what the sysctl fs.suid_dumpable says: commit_creds(). */
void ns_hide(void)
{
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_GET_DUMPABLE) != 0)
		die("Can't hide from the processes of a joined namespace; nothing was run");
}

/* setns(2) takes a pidfd, too, and would join whatever that process is in. */
static void require_kind(const struct fd_at *fd, enum ns_kind kind)
{
	long flag = sys_ioctl(fd->fd, NS_GET_NSTYPE, NULL);
	if (flag == (long) ns_kinds[kind].flag)
		return;
	enum ns_kind other = 0;
	while (other < N_NS_KINDS && (long) ns_kinds[other].flag != flag)
		other++;
	die("%s: Descriptor %d is no %s namespace%s%s; open a file like /proc/PID/ns/%s",
	    position_text(fd->position), fd->fd, ns_kinds[kind].title,
	    other < N_NS_KINDS ? ", but one of another kind: " : "",
	    other < N_NS_KINDS ? ns_kinds[other].title : "", ns_kinds[kind].file);
}

static const char *why_denied(const struct run *run, const struct fd_at *fd, enum ns_kind kind)
{
	struct stat owner;
	if (kind == NS_USER)
		return "; it has to be owned by the caller, or be one of its children";
	AUTO_CLOSE int owner_fd = sys_ioctl(fd->fd, NS_GET_USERNS, NULL);
	if (owner_fd < 0 || fstat(owner_fd, &owner) < 0)
		return cause_text(CAUSE_JOIN_OUTSIDE, NULL);
	if (owner.st_ino == ns_read_id(run, NS_USER))
		return cause_text(CAUSE_JOIN_RIGHTS, NULL);
	return cause_text(CAUSE_JOIN_OWNER, arena_number(owner.st_ino, 10));
}

void ns_join(const struct run *run, const struct fd_at *fd, enum ns_kind kind)
{
	bool among_strangers = kind == NS_USER || kind == NS_PID;
	require_kind(fd, kind);
	if (among_strangers)
		ns_hide();
	if (setns(fd->fd, (int) ns_kinds[kind].flag) < 0)
		die_because(
			errno, "%s: Can't join the %s namespace that descriptor %d refers to: %s%s",
			position_text(fd->position), ns_kinds[kind].title, fd->fd,
			errno_text(errno),
			errno == EPERM                       ? why_denied(run, fd, kind)
			: errno == EINVAL && kind == NS_USER ? "; the caller is in it already"
			: errno == EINVAL && kind == NS_PID  ? "; it is not below the present one"
							     : "");
	if (among_strangers)
		ns_hide();
}

void ns_verify_joined(const struct run *run, const struct fd_at *fd, enum ns_kind kind)
{
	struct stat status;
	if (fd->fd >= 0 && (fstat(fd->fd, &status) < 0 || ns_read_id(run, kind) != status.st_ino))
		die("%s: The process is not in the namespace it was told to join",
		    position_text(fd->position));
}

static bool is_owned(enum ns_kind kind)
{
	return kind != NS_USER && kind != NS_PID;
}

void ns_join_owned(struct run *run)
{
	for (enum ns_kind kind = 0; kind < N_NS_KINDS; kind++) {
		const struct fd_at *fd = ns_options_joined(&run->plan->ns, kind);
		if (!fd || !is_owned(kind))
			continue;
		int64_t offset_ms = kind == NS_TIME ? clocks_offset_ms(run) : 0;
		ns_join(run, fd, kind);
		if (kind == NS_TIME && run->last_resort_ms)
			run->last_resort_ms += clocks_offset_ms(run) - offset_ms;
	}
}

void ns_verify_owned(const struct run *run)
{
	for (enum ns_kind kind = 0; kind < N_NS_KINDS; kind++) {
		const struct fd_at *fd = ns_options_joined(&run->plan->ns, kind);
		if (fd && is_owned(kind))
			ns_verify_joined(run, fd, kind);
	}
}
