/* newroot.c - the sources of the new /, and moving in.
 *
 * Three steps, in this order for a reason:
 *   pin    every source of the host becomes a detached clone with its flags set, and every file system that the
 *          kernel wants to compare with the host's (procfs) is created, while the host can still be seen;
 *   enter  / is made, we move in, and the old root is detached: from then on there is no path, no link and no ".." that
 *          leads to the host, by construction. The host's / itself, shown at /, may stay where it is: all of it is in
 *          the sandbox then. Where a scratch tmpfs is needed (scratch.c), that
 *          becomes the root of the mount namespace, with / below it, until all is built;
 *   build  (build.c) the operations in command-line order, all of them inside.
 *
 * Must not: look up a path in any other way than through path.c; keep a descriptor of the host's tree but the
 * O_PATH /proc of the run, and what --bind-create may take away in (made-source.c).
 */
#include "mount/newroot.h"

#include "bind-mount.h"
#include "mount/data.h"
#include "mount/destination.h"
#include "mount/dev.h"
#include "mount/fs.h"
#include "mount/kernel-fs.h"
#include "mount/mask-paths.h"
#include "mount/mask.h"
#include "mount/overlay.h"
#include "mount/pivot.h"
#include "mount/proc.h"
#include "mount/scratch.h"
#include "mount/state.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

/* ---- pinning ---- */

static void note_type(const struct run *run, const struct op *op, struct pin *pin)
{
	struct kernel_statx status;
	if (fs_look_at(run, pin->mount_fd, &status, &pin->is_directory) < 0)
		die_errno(errno, "%s: Can't look at the source", position_text(op->position));
	pin->mount_id = status.stx_mnt_id;
}

/* Whether / of the host, shown at /, needs no clone: our copy of the mount namespace is one already. So where it was
 * made with a user namespace, whose copy has slave mounts only, all of them locked, and / on top of it
 * (mount_namespaces(7), create_user_ns()); and where setup puts nothing on the host's tree to work with (data.c), and
 * writes to nothing in it once its flags are set. */
static bool can_stay(const struct run *run, const struct op *op)
{
	const struct plan *plan = run->plan;
	if (op != plan->root.ops || !plan_first_op_is_root(plan) || !op->outer_path ||
	    !streq(op->outer_path, "/") || !(run->shape.namespaces & CLONE_NEWUSER) ||
	    run->mounts->scratch.exists)
		return false;
	for (const struct op *other = op; other < op + plan->root.n_ops; other++)
		if (other->kind == OP_OVERLAY || other->makes_source || plan_is_private_file(other))
			return false;
	return true;
}

static void pin_bind(const struct run *run, const struct op *op, struct pin *pin)
{
	if (can_stay(run, op)) {
		pin->mount_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		/* A copy that is made late comes after what lies on it in the list of mounts, and who reads that takes the
		 * last one for the one on top. */
		pin->stays = pin->mount_fd >= 0 &&
			     !scratch_runs_short(run, pin->mount_fd,
						 run->plan->root.n_ops + N_DEVICE_NODES);
		if (!pin->stays)
			close_fd(&pin->mount_fd);
	}
	if (!pin->stays)
		pin->mount_fd = bind_pin(run, op);
	pin->skipped = pin->mount_fd < 0;
}

/* may_nest: something is bound writable, and whether that is a part of another's source matters. */
static void pin_op(struct run *run, size_t number, bool may_nest)
{
	const struct op *op = &run->plan->root.ops[number];
	struct pin *pin = &run->mounts->pins[number];
	switch (op->kind) {
	case OP_BIND:
		pin_bind(run, op, pin);
		if (!pin->skipped) {
			note_type(run, op, pin);
			if (may_nest)
				destination_note_source(run, op);
		}
		break;
	case OP_OVERLAY:
		pin->mount_fd = overlay_pin(run, op, &pin->parts);
		mask_paths_note_layers(run, op);
		pin->is_directory = true;
		break;
	case OP_PROC:
	case OP_PROC_PID:
	case OP_PROC_TRY:
		proc_pin(run, op, pin);
		break;
	case OP_SYS:
		kernel_fs_pin(op, pin);
		break;
	case OP_DEV:
		pin->is_directory = true;
		dev_pin(run, number);
		break;
	default:
		break;
	}
}

void newroot_pin(struct run *run)
{
	const struct plan *plan = run->plan;
	run->mounts = arena_alloc(sizeof(*run->mounts));
	run->mounts->own_directory.fd = run->mounts->level.fd = -1;
	run->mounts->pins = arena_alloc(plan->root.n_ops * sizeof(*run->mounts->pins));
	size_t n_wanted = plan->root.n_ops + SPARE;
	mask_prepare(run);
	mask_paths_prepare(run);
	bool may_nest = destination_trees_may_nest(plan) || run->mounts->masks;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		run->mounts->pins[i].mount_fd = run->mounts->pins[i].console =
			run->mounts->pins[i].file_fd = -1;
		for (size_t j = 0; j < N_DEVICE_NODES; j++)
			run->mounts->pins[i].nodes[j] = -1;
		const struct overlay *overlay = plan->root.ops[i].overlay;
		n_wanted += overlay ? 2 * overlay->n_layers + OVERLAY_SPARE : 0;
	}

	struct rlimit limit = run->host->nofile;
	if (n_wanted > limit.rlim_cur && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
			run->nofile_raised = true;
		else
			limit.rlim_cur = run->host->nofile.rlim_cur;
	}
	run->mounts->n_descriptors = limit.rlim_cur;
	int newest_fd = -1;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct overlay *overlay = plan->root.ops[i].overlay;
		if (overlay && newest_fd >= 0 &&
		    scratch_runs_short(run, newest_fd, 2 * overlay->n_layers + OVERLAY_SPARE)) {
			scratch_park(run);
			newest_fd = -1;
		}
		pin_op(run, i, may_nest);
		if (run->mounts->pins[i].mount_fd >= 0)
			newest_fd = run->mounts->pins[i].mount_fd;
		if (run->mounts->pins[i].mount_fd >= 0 && scratch_runs_short(run, newest_fd, 0)) {
			scratch_park(run);
			newest_fd = -1;
		}
	}
}

/* ---- moving in ---- */

static void attach_new_root(const struct run *run, int mount_fd)
{
	if (!run->mounts->scratch.exists)
		pivot_attach(mount_fd);
	else if (mkdirat(run->mounts->scratch.fd, "root", 0700) < 0 ||
		 sys_move_mount(mount_fd, "", run->mounts->scratch.fd, "root",
				MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_because(errno, "Can't attach the new root: %s%s", errno_text(errno),
			    diagnose_mount_api(errno));
}

/* The first / : what the first operation shows there, or an empty tmpfs. Attached, not entered. */
static void make_root_mount(struct run *run, int *ret_fd)
{
	const struct plan *plan = run->plan;
	struct pin *first = plan->root.n_ops ? &run->mounts->pins[0] : NULL;
	*ret_fd = -1;
	bool is_own = true;
	if (plan_first_op_is_root(plan)) {
		const struct op *op = &plan->root.ops[0];
		scratch_take_back(run, 0);
		if (op->kind == OP_TMPFS)
			*ret_fd = fs_make_op_tmpfs(run, op, op->mount_flags);
		else if (!first->skipped && !first->is_directory)
			die("%s: Can't show %s at /: it is no directory",
			    position_text(op->position),
			    op->outer_path ? op->outer_path : "the descriptor");
		else if (!first->skipped)
			*ret_fd = first->mount_fd;
		is_own = op->kind == OP_TMPFS || first->skipped;
		first->mount_fd = -1;
		first->is_root = !first->skipped; /* done */
		first->skipped = true;
	}
	if (*ret_fd < 0)
		*ret_fd = fs_make_tmpfs((struct position){ .option = "the new root" }, 0755);
	if (is_own)
		destination_note_tmpfs(run, *ret_fd);
	if (first && first->is_root)
		destination_note_mount(run, &plan->root.ops[0], *ret_fd);
	if (first && first->stays)
		bind_set_flags(run, &plan->root.ops[0], *ret_fd);
	else
		attach_new_root(run, *ret_fd);
}

void newroot_enter(struct run *run)
{
	data_pin(run); /* which makes files, and so with their label */
	if (run->mounts->scratch.exists || run->in_chroot)
		root_stand_on(run->host->proc_fd); /* no source is looked up any more */
	make_root_mount(run, &run->root.fd);
	if (!run->mounts->scratch.exists) {
		if (plan_first_op_is_root(run->plan) && run->mounts->pins[0].stays)
			pivot_stay(run);
		else
			pivot_into(run);
		return;
	}
	scratch_leave_host(run);
	close_fd(&run->mounts->scratch.fd);
	run->mounts->scratch.fd = AT_FDCWD;
	pivot_learn_root(&run->root);
}
