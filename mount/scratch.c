/* scratch.c - a tmpfs of our own where clones are parked while descriptors are short.
 *
 * It is the root of the mount namespace, with the host's in "host" and the new root in "root". It must not be
 * mounted on either of them: a ".." that arrives at a root from below enters what covers that, with
 * RESOLVE_IN_ROOT as well. It is gone before COMMAND starts, but
 * where something is masked or protected: then what that takes stays in it, below the new root.
 */
#include "mount/scratch.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/pivot.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>
#include <sys/stat.h>

static void enter(const struct run *run)
{
	if (run->in_chroot)
		root_stand_on(run->host->proc_fd);
	pivot_attach(run->mounts->scratch.fd);
	if (fchdir(run->mounts->scratch.fd) < 0 ||
	    mkdirat(run->mounts->scratch.fd, "host", 0700) < 0 || sys_pivot_root(".", "host") < 0)
		pivot_die(errno);
}

/* The host's tree was to become / where it stands: it will be one in ours, and / is made of a clone. */
static void clone_what_stays(const struct run *run)
{
	struct pin *pin = run->mounts->pins;
	struct kernel_statx status;
	if (!pin->stays)
		return;
	close_fd(&pin->mount_fd);
	pin->mount_fd = bind_pin(run, run->plan->root.ops);
	pin->stays = false;
	if (sys_statx(pin->mount_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
		      &status) < 0)
		die_errno(errno, "Can't look at the new root");
	pin->mount_id = status.stx_mnt_id;
}

/* The same while sources are still to be looked up: we go back to where we were, as into a chroot. */
static void make_beside(const struct run *run)
{
	clone_what_stays(run);
	run->mounts->scratch.fd = fs_make_tmpfs((struct position){ .option = "setup" }, 0700);
	run->mounts->scratch.exists = true;
	AUTO_CLOSE int root_fd = run->in_chroot ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	AUTO_CLOSE int directory_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if ((run->in_chroot && root_fd < 0) || directory_fd < 0)
		die_errno(errno, "Can't look at / and the present directory");
	enter(run);
	if ((run->in_chroot ? fchdir(root_fd) : chdir("host")) < 0 || chroot(".") < 0 ||
	    fchdir(directory_fd) < 0)
		die_errno(errno, "Can't go back to / and the present directory");
}

/* Numbers are given from the lowest, so a high one says how many are taken. */
bool scratch_runs_short(const struct run *run, int newest_fd, size_t n_more)
{
	return (rlim_t) newest_fd + n_more + SPARE >= run->mounts->n_descriptors;
}

void scratch_make(struct run *run)
{
	make_beside(run);
}

void scratch_park(struct run *run)
{
	if (!run->mounts->scratch.exists)
		make_beside(run);
	for (size_t i = 0; i < run->plan->root.n_ops; i++) {
		struct pin *pin = &run->mounts->pins[i];
		if (pin->mount_fd < 0)
			continue;
		const char *name = arena_number(i, 10);
		int made = pin->is_directory
				   ? mkdirat(run->mounts->scratch.fd, name, 0700)
				   : mknodat(run->mounts->scratch.fd, name, S_IFREG | 0600, 0);
		if (made < 0 || sys_move_mount(pin->mount_fd, "", run->mounts->scratch.fd, name,
					       MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't set the source aside",
				  position_text(run->plan->root.ops[i].position));
		close_fd(&pin->mount_fd);
		pin->parked = true;
	}
}

void scratch_take_back(struct run *run, size_t i)
{
	struct pin *pin = &run->mounts->pins[i];
	if (!pin->parked)
		return;
	pin->mount_fd = openat(run->mounts->scratch.fd, arena_number(i, 10), O_PATH | O_CLOEXEC);
	if (pin->mount_fd < 0)
		die_errno(errno, "%s: Can't take the source back",
			  position_text(run->plan->root.ops[i].position));
}

void scratch_leave_host(const struct run *run)
{
	struct kernel_statx ours, left;
	if (fchdir(run->mounts->scratch.fd) < 0 || sys_umount2("host", MNT_DETACH) < 0)
		pivot_die_of_old_root(errno);
	if (sys_statx(run->mounts->scratch.fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &ours) < 0 ||
	    sys_statx(run->mounts->scratch.fd, "host", 0, STATX_MNT_ID, &left) < 0)
		die_errno(errno, "Can't verify the new root");
	if (left.stx_mnt_id != ours.stx_mnt_id)
		die("The old root is still there after it was detached; nothing was run");
	pivot_verify_topmost(ours.stx_mnt_id);
}

/* The new root is moved onto the root of the mount namespace, which the scratch tmpfs stays: for the kernel that
 * is no chroot (current_chrooted() looks at what is topmost there), no ".." leads down, and a sandbox inside
 * can pivot_root(2). What the new root covered, where an operation on / came late, goes. */
static void stay_below(struct run *run)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	struct kernel_statx ours, left;
	if (sys_statx(AT_FDCWD, ".", 0, STATX_MNT_ID, &ours) < 0 ||
	    sys_mount_setattr(AT_FDCWD, ".", 0, &read_only) < 0 ||
	    sys_move_mount(run->root.fd, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		pivot_die(errno);
	while (sys_statx(AT_FDCWD, "root", 0, STATX_MNT_ID, &left) == 0 &&
	       left.stx_mnt_id != ours.stx_mnt_id)
		if (sys_umount2("root", MNT_DETACH) < 0)
			die_errno(errno, "Can't detach the former root");
	if (fchdir(run->root.fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		pivot_die(errno);
	pivot_learn_root(&run->root);
	pivot_verify_topmost(run->root.mount_id);
}

void scratch_leave(struct run *run)
{
	if (!run->mounts->scratch.exists)
		return;
	if (run->mounts->masks)
		stay_below(run);
	else
		pivot_into(run);
}
