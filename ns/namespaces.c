/* namespaces.c - the first user namespace and the kinds that it owns: made, joined, verified, furnished.
 *
 * What was asked for is in place when these functions return, and that was read back from /proc;
 * otherwise the process has died. No function here decides what to do: the plan's shape says it.
 *
 * The first user namespace owns the sandbox's mount, pid and network namespaces; setup happens in it, and
 * pid 1 and the reported child-pid stay in it. COMMAND may get a second one: second-userns.c.
 */
#include "ns/namespaces.h"

#include "ns/clocks.h"
#include "ns/join.h"
#include "ns/listeners.h"
#include "ns/loopback.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/nskind.h"
#include "sys/procfile.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void ns_learn_ids(struct run *run)
{
	for (enum ns_kind kind = 0; kind < N_NS_KINDS; kind++)
		if ((run->shape.namespaces | run->shape.second_namespaces) & ns_kinds[kind].flag &&
		    !(run->shape.optional_namespaces & ns_kinds[kind].flag &&
		      *diagnose_missing_kind(run, ns_kinds[kind].flag)))
			run->ns_ids[kind] = ns_read_id(run, kind);
}

/* A system call that pretended to succeed must not let anything run, least of all mounts on the
 * host. What one call makes it makes together or not at all, so one of them is compared; a new user
 * namespace shows, besides, in that its id map can be written, which can be done only once. */
void ns_verify_left(uint64_t left_mount_id, unsigned long flags)
{
	if ((flags & CLONE_NEWNS && root_mount_id() == left_mount_id) ||
	    (flags & CLONE_NEWPID && getpid() != 1))
		die("The kernel reported new namespaces, but the process is still in the old ones; nothing was run");
}

/* ---- making ---- */

static bool has_limit_of_0(const struct run *run, enum ns_kind kind)
{
	return procfile_number(run->host->proc_fd, arena_printf("sys/user/max_%s_namespaces",
								ns_kinds[kind].file)) == 0;
}

/* After a refusal: takes out what a -try option asked for and this kernel does not have. Only a
 * kernel without the namespace, or with a limit of 0 for it, counts; never EPERM or ENOMEM on their
 * own. */
bool ns_drop_missing(struct run *run)
{
	const unsigned long before = run->shape.namespaces;
	unsigned long missing = 0;
	for (enum ns_kind kind = 0; kind < N_NS_KINDS; kind++)
		if (run->shape.optional_namespaces & ns_kinds[kind].flag &&
		    (*diagnose_missing_kind(run, ns_kinds[kind].flag) || has_limit_of_0(run, kind)))
			missing |= ns_kinds[kind].flag;
	if (!missing)
		return false;
	problem bad = plan_drop_namespaces(run->plan, &run->host->caller, missing, &run->shape);
	if (bad)
		die("%s (there are no %s namespaces to be had here)", bad,
		    missing == CLONE_NEWUSER     ? "user"
		    : missing == CLONE_NEWCGROUP ? "cgroup"
						 : "user and cgroup");
	return run->shape.namespaces != before;
}

void ns_die_of_new(const struct run *run, int error)
{
	const char *cause = diagnose_new_namespace(run, ns_first(run), error);
	if (error == EPERM)
		die_because(error, "No permissions to create a new namespace: %s%s",
			    errno_text(error), cause);
	/* "No space left on device" would send people to look at their disks. */
	die_because(error, "Creating new namespace failed: %s%s",
		    error == ENOSPC ? "a limit was reached" : errno_text(error), cause);
}

void ns_go_on_without(struct run *run, int error)
{
	if (!ns_drop_missing(run))
		ns_die_of_new(run, error);
}

void ns_unshare_first(struct run *run)
{
	while (unshare((int) ns_first(run)) < 0)
		ns_go_on_without(run, errno);
}

static void join_userns(struct run *run)
{
	if (run->plan->ns.userns.fd < 0)
		return;
	AUTO_CLOSE int offsets_fd = clocks_open_offsets(run);
	ns_join(run, &run->plan->ns.userns, NS_USER);
	clocks_enter(run, offsets_fd);
}

void ns_join_given(struct run *run)
{
	join_userns(run);
	ns_join_owned(run);
}

void ns_enter_in_place(struct run *run)
{
	ns_join_given(run);
	ns_unshare_first(run);
}

static void set_hostname(const struct plan *plan)
{
	if (plan->ns.hostname && sethostname(plan->ns.hostname, strlen(plan->ns.hostname)) < 0)
		die_errno(errno, "%s: Can't set the host name to %s",
			  position_text(options_position(plan, "--hostname")), plan->ns.hostname);
}

void ns_furnish(const struct run *run, unsigned long namespaces)
{
	if (namespaces & CLONE_NEWUTS)
		set_hostname(run->plan);
	if (namespaces & CLONE_NEWNET) {
		loopback_up();
		listeners_make(run);
	}
}

/* A mount namespace that was copied alone is still a peer of the host's, and what is mounted in it
 * would show up there. In a chroot, besides, our / is not the namespace's, and both the peers and
 * what has to be left behind begin at that one: joining one's own namespace leads there
 * (mntns_install()). Sources are what they are in the chroot.
 *
 * In a chroot the kernel makes no user namespace (create_user_ns()), and a mount namespace copied
 * along with one has slave mounts only: then there is nothing to do. */
void ns_part_from_host(struct run *run)
{
	if (run->shape.namespaces & CLONE_NEWUSER)
		return;
	struct mount_attr slave = { .propagation = MS_SLAVE };
	struct kernel_statx ours;
	AUTO_CLOSE int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int directory_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0 || directory_fd < 0 ||
	    sys_statx(root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &ours) < 0)
		die_errno(errno, "Can't look at / and the present directory");
	root_stand_on(run->host->proc_fd);
	if (sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &slave) < 0)
		die_because(errno, "Can't part from the host's mount propagation: %s%s",
			    errno_text(errno), diagnose_mount_api(errno));
	run->in_chroot = ours.stx_mnt_id != root_mount_id() ||
			 !(ours.stx_attributes & STATX_ATTR_MOUNT_ROOT);
	if ((run->in_chroot && (fchdir(root_fd) < 0 || chroot(".") < 0)) ||
	    fchdir(directory_fd) < 0)
		die_errno(errno, "Can't go back to / and the present directory");
}

void ns_verify(const struct run *run)
{
	ns_verify_left(run->host->root_mount_id, run->shape.namespaces);
	/* A kernel without control groups makes as if it had made one: copy_cgroup_ns(). */
	if (run->shape.namespaces & ~run->shape.optional_namespaces & CLONE_NEWCGROUP)
		ns_read_id(run, NS_CGROUP);
	ns_verify_joined(run, &run->plan->ns.userns, NS_USER);
	if (!run->shape.pid_namespace)
		ns_verify_joined(run, &run->plan->ns.pidns, NS_PID);
	ns_verify_owned(run);
}

/* The kind that is counted so; N_NS_KINDS: there are no more. */
static enum ns_kind made_second(const struct run *run, int which)
{
	enum ns_kind kind = 0;
	for (; kind < N_NS_KINDS; kind++)
		if (run->shape.second_namespaces & ns_kinds[kind].flag && which-- == 0)
			break;
	return kind;
}

int ns_open_second(const struct run *run, int which)
{
	const char *file = ns_kinds[made_second(run, which)].file;
	int fd = openat(run->host->proc_fd, arena_join("self/ns/", file), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die_errno(errno, "Can't open /proc/self/ns/%s", file);
	return fd;
}

bool ns_has_second(const struct run *run, int which)
{
	return made_second(run, which) < N_NS_KINDS;
}

void ns_join_second(const struct run *run, int which, int fd)
{
	const struct ns_kind_row *kind = &ns_kinds[made_second(run, which)];
	if (setns(fd, (int) kind->flag) < 0)
		die_errno(errno, "Can't follow COMMAND into its %s namespace", kind->file);
}

/* ---- telling ---- */

void ns_describe(const struct run *run, pid_t pid, const char *gap, struct text *text)
{
	text_add(text, "\"child-pid\": %d", pid);
	unsigned long new =
		run->shape.namespaces | (run->shape.info_late ? run->shape.second_namespaces : 0);
	static const uint8_t order[] = { NS_CGROUP, NS_IPC, NS_MOUNT, NS_NET,
					 NS_PID,    NS_UTS, NS_TIME };
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (new &ns_kinds[order[i]].flag && run->ns_ids[order[i]])
			text_add(text, ",%s\"%s-namespace\": %llu", gap, ns_kinds[order[i]].file,
				 (unsigned long long) run->ns_ids[order[i]]);
}
