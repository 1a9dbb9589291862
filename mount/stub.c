/* stub.c - what stands on the host in place of what is missing there, so that a mount can cover it: how it is made.
 *
 * All sandboxes that need it share a lock, flock(2), which their supervisors keep until the end: who can make it an
 * exclusive one is the last, and takes it away (stub-end.c). The supervisor knows the place before anything is made
 * there, so that whoever dies leaves nothing.
 */
#include "mount/stub.h"

#include "mount/mask-state.h"
#include "mount/scratch.h"
#include "mount/state.h"
#include "mount/stub-mark.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { MOST_STUBS = 128, FDS_EACH = 2 };

static _Noreturn void die_without(const struct op *op, const char *name, const char *why)
{
	die("%s: Can't make the stub %s on the host, which keeps %s from being made: %s; create it there, or give %s-try",
	    position_text(op->position), name, op->inner_path, why, op->position.option);
}

/* ---- what the supervisor is told ---- */

static void stub_require(const struct run *run, const struct op *op, const char *name)
{
	const struct plan *plan = run->plan;
	size_t n_fds = FDS_EACH * (run->mounts->masks->n_stubs + 1);
	if (run->supervisor_fd < 0)
		die_without(op, name,
			    "a link leads there from where none is needed; name the place itself");
	/* It would not be the caller's, who is to remove it. */
	if (plan->ns.userns.fd >= 0 || plan->report.userns_block.fd >= 0 || run->mapper)
		die_without(op, name, "whose it would be depends on the id maps");
	/* There it belongs to that namespace's pid 1, and the mask goes with the stub. */
	if (plan->ns.pidns.fd >= 0 && !run->shape.pid_namespace)
		die_without(
			op, name,
			"what COMMAND leaves behind in a joined pid namespace may live on: add --unshare-pid");
	if (run->mounts->masks->n_stubs == MOST_STUBS)
		die_without(op, name, arena_printf("%d are the most", MOST_STUBS));
	if (n_fds + plan->n_fds + SPARE > run->host->nofile.rlim_cur)
		die_without(op, name, "too few descriptors are allowed (ulimit -n)");
}

/* With no more rights than the supervisor has in the end: what it could not remove is not made. */
static void lower_rights(const struct run *run)
{
	if (run->shape.user_namespace)
		caps_lower(CAP_BIT(CAP_DAC_OVERRIDE));
}

static void raise_rights(const struct run *run)
{
	int error = errno;
	if (run->shape.user_namespace)
		caps_raise_permitted();
	errno = error;
}

/* That the bind is read-only for the rehearsal alone says nothing (EROFS). */
void stub_rehearse(const struct run *run, const struct op *op, int parent_fd, const char *name)
{
	stub_require(run, op, name);
	lower_rights(run);
	int done = faccessat(parent_fd, name, F_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW);
	if (done < 0)
		done = faccessat(parent_fd, ".", W_OK | X_OK, AT_EACCESS);
	raise_rights(run);
	if (done < 0 && errno == EACCES)
		die_without(op, name, errno_text(errno));
}

bool stub_would_be_file(const struct run *run, int parent_fd, const char *name)
{
	const struct masks *masks = run->mounts->masks;
	struct kernel_statx parent;
	for (const struct masked *masked = masks->items; masked < masks->items + masks->n; masked++)
		if (run->plan->rehearses && masked->is_stub && streq(masked->name, name) &&
		    sys_statx(parent_fd, "", AT_EMPTY_PATH, STATX_INO, &parent) == 0 &&
		    mask_is_same(masked->parent, mask_object_of(&parent)))
			return masked->is_file;
	return false;
}

static void tell_place(const struct run *run, const struct op *op, int dir_fd, const char *name)
{
	uint64_t part[MESSAGE_CAPACITY];
	size_t length = strlen(name);
	for (size_t n, i = 0; i < length; i += n) {
		n = length - i < sizeof(part) ? length - i : sizeof(part);
		memset(part, 0, sizeof(part));
		memcpy(part, name + i, n);
		channel_send_numbers(run->supervisor_fd, MESSAGE_STUB_NAME, 0, part,
				     MESSAGE_CAPACITY);
	}
	channel_send_fd(run->supervisor_fd, MESSAGE_STUB_PLACE, (int) (op - run->plan->root.ops),
			dir_fd);
}

/* ---- made and locked ---- */

/* A new one, or one that is there. -1 and errno. */
static int make_or_open(const struct run *run, int dir_fd, const char *name, bool is_directory,
			bool *ret_is_new)
{
	int fd = -1, made = -1;
	lower_rights(run);
	if (is_directory)
		made = mkdirat(dir_fd, name, STUB_DIRECTORY_MODE);
	else
		made = fd =
			openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, STUB_FILE_MODE);
	raise_rights(run);
	*ret_is_new = made >= 0;
	if (made < 0 && errno != EEXIST)
		return -1;
	return fd >= 0 ? fd : stub_open(run, dir_fd, name);
}

/* FAT and its like have no such modes. */
static void require_mark(const struct run *run, const struct op *op, int dir_fd, const char *name,
			 int fd)
{
	struct stat status;
	if (fd >= 0 && fstat(fd, &status) == 0 && stub_is_marked(&status))
		return;
	if (fd >= 0)
		stub_take_away(run, dir_fd, name, fd);
	else
		unlinkat(dir_fd, name, AT_REMOVEDIR);
	die_without(op, name, "this file system does not keep the mode that marks it as one");
}

/* Whoever locks it alone is about to remove it, or means us harm. */
static int make_locked(const struct run *run, const struct op *op, int dir_fd, const char *name,
		       bool is_directory)
{
	enum { PATIENCE_MS = 2000, STEP_NS = 5000000 };
	int64_t end_ms = now_ms() + PATIENCE_MS;
	while (now_ms() < end_ms) {
		bool is_new;
		int fd = make_or_open(run, dir_fd, name, is_directory, &is_new);
		if (fd < 0 && errno == ENOENT) /* it has just been removed */
			continue;
		if (fd < 0 && errno == EWOULDBLOCK) { /* a lease */
			nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
			continue;
		}
		if (is_new)
			require_mark(run, op, dir_fd, name, fd);
		if (fd < 0 && errno == EEXIST)
			die("%s: %s appeared while the sandbox was set up; run it again",
			    position_text(op->position), name);
		if (fd < 0)
			die_without(op, name, errno_text(errno));
		if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
			if (stub_is_at(dir_fd, name, fd))
				return fd;
		} else if (errno != EWOULDBLOCK) {
			die_without(op, name, arena_printf("can't lock it: %s", errno_text(errno)));
		} else {
			nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
		}
		close(fd);
	}
	die_without(op, name, "somebody keeps it locked (flock)");
}

void stub_make(struct run *run, const struct op *op, int parent_fd, const char *name,
	       bool is_directory)
{
	stub_require(run, op, name);
	/* Another mount of the same, which no later operation makes read-only. Recursive, since mounts that the
	 * host has below it are locked (mount_namespaces(7)). */
	AUTO_CLOSE int dir_fd = sys_open_tree(
		parent_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
	if (dir_fd < 0)
		die_without(op, name, errno_text(errno));
	tell_place(run, op, dir_fd, name);
	AUTO_CLOSE int fd = make_locked(run, op, dir_fd, name, is_directory);
	channel_send_fd(run->supervisor_fd, MESSAGE_STUB_LOCK, 0, fd);
	run->mounts->masks->n_stubs++;
}
