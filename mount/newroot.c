/* newroot.c - the new /, everything made or mounted in it, and moving in.
 *
 * Three steps, in this order for a reason:
 *   pin    every source of the host becomes a detached clone with its flags set, and every file system that the
 *          kernel wants to compare with the host's (procfs) is created, while the host can still be seen;
 *   enter  / is made, we move in, and the old root is detached: from then on there is no path, no link and no ".." that
 *          leads to the host, by construction. Where a workshop is needed, that becomes the root of the mount
 *          namespace, with / below it, until all is built;
 *   build  the operations in command-line order, all of them inside.
 *
 * Must not: look up a path in any other way than through path.c; keep a descriptor of the host's tree but the
 * O_PATH /proc of the run.
 */
#include "mount/newroot.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/overlay-fuse.h"
#include "mount/overlay.h"
#include "plan/cover.h"
#include "plan/explain.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct {
	const char *name;
	unsigned major, minor;
} device_nodes[] = {
	/* Documentation/admin-guide/devices.txt */
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

struct pin {
	int mount_fd; /* -1: skipped, parked, or nothing to pin */
	bool skipped; /* the source does not exist and need not */
	bool parked;  /* attached in the workshop under the operation's number */
	bool is_directory;
	uint64_t mount_id;                            /* 0: nobody has asked yet */
	bool is_root;                                 /* shown as / when the new root was made */
	const char *source;                           /* where on the host; NULL: of no interest */
	int nodes[ARRAY_SIZE(device_nodes)], console; /* --dev */
	struct overlay_part *parts; /* what belongs on submounts of an overlay's layers */
};

/* A tmpfs of our own where clones are parked while descriptors are short: the root of the mount
 * namespace, with the host's in "host" and the new root in "root". It must not be mounted on either of
 * them: a ".." that arrives at a root from below enters what covers that, with
 * RESOLVE_IN_ROOT as well. It is gone before COMMAND starts. */
static struct {
	bool exists;
	int fd; /* AT_FDCWD once nothing of the host is looked up any more: we stand in it */
} workshop;

/* The mounts in the new root that are new file systems: nobody else can change what is in them. */
static struct {
	uint64_t *mount_ids;
	size_t n, capacity;
} own_tmpfs;

static uint64_t note_own_tmpfs(int mount_fd)
{
	struct kernel_statx status;
	if (sys_statx(mount_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't look at a new tmpfs");
	own_tmpfs.mount_ids = arena_grow(own_tmpfs.mount_ids, own_tmpfs.n, &own_tmpfs.capacity,
					 sizeof(*own_tmpfs.mount_ids));
	return own_tmpfs.mount_ids[own_tmpfs.n++] = status.stx_mnt_id;
}

static bool is_on_own_tmpfs(int fd)
{
	struct kernel_statx status;
	if (own_tmpfs.n && sys_statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0)
		for (size_t i = 0; i < own_tmpfs.n; i++)
			if (own_tmpfs.mount_ids[i] == status.stx_mnt_id)
				return true;
	return false;
}

static int make_proc(const struct op *op)
{
	int fd = fs_try_make("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			     (const char *[]){ NULL });
	if (fd < 0)
		die("%s: %s: %s%s", position_text(op->position), fs_no_proc_text(op),
		    errno_text(errno), diagnose_proc_mount(errno));
	return fd;
}

/* ---- pinning ---- */

static void attach_on_root(int mount_fd)
{
	if (sys_move_mount(mount_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die("Can't attach the new root: %s%s", errno_text(errno),
		    diagnose_mount_api(errno));
}

static _Noreturn void die_of_pivot(int error)
{
	die("Can't move into the new root: %s%s", errno_text(error),
	    error == EINVAL ? "; the present root is the initial ramfs"
			    : diagnose_mount_api(error));
}

static void enter_workshop(const struct run *run)
{
	if (run->in_chroot)
		root_stand_on(run->host->proc_fd);
	attach_on_root(workshop.fd);
	if (fchdir(workshop.fd) < 0 || mkdirat(workshop.fd, "host", 0700) < 0 ||
	    sys_pivot_root(".", "host") < 0)
		die_of_pivot(errno);
}

/* The same while sources are still to be looked up: we go back to where we were, as into a chroot. */
static void make_workshop_beside(const struct run *run)
{
	workshop.fd = fs_make_tmpfs((struct position){ .option = "setup" }, 0700, 0);
	workshop.exists = true;
	AUTO_CLOSE int root_fd = run->in_chroot ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	AUTO_CLOSE int directory_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if ((run->in_chroot && root_fd < 0) || directory_fd < 0)
		die_errno(errno, "Can't look at / and the present directory");
	enter_workshop(run);
	if ((run->in_chroot ? fchdir(root_fd) : chdir("host")) < 0 || chroot(".") < 0 ||
	    fchdir(directory_fd) < 0)
		die_errno(errno, "Can't go back to / and the present directory");
}

enum { SPARE = 24 };         /* what the rest of setup may need at once, --dev included */
enum { OVERLAY_SPARE = 8 };  /* and an overlay, beside two for each layer */
static rlim_t n_descriptors; /* that there may be */

/* Numbers are given from the lowest, so a high one says how many are taken. */
bool newroot_runs_short(int newest_fd, size_t n_more)
{
	return (rlim_t) newest_fd + n_more + SPARE >= n_descriptors;
}

/* Descriptors are running short: the clones made so far are attached in the workshop, under their
 * operation's number, and closed. */
static void park_pins(struct run *run)
{
	if (!workshop.exists)
		make_workshop_beside(run);
	for (size_t i = 0; i < run->plan->root.n_ops; i++) {
		struct pin *pin = &run->pins[i];
		if (pin->mount_fd < 0)
			continue;
		const char *name = arena_number(i, 10);
		int made = pin->is_directory ? mkdirat(workshop.fd, name, 0700)
					     : mknodat(workshop.fd, name, S_IFREG | 0600, 0);
		if (made < 0 || sys_move_mount(pin->mount_fd, "", workshop.fd, name,
					       MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't set the source aside",
				  position_text(run->plan->root.ops[i].position));
		close_fd(&pin->mount_fd);
		pin->parked = true;
	}
}

static void take_pin(struct run *run, size_t i)
{
	struct pin *pin = &run->pins[i];
	if (!pin->parked)
		return;
	pin->mount_fd = openat(workshop.fd, arena_number(i, 10), O_PATH | O_CLOEXEC);
	if (pin->mount_fd < 0)
		die_errno(errno, "%s: Can't take the source back",
			  position_text(run->plan->root.ops[i].position));
}

static void note_type(const struct run *run, const struct op *op, struct pin *pin)
{
	struct kernel_statx status;
	if (fs_look_at(run, pin->mount_fd, &status, &pin->is_directory) < 0)
		die_errno(errno, "%s: Can't look at the source", position_text(op->position));
	pin->mount_id = status.stx_mnt_id;
}

/* What COMMAND can write to and stays on the host. */
static bool is_writable_tree(const struct op *op)
{
	return (op->kind == OP_BIND && !op->read_only) ||
	       (op->kind == OP_OVERLAY && op->overlay->upper.path);
}

/* Also where the host's devices and processes are. */
static bool has_worth(const struct run *run, const struct op *op)
{
	return is_writable_tree(op) || op->kind == OP_DEV ||
	       (op->kind == OP_PROC && !run->shape.new_proc);
}

/* A link's owner without a number is nobody that an earlier COMMAND of the same caller was, unless that
 * was root, or had other numbers than the caller's own. */
static bool owners_tell(const struct run *run)
{
	return run->host->caller.uid != 0 && run->host->caller.uid != OVERFLOW_UID &&
	       run->shape.user_namespace && run->plan->report.userns_block.fd < 0 &&
	       run->shape.inner_uid != OVERFLOW_UID;
}

/* An earlier COMMAND may have left links there, when it could write to what cannot be written to now,
 * too. Those of /etc and its like are many: where nothing tells them apart they are the system's. */
static bool has_links(const struct run *run, const struct op *op)
{
	return is_writable_tree(op) ||
	       ((op->kind == OP_BIND || op->kind == OP_OVERLAY) && owners_tell(run));
}

/* Takes note of where on the host a bind's source is, if by the words of the line it may be a part of
 * another's, or the other way round, and the part is writable. A neighbour may have put something else there since it
 * was cloned, which is then not that. */
static void note_source(const struct run *run, const struct op *op, struct pin *pin)
{
	const struct plan *plan = run->plan;
	bool wanted = false;
	for (const struct op *other = plan->root.ops;
	     !wanted && other < plan->root.ops + plan->root.n_ops; other++)
		wanted = other != op && other->kind == OP_BIND && op->outer_path &&
			 other->outer_path &&
			 ((!op->read_only && path_is_within(op->outer_path, other->outer_path)) ||
			  (!other->read_only && path_is_within(other->outer_path, op->outer_path)));
	AUTO_CLOSE int fd = wanted ? open(op->outer_path, O_PATH | O_CLOEXEC) : -1;
	if (fd < 0 || !fs_is_same_object(fd, pin->mount_fd))
		return;
	char path[PATH_MAX];
	ssize_t length =
		readlinkat(run->host->proc_fd, arena_printf("self/fd/%d", fd), path, PATH_MAX);
	if (length > 0 && length < PATH_MAX && path[0] == '/')
		pin->source = arena_copy(path, (size_t) length);
}

/* The terminal on stdout, if there is one: /dev/console of --dev. */
static int pin_console(void)
{
	char path[PATH_MAX];
	struct stat ours, found;
	if (!isatty(STDOUT_FILENO) || ttyname_r(STDOUT_FILENO, path, sizeof(path)) != 0)
		return -1;
	int fd = bind_pin_one(path, false);
	if (fd >= 0 && (fstat(STDOUT_FILENO, &ours) < 0 || fstat(fd, &found) < 0 ||
			ours.st_rdev != found.st_rdev))
		close_fd(&fd);
	return fd;
}

/* Shows in --dev's tmpfs, which is attached, the devices that have not been shown there yet. */
static void show_devices(const struct op *op, struct pin *pin)
{
	for (size_t i = 0; i <= ARRAY_SIZE(device_nodes); i++) {
		bool console = i == ARRAY_SIZE(device_nodes);
		const char *name = console ? "console" : device_nodes[i].name;
		int *node = console ? &pin->console : &pin->nodes[i];
		if (*node < 0)
			continue;
		if (mknodat(pin->mount_fd, name, S_IFREG | 0444, 0) < 0 ||
		    sys_move_mount(*node, "", pin->mount_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't make %s/%s", position_text(op->position),
				  op->inner_path, name);
		close_fd(node);
	}
}

static void pin_dev(struct run *run, size_t number)
{
	const struct op *op = &run->plan->root.ops[number];
	struct pin *pin = &run->pins[number];
	pin->mount_fd = fs_make_tmpfs(op->position, 0755, 0);
	bool is_short = newroot_runs_short(pin->mount_fd, 0);
	if (is_short) {
		park_pins(run);
		take_pin(run, number);
	}
	for (size_t i = 0; i < ARRAY_SIZE(device_nodes); i++) {
		struct stat status;
		const char *path = arena_join("/dev/", device_nodes[i].name);
		pin->nodes[i] = bind_pin_one(path, false);
		if (pin->nodes[i] < 0 || fstat(pin->nodes[i], &status) < 0)
			die("Can't find source path %s: %s, at %s", path, errno_text(errno),
			    position_text(op->position));
		/* Not what somebody who could write to the host's /dev has put there. */
		if (!S_ISCHR(status.st_mode) ||
		    status.st_rdev != makedev(device_nodes[i].major, device_nodes[i].minor))
			die("%s: %s is not the device it should be (%u:%u)",
			    position_text(op->position), path, device_nodes[i].major,
			    device_nodes[i].minor);
		if (is_short)
			show_devices(op, pin);
	}
	pin->console = pin_console();
	if (is_short) {
		show_devices(op, pin);
		close_fd(&pin->mount_fd);
	}
}

/* may_nest: something is bound writable, and whether that is a part of another's source matters. */
static void pin_op(struct run *run, size_t number, bool may_nest)
{
	const struct op *op = &run->plan->root.ops[number];
	struct pin *pin = &run->pins[number];
	switch (op->kind) {
	case OP_BIND:
		pin->mount_fd = bind_pin(run, op);
		pin->skipped = pin->mount_fd < 0;
		if (!pin->skipped) {
			note_type(run, op, pin);
			if (may_nest)
				note_source(run, op, pin);
		}
		break;
	case OP_OVERLAY:
		pin->mount_fd = overlay_pin(run, op, &pin->parts);
		pin->is_directory = true;
		break;
	case OP_PROC:
		if (run->shape.new_proc) {
			pin->mount_fd = make_proc(op);
		} else {
			struct op host_proc = *op;
			host_proc.outer_path = "/proc";
			pin->mount_fd = bind_pin(run, &host_proc);
		}
		pin->is_directory = true;
		break;
	case OP_DEV:
		pin->is_directory = true;
		pin_dev(run, number);
		break;
	default:
		break;
	}
}

/* What a descriptor holds, for an fd that several operations share; kept until the end. */
struct held_data {
	int fd;
	char *bytes;
	size_t length;
	struct held_data *next;
};

static const struct held_data *hold_data(const struct op *op)
{
	static struct held_data *all;
	for (const struct held_data *held = all; held; held = held->next)
		if (held->fd == op->outer_fd)
			return held;
	struct held_data *held = arena_alloc(sizeof(*held));
	*held = (struct held_data){ .fd = op->outer_fd, .next = all };
	if (!read_all(op->outer_fd, SIZE_MAX / 4, &held->bytes, &held->length))
		die_errno(errno, "%s: Can't read descriptor %d", position_text(op->position),
			  op->outer_fd);
	return all = held;
}

static bool is_shared_fd(const struct run *run, int fd)
{
	int n = 0;
	for (size_t i = 0; i < run->plan->root.n_ops; i++)
		n += run->plan->root.ops[i].outer_fd == fd;
	return n > 1;
}

static void copy_data(const struct run *run, const struct op *op, int file_fd)
{
	if (is_shared_fd(run, op->outer_fd)) {
		const struct held_data *held = hold_data(op);
		if (!write_all(file_fd, held->bytes, held->length))
			die_errno(errno, "%s: Can't write %s", position_text(op->position),
				  op->inner_path);
		return;
	}
	char buffer[32768];
	for (;;) {
		ssize_t n = read(op->outer_fd, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die_errno(errno, "%s: Can't read descriptor %d",
				  position_text(op->position), op->outer_fd);
		if (n == 0)
			return;
		if (!write_all(file_fd, buffer, (size_t) n))
			die_errno(errno, "%s: Can't write %s", position_text(op->position),
				  op->inner_path);
	}
}

/* A private file becomes a clone of itself, as whatever a bind shows is one. */
static void pin_data(const struct run *run, size_t number, int scratch_fd)
{
	const struct op *op = &run->plan->root.ops[number];
	const char *name = arena_join("data", arena_number(number, 10));
	AUTO_CLOSE int file_fd =
		openat(scratch_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, op->mode);
	if (file_fd < 0)
		die_errno(errno, "%s: Can't make a private file", position_text(op->position));
	copy_data(run, op, file_fd);
	int mount_fd = sys_open_tree(scratch_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount_fd < 0)
		die("%s: Can't clone a private file: %s%s", position_text(op->position),
		    errno_text(errno), diagnose_mount_api(errno));
	bind_set_flags(run, op, mount_fd);
	run->pins[number].mount_fd = mount_fd;
}

/* Private files lie on a tmpfs that no path of the sandbox leads to: it goes with the host. Until then
 * it is attached where the host is not looked at any more, since 6.12 clones nothing that is detached. */
static int attach_scratch(void)
{
	int fd = fs_make_tmpfs((struct position){ .option = "setup" }, 0700, 0);
	if (sys_move_mount(fd, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die("Can't attach a tmpfs for private files: %s%s", errno_text(errno),
		    diagnose_mount_api(errno));
	return fd;
}

void newroot_pin(struct run *run)
{
	const struct plan *plan = run->plan;
	run->pins = arena_alloc(plan->root.n_ops * sizeof(*run->pins));
	size_t n_wanted = plan->root.n_ops + SPARE;
	bool may_nest = false;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		may_nest |= plan->root.ops[i].kind == OP_BIND && !plan->root.ops[i].read_only;
		run->pins[i].mount_fd = run->pins[i].console = -1;
		for (size_t j = 0; j < ARRAY_SIZE(device_nodes); j++)
			run->pins[i].nodes[j] = -1;
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
	n_descriptors = limit.rlim_cur;
	int newest_fd = -1;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct overlay *overlay = plan->root.ops[i].overlay;
		if (overlay && newest_fd >= 0 &&
		    newroot_runs_short(newest_fd, 2 * overlay->n_layers + OVERLAY_SPARE)) {
			park_pins(run);
			newest_fd = -1;
		}
		pin_op(run, i, may_nest);
		if (run->pins[i].mount_fd >= 0)
			newest_fd = run->pins[i].mount_fd;
		if (run->pins[i].mount_fd >= 0 && newroot_runs_short(newest_fd, 0)) {
			park_pins(run);
			newest_fd = -1;
		}
	}
	AUTO_CLOSE int scratch_fd = -1;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		if (plan->root.ops[i].kind != OP_DATA)
			continue;
		if (scratch_fd < 0)
			scratch_fd = attach_scratch();
		pin_data(run, i, scratch_fd);
		if (newroot_runs_short(run->pins[i].mount_fd, 0))
			park_pins(run);
	}
}

/* ---- moving in ---- */

static void learn_root(struct root *root)
{
	struct kernel_statx status;
	if (sys_statx(root->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't look at the new root");
	root->mount_id = status.stx_mnt_id;
}

/* A root that is still covered by another one would look right and be none. */
static void verify_topmost(uint64_t mount_id)
{
	if (root_topmost_mount_id() != mount_id)
		die("The old root is still there after it was detached; nothing was run");
}

/* Makes the attached mount our root and detaches the old one. */
static void move_into(struct run *run)
{
	if (fchdir(run->root.fd) < 0 || sys_pivot_root(".", ".") < 0)
		die_of_pivot(errno);
	learn_root(&run->root);
	/* pivot_root(2): with "." for both, the old root is stacked on the new one. */
	if (sys_umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		die_errno(errno, "Can't detach the old root");
	verify_topmost(run->root.mount_id);
}

/* Leaves the host behind in the workshop, where the new root is attached by another name. */
static void leave_host(void)
{
	struct kernel_statx ours, left;
	if (fchdir(workshop.fd) < 0 || sys_umount2("host", MNT_DETACH) < 0)
		die_errno(errno, "Can't detach the old root");
	if (sys_statx(workshop.fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &ours) < 0 ||
	    sys_statx(workshop.fd, "host", 0, STATX_MNT_ID, &left) < 0)
		die_errno(errno, "Can't verify the new root");
	if (left.stx_mnt_id != ours.stx_mnt_id)
		die("The old root is still there after it was detached; nothing was run");
	verify_topmost(ours.stx_mnt_id);
}

static void leave_workshop(struct run *run)
{
	if (!workshop.exists)
		return;
	move_into(run);
}

static void attach_new_root(int mount_fd)
{
	if (!workshop.exists)
		attach_on_root(mount_fd);
	else if (mkdirat(workshop.fd, "root", 0700) < 0 ||
		 sys_move_mount(mount_fd, "", workshop.fd, "root", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die("Can't attach the new root: %s%s", errno_text(errno),
		    diagnose_mount_api(errno));
}

/* The first / : what the first operation shows there, or an empty tmpfs. Attached, not entered. */
static void make_root_mount(struct run *run, int *ret_fd)
{
	const struct plan *plan = run->plan;
	struct pin *first = plan->root.n_ops ? &run->pins[0] : NULL;
	*ret_fd = -1;
	bool is_own = true;
	if (plan_first_op_is_root(plan)) {
		const struct op *op = &plan->root.ops[0];
		take_pin(run, 0);
		if (op->kind == OP_TMPFS)
			*ret_fd = fs_make_tmpfs(op->position, op->mode, op->size_bytes);
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
		*ret_fd = fs_make_tmpfs((struct position){ .option = "the new root" }, 0755, 0);
	if (is_own)
		note_own_tmpfs(*ret_fd);
	attach_new_root(*ret_fd);
}

void newroot_enter(struct run *run)
{
	if (workshop.exists || run->in_chroot)
		root_stand_on(run->host->proc_fd); /* no source is looked up any more */
	make_root_mount(run, &run->root.fd);
	if (!workshop.exists) {
		move_into(run);
		return;
	}
	leave_host();
	close_fd(&workshop.fd);
	workshop.fd = AT_FDCWD;
	learn_root(&run->root);
}

/* An operation on / itself covers the root; we move in once more, or COMMAND would not see it. */
static void enter_again(struct run *run, const struct op *op, int mount_fd)
{
	own_tmpfs.n = 0; /* they go, and others may get their numbers */
	struct path_guard *guard = run->guard;
	if (guard) { /* which was told of this one last */
		guard->mounts[0] = guard->mounts[guard->n_mounts - 1];
		guard->n_mounts = 1;
	}
	if (op->kind == OP_TMPFS)
		note_own_tmpfs(mount_fd);
	if (!workshop.exists)
		attach_on_root(mount_fd);
	else
		bind_attach(op, mount_fd, run->root.fd, "");
	close_fd(&run->root.fd);
	run->root.fd = mount_fd;
	if (!workshop.exists)
		move_into(run);
	else
		learn_root(&run->root);
}

/* ---- whose tree a link lies in ---- */

/* Takes note of the mount that an operation shows. */
static void tell_guard(struct run *run, const struct op *op, int mount_fd)
{
	struct path_guard *guard = run->guard;
	if (!guard)
		return;
	size_t i = (size_t) (op - run->plan->root.ops);
	struct path_mount mount = { .id = run->pins[i].mount_id,
				    .tree = (int) i,
				    .has_links = has_links(run, op),
				    .has_worth = has_worth(run, op) };
	struct kernel_statx status;
	if (!mount.id) {
		if (sys_statx(mount_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
			      &status) < 0)
			die_errno(errno, "%s: Can't look at the mount",
				  position_text(op->position));
		mount.id = status.stx_mnt_id;
	}
	guard->mounts = arena_grow(guard->mounts, guard->n_mounts, &guard->capacity_mounts,
				   sizeof(*guard->mounts));
	guard->mounts[guard->n_mounts++] = mount;
}

/* A link can lead from one tree into another where there are two. For --verbose one is enough. */
static void set_guard(struct run *run)
{
	const struct plan *plan = run->plan;
	size_t n_with_links = 0, n_of_worth = 0, n_of_both = 0;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		bool links = has_links(run, &plan->root.ops[i]),
		     worth = has_worth(run, &plan->root.ops[i]);
		n_with_links += links;
		n_of_worth += worth;
		n_of_both += links && worth;
	}
	bool none = !n_with_links || !n_of_worth;
	if (!plan->verbose && (none || (n_with_links + n_of_worth == 2 && n_of_both)))
		return;
	run->guard = arena_alloc(sizeof(*run->guard));
	run->guard->led_into = PATH_NO_TREE;
	run->guard->owners_tell = owners_tell(run);
	run->guard->sources = arena_alloc(plan->root.n_ops * sizeof(*run->guard->sources));
	for (size_t i = 0; i < plan->root.n_ops; i++)
		run->guard->sources[i] = run->pins[i].source;
	if (run->pins[0].is_root)
		tell_guard(run, &plan->root.ops[0], run->root.fd);
}

const char *newroot_link_text(const struct run *run)
{
	const struct op *ops = run->plan->root.ops;
	return arena_printf("the link %s in what %s shows leads into what %s shows, and may have "
			    "been made for that; "
			    "name the place that it leads to, or remove it",
			    run->guard->link.name,
			    position_text(ops[run->guard->link.tree].position),
			    position_text(ops[run->guard->led_into].position));
}

/* --verbose: what is only mounted follows every link. */
static void tell_of_links(const struct run *run, const struct op *op)
{
	if (!run->plan->verbose || !run->guard)
		return;
	int fd = path_open_to_change(run->root.fd, op->inner_path, O_PATH, run->guard);
	close_fd(&fd);
	if (run->guard->link.name)
		say_note("%s: follows the link %s, which can be another next time: it lies in what "
			 "%s shows",
			 position_text(op->position), run->guard->link.name,
			 position_text(run->plan->root.ops[run->guard->link.tree].position));
}

/* ---- destinations ---- */

/* What explain.h calls is_missing; all sources are pinned. */
static const bool *missing_ops(const struct run *run)
{
	static bool *is_missing;
	size_t n = run->plan->root.n_ops;
	if (!is_missing) {
		is_missing = arena_alloc(n * sizeof(*is_missing));
		for (size_t i = 0; i < n; i++)
			is_missing[i] = run->pins[i].skipped && !run->pins[i].is_root;
	}
	return is_missing;
}

static _Noreturn void die_of_destination(const struct run *run, const struct op *op,
					 const char *what, int error)
{
	const char *why = "";
	if (error == EXDEV && run->guard && run->guard->led_into != PATH_NO_TREE)
		die("%s: Can't %s %s: %s", position_text(op->position), what, op->inner_path,
		    newroot_link_text(run));
	const struct op *blamed =
		error == EROFS ? plan_who_made_read_only(run->plan, op, missing_ops(run)) : NULL;
	if (blamed)
		why = arena_printf(
			"; %s made it read-only: %s, or put this operation on a writable place",
			position_text(blamed->position),
			op->kind == OP_CHMOD ? "change it on the host" : "create it on the host");
	else if (error == EEXIST)
		why = "; a symbolic link that leads nowhere is in the way";
	else if (error == ELOOP)
		why = "; a loop of symbolic links, or one of /proc's that would lead out of the "
		      "sandbox";
	else if (error == EACCES)
		why = "; a directory on the way does not let this user in";
	die("%s: Can't %s %s: %s%s", position_text(op->position), what, op->inner_path,
	    errno_text(error), why);
}

static int open_parent(const struct run *run, const struct op *op, const char **ret_name)
{
	int fd = path_open_parent(run->root.fd, op->inner_path, op->parent_mode, run->guard,
				  ret_name);
	if (fd < 0)
		die_of_destination(run, op, "make the parents of", errno);
	return fd;
}

static int make_at(int dir_fd, const char *name, mode_t type_and_mode)
{
	return S_ISDIR(type_and_mode) ? mkdirat(dir_fd, name, type_and_mode & 07777)
				      : mknodat(dir_fd, name, type_and_mode, 0);
}

/* Creates the last component, which was not there a moment ago, in parent_fd, which is taken over;
 * -1: that has still to be found. */
static void make_last(const struct run *run, const struct op *op, int parent_fd,
		      mode_t type_and_mode)
{
	const char *name;
	AUTO_CLOSE int fd = parent_fd < 0 ? open_parent(run, op, &name) : parent_fd;
	path_split(op->inner_path, &name);
	struct stat status;
	/* Another sandbox may just have made the same on a shared tree; a link is no directory and
	 * no file. */
	if (make_at(fd, name, type_and_mode) < 0 &&
	    !(errno == EEXIST && fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	      (status.st_mode & S_IFMT) == (type_and_mode & S_IFMT)))
		die_of_destination(run, op,
				   S_ISDIR(type_and_mode) ? "make the directory" : "make the file",
				   errno);
}

/* The directory that something was last made in, where that lies on a tmpfs of ours. The same words
 * lead to the same directory for as long as nothing that was there is covered by a mount: nobody else
 * can rename anything, we never do, and what is made has a new name. */
static struct {
	const char *path; /* the beginning of an operation's */
	size_t length;
	int fd;
} own_directory = { .fd = -1 };

static void forget_own_directory(void)
{
	close_fd(&own_directory.fd);
}

/* That directory, if the operation's last component belongs in it; else -1. */
static int same_own_directory(const struct op *op, const char **ret_name)
{
	size_t length = path_split(op->inner_path, ret_name);
	return own_directory.fd >= 0 && length == own_directory.length &&
			       memcmp(op->inner_path, own_directory.path, length) == 0
		       ? own_directory.fd
		       : -1;
}

/* The directory that the last component of a destination belongs in, made if it is missing; -1 where
 * the host, too, has a say in what is there, and it is the caller's as ret_parent_fd. What can be made
 * in it needs no second look; all else, and every failure, is for the long way. */
static int open_own_directory(const struct run *run, const struct op *op, int *ret_parent_fd,
			      const char **ret_name)
{
	int fd = same_own_directory(op, ret_name);
	*ret_parent_fd = -1;
	if (fd >= 0)
		return fd;
	forget_own_directory();
	fd = open_parent(run, op, ret_name);
	if (!is_on_own_tmpfs(fd)) {
		*ret_parent_fd = fd;
		return -1;
	}
	own_directory.path = op->inner_path;
	own_directory.length = path_split(op->inner_path, ret_name);
	return own_directory.fd = fd;
}

/* Opens what a mount will cover, unless `fd` is it, made if it is missing, for which parent_fd, if there
 * is one, is taken over; dies if it is of the wrong
 * type. ret_is_root: it is the root of the new root. */
static int open_mount_point(const struct run *run, const struct op *op, int fd, int parent_fd,
			    bool directory, mode_t mode, bool *ret_is_root)
{
	if (fd < 0 && parent_fd < 0)
		fd = path_open(run->root.fd, op->inner_path, O_PATH);
	if (fd < 0 && (parent_fd >= 0 || errno == ENOENT)) {
		make_last(run, op, parent_fd, directory ? S_IFDIR | mode : S_IFREG | mode);
		fd = path_open(run->root.fd, op->inner_path, O_PATH);
	}
	struct kernel_statx status;
	bool is_directory;
	if (fd < 0 || fs_look_at(run, fd, &status, &is_directory) < 0)
		die_of_destination(run, op, "find the mount point", errno);
	if (directory != is_directory)
		die("%s: Can't mount on %s: it is not a %s, and what is to be shown there is one",
		    position_text(op->position), op->inner_path, directory ? "directory" : "file");
	/* Its inode number others may have, too: subvolumes of btrfs, whatever a FUSE server likes. */
	*ret_is_root = status.stx_mnt_id == run->root.mount_id &&
		       status.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	/* A top is no name that COMMAND could remove there, and a FUSE server need not answer
	 * statfs(2). */
	if (!(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		overlay_note_mount(run, op, fd, status.stx_mnt_id);
	return fd;
}

/* Attaches a detached mount at the operation's destination, which is made if it is missing. False:
 * that is the root, and nothing was done. */
static bool attach(struct run *run, const struct op *op, int mount_fd, bool directory,
		   mode_t stub_mode)
{
	tell_of_links(run, op);
	tell_guard(run, op, mount_fd);
	const char *name;
	int there = -1, parent_fd = -1, own_fd = same_own_directory(op, &name);
	if (own_fd < 0)
		there = path_open(run->root.fd, op->inner_path, O_PATH);
	if (own_fd < 0 && there < 0 && errno == ENOENT)
		own_fd = open_own_directory(run, op, &parent_fd, &name);
	if (own_fd >= 0 &&
	    make_at(own_fd, name, (directory ? S_IFDIR : S_IFREG) | stub_mode) == 0) {
		bind_attach(op, mount_fd, own_fd, name);
		return true;
	}
	forget_own_directory();
	bool is_root;
	AUTO_CLOSE int dest_fd =
		open_mount_point(run, op, there, parent_fd, directory, stub_mode, &is_root);
	if (!is_root)
		bind_attach(op, mount_fd, dest_fd, "");
	return !is_root;
}

/* Shows a detached mount at the operation's destination; takes mount_fd over. */
static void show(struct run *run, const struct op *op, int mount_fd, bool directory,
		 mode_t stub_mode)
{
	if (attach(run, op, mount_fd, directory, stub_mode))
		close(mount_fd);
	else
		enter_again(run, op, mount_fd);
}

/* ---- the operations ---- */

/* A caller may have given that number to somebody. */
static bool is_overflow_uid_mapped(const struct run *run)
{
	AUTO_CLOSE int fd = openat(run->host->proc_fd, "self/uid_map", O_RDONLY | O_CLOEXEC);
	char *map;
	size_t length;
	if (fd < 0 || !read_all(fd, 65536, &map, &length))
		die_errno(errno, "Can't read /proc/self/uid_map");
	unsigned inner, outer, count;
	int used;
	for (; sscanf(map, "%u %u %u%n", &inner, &outer, &count, &used) == 3; map += used)
		if (inner <= OVERFLOW_UID && OVERFLOW_UID - inner < count)
			return true;
	return false;
}

/* The files below belong to the host's uid 0. Where that has no number in the sandbox's user
 * namespace, no capability in there reaches them (capable_wrt_inode_uidgid()), and nothing needs to
 * be covered. */
static bool is_out_of_reach(const struct run *run, const struct op *op, int proc_fd)
{
	struct stat status;
	if (fstatat(proc_fd, "sys", &status, 0) < 0)
		die_errno(errno, "%s: Can't look at %s/sys", position_text(op->position),
			  op->inner_path);
	return status.st_uid == OVERFLOW_UID && !is_overflow_uid_mapped(run);
}

/* In a user namespace the kernel makes a procfs only where a whole one can be found, and no less
 * read-only than that (mnt_already_visible()); one in which something is covered does not count. So
 * that a sandbox in the sandbox can have one, a whole read-only one lies below what covers `name`,
 * where no path leads: in a tmpfs that has covered / meanwhile, which takes no descriptor. */
static void leave_whole_proc(const struct op *op, int proc_fd, const char *name)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
				   .propagation = MS_PRIVATE };
	AUTO_CLOSE int whole =
		sys_open_tree(proc_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (whole < 0 || sys_mount_setattr(whole, "", AT_EMPTY_PATH, &attr) < 0 ||
	    mkdir("/../proc", 0) < 0 ||
	    sys_move_mount(whole, "", AT_FDCWD, "/../proc", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    sys_move_mount(AT_FDCWD, "/..", proc_fd, name, 0) < 0)
		die_errno(errno, "%s: Can't leave a whole procfs for sandboxes inside",
			  position_text(op->position));
}

/* What a writable procfs lets root do to the host: core_pattern, sysrq, interrupts, hardware. Each
 * is covered by a read-only view of itself. access(2) says nothing of directories: /proc/sys
 * refuses to be written itself, not what is below it (proc_sys_permission()). */
static void protect_proc(const struct run *run, const struct op *op, int proc_fd)
{
	static const char *const names[] = {
		"sys",  "sysrq-trigger", "irq",   "bus",         "fs",
		"acpi", "scsi",          "kcore", "kpagecgroup", "mtrr"
	};
	if (is_out_of_reach(run, op, proc_fd))
		return;
	AUTO_CLOSE int capacity = fs_make_tmpfs(op->position, 0700, 0);
	attach_on_root(capacity);
	close_fd(&capacity);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
						       MOUNT_ATTR_NODEV,
					   .propagation = MS_PRIVATE };
		AUTO_CLOSE int view = sys_open_tree(
			proc_fd, names[i], OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (view < 0 && errno == ENOENT)
			continue;
		if (view >= 0 && i == 0)
			leave_whole_proc(op, proc_fd, names[i]);
		if (view < 0 ||
		    sys_mount_setattr(view, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
		    sys_move_mount(view, "", proc_fd, names[i], MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't make %s/%s read-only",
				  position_text(op->position), op->inner_path, names[i]);
	}
}

static void build_proc(struct run *run, const struct op *op, struct pin *pin)
{
	if (!attach(run, op, pin->mount_fd, true, 0755))
		die("%s: %s: the root cannot be a procfs", position_text(op->position),
		    fs_no_proc_text(op));
	forget_own_directory(); /* what protects it takes three descriptors */
	protect_proc(run, op, pin->mount_fd);
	close_fd(&pin->mount_fd);
}

static void build_dev(struct run *run, const struct op *op, struct pin *pin)
{
	static const struct {
		const char *target, *name;
	} links[] = {
		{ "/proc/self/fd/0", "stdin" },  { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/self/fd", "fd" },
		{ "/proc/kcore", "core" },       { "pts/ptmx", "ptmx" },
	};
	int dev_fd = pin->mount_fd;
	if (!attach(run, op, dev_fd, true, 0755))
		die("%s: Can't mount on /: the root cannot be a /dev", position_text(op->position));

	/* Everything in a fresh tmpfs of ours: names relative to its descriptor meet no link. */
	show_devices(op, pin);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0)
			die_errno(errno, "%s: Can't make the link %s/%s",
				  position_text(op->position), op->inner_path, links[i].name);
	if (mkdirat(dev_fd, "shm", 0755) < 0 || mkdirat(dev_fd, "pts", 0755) < 0)
		die_errno(errno, "%s: Can't make a directory in %s", position_text(op->position),
			  op->inner_path);
	forget_own_directory(); /* a file system takes two descriptors while it is made */
	AUTO_CLOSE int pts_fd =
		fs_try_make("devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
			    (const char *[]){ "ptmxmode", "0666", "mode", "620", NULL });
	if (pts_fd < 0 || sys_move_mount(pts_fd, "", dev_fd, "pts", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_errno(errno, "%s: Can't mount devpts on %s/pts", position_text(op->position),
			  op->inner_path);
	close_fd(&pin->mount_fd);
}

static void build_file(const struct run *run, const struct op *op)
{
	/* O_NONBLOCK: a fifo that somebody put there must not hold us. */
	int flags = O_WRONLY | O_TRUNC | O_NOCTTY | O_NONBLOCK;
	AUTO_CLOSE int fd = path_open_to_change(run->root.fd, op->inner_path, flags, run->guard);
	if (fd < 0 && errno == ENOENT) {
		const char *name;
		AUTO_CLOSE int parent_fd = open_parent(run, op, &name);
		fd = openat(parent_fd, name, flags | O_CREAT | O_EXCL | O_CLOEXEC, op->mode);
	}
	if (fd < 0)
		die_of_destination(run, op, "write the file", errno);
	copy_data(run, op, fd);
}

static void build_symlink(const struct run *run, const struct op *op)
{
	const char *name;
	AUTO_CLOSE int parent_fd = -1;
	int own_fd = open_own_directory(run, op, &parent_fd, &name);
	if (own_fd >= 0 && symlinkat(op->link_target, own_fd, name) == 0)
		return;
	if (parent_fd < 0)
		parent_fd = open_parent(run, op, &name);
	if (symlinkat(op->link_target, parent_fd, name) == 0)
		return;
	if (errno != EEXIST)
		die_of_destination(run, op, "make symlink", errno);
	char target[PATH_MAX];
	ssize_t length = readlinkat(parent_fd, name, target, sizeof(target) - 1);
	if (length < 0)
		die("%s: Can't make symlink %s: what exists there is not a symlink",
		    position_text(op->position), op->inner_path);
	target[length] = '\0';
	if (!streq(target, op->link_target))
		die("%s: Can't make symlink %s to %s: existing destination is %s",
		    position_text(op->position), op->inner_path, op->link_target, target);
}

static void build_directory(const struct run *run, const struct op *op)
{
	const char *name;
	int own_fd = same_own_directory(op, &name);
	if (own_fd >= 0 && mkdirat(own_fd, name, op->mode) == 0)
		return;
	AUTO_CLOSE int fd = path_open(run->root.fd, op->inner_path, O_PATH);
	if (fd < 0 && errno == ENOENT) {
		int parent_fd;
		own_fd = open_own_directory(run, op, &parent_fd, &name);
		if (own_fd < 0 || mkdirat(own_fd, name, op->mode) < 0)
			make_last(run, op, parent_fd, S_IFDIR | op->mode);
		return;
	}
	struct kernel_statx status;
	bool is_directory;
	if (fd < 0 || fs_look_at(run, fd, &status, &is_directory) < 0)
		die_of_destination(run, op, "make the directory", errno);
	if (!is_directory)
		die("%s: Can't make the directory %s: it exists and is none",
		    position_text(op->position), op->inner_path);
}

/* fchmod(2) takes no O_PATH descriptor (EBADF; fchmodat2 is 6.6): the host's O_PATH /proc stands
 * in, whose links lead to descriptors of ours and nowhere else. */
static void build_chmod(const struct run *run, const struct op *op)
{
	AUTO_CLOSE int fd = path_open_to_change(run->root.fd, op->inner_path, O_PATH, run->guard);
	if (fd < 0 || fchmodat(run->host->proc_fd, arena_printf("self/fd/%d", fd), op->mode, 0) < 0)
		die_of_destination(run, op, "change the mode of", errno);
}

static void build_remount_ro(const struct run *run, const struct op *op)
{
	/* Private as a read-only bind is: a mount that the host adds later would appear writable. */
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	struct kernel_statx status;
	tell_of_links(run, op);
	AUTO_CLOSE int fd = path_open(run->root.fd, op->inner_path, O_PATH);
	if (fd < 0 || sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) < 0)
		die_of_destination(run, op, "find", errno);
	if (!(status.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		die("%s: Can't make %s read-only: it is no mount point",
		    position_text(op->position), op->inner_path);
	if (sys_mount_setattr(fd, "", AT_EMPTY_PATH, &attr) < 0)
		die("%s: Can't make %s read-only: %s%s", position_text(op->position),
		    op->inner_path, errno_text(errno), diagnose_mount_api(errno));
}

static void build_mqueue(struct run *run, const struct op *op)
{
	int fd = fs_try_make("mqueue", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			     (const char *[]){ NULL });
	if (fd < 0)
		die("%s: Can't mount mqueue on %s: %s%s", position_text(op->position),
		    op->inner_path, errno_text(errno),
		    errno == EPERM ? "; message queues need --unshare-ipc" : "");
	show(run, op, fd, true, 0755);
}

static void build_op(struct run *run, size_t i)
{
	const struct op *op = &run->plan->root.ops[i];
	struct pin *pin = &run->pins[i];
	bool is_missing = pin->skipped && !pin->is_root;
	run_tell(run, "%s: %s%s", position_text(op->position), plan_op_text(op, &run->shape),
		 is_missing ? " (it does not)" : "");
	const char *risk = run->plan->verbose && !is_missing
				   ? plan_op_risk(run->plan, op, missing_ops(run))
				   : NULL;
	if (risk)
		say_note("%s: %s", position_text(op->position), risk);
	if (pin->skipped && op->kind == OP_OVERLAY)
		overlay_attach_parts(run, op, pin->parts);
	if (pin->skipped)
		return;
	switch (op->kind) {
	case OP_BIND:
		take_pin(run, i);
		show(run, op, pin->mount_fd, pin->is_directory, pin->is_directory ? 0755 : 0444);
		return;
	case OP_OVERLAY:
		take_pin(run, i);
		show(run, op, pin->mount_fd, true, 0755);
		overlay_attach_parts(run, op, pin->parts);
		return;
	case OP_REMOUNT_RO:
		build_remount_ro(run, op);
		return;
	case OP_TMPFS: {
		int mount_fd = fs_make_tmpfs(op->position, op->mode, op->size_bytes);
		pin->mount_id = note_own_tmpfs(mount_fd);
		show(run, op, mount_fd, true, 0755);
		return;
	}
	case OP_PROC:
		take_pin(run, i);
		build_proc(run, op, pin);
		return;
	case OP_DEV:
		take_pin(run, i);
		build_dev(run, op, pin);
		return;
	case OP_MQUEUE:
		build_mqueue(run, op);
		return;
	case OP_DIR:
		build_directory(run, op);
		return;
	case OP_FILE:
		build_file(run, op);
		return;
	case OP_DATA:
		take_pin(run, i);
		show(run, op, pin->mount_fd, false, 0444);
		return;
	case OP_SYMLINK:
		build_symlink(run, op);
		return;
	case OP_CHMOD:
		build_chmod(run, op);
		return;
	}
}

void newroot_build(struct run *run)
{
	set_guard(run);
	for (size_t i = 0; i < run->plan->root.n_ops; i++)
		build_op(run, i);
	forget_own_directory();
	overlay_cover_mounted();
	leave_workshop(run);
}
