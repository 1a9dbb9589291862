/* dev.c - --dev: a tmpfs with the host's harmless devices.
 *
 * Must not: show what stands in the host's /dev under a name unless it is that device.
 */
#include "mount/dev.h"

#include "bind-mount.h"
#include "mount/destination.h"
#include "mount/dev-add.h"
#include "mount/devpts.h"
#include "mount/fs.h"
#include "mount/scratch.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct {
	const char *name;
	unsigned major, minor;
} device_nodes[N_DEVICE_NODES] = {
	/* Documentation/admin-guide/devices.txt */
	{ "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
	{ "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

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
				  failing_path(op->inner_path), name);
		close_fd(node);
	}
	dev_add_show(op, pin);
}

void dev_pin(struct run *run, size_t number)
{
	const struct op *op = &run->plan->root.ops[number];
	struct pin *pin = &run->mounts->pins[number];
	pin->mount_fd = fs_make_op_tmpfs(run, op, 0);
	size_t n_added = dev_add_find(op, pin);
	bool is_short = scratch_runs_short(run, pin->mount_fd, n_added);
	if (is_short) {
		scratch_park(run);
		scratch_take_back(run, number);
	}
	for (size_t i = 0; i < ARRAY_SIZE(device_nodes); i++) {
		struct stat status;
		const char *path = arena_join("/dev/", device_nodes[i].name);
		pin->nodes[i] = bind_pin_one(path, false);
		if (pin->nodes[i] < 0 || fstat(pin->nodes[i], &status) < 0)
			die_because(errno, "Can't find source path %s: %s, at %s%s",
				    failing_path(path), errno_text(errno),
				    position_text(op->position),
				    errno == ENOENT   ? cause_text(CAUSE_DEV_NODE, NULL)
				    : errno == EACCES ? ""
						      : diagnose_mount_api(errno));
		/* Not what somebody who could write to the host's /dev has put there. */
		if (!S_ISCHR(status.st_mode) ||
		    status.st_rdev != makedev(device_nodes[i].major, device_nodes[i].minor))
			die("%s: %s is not the device it should be (%u:%u)",
			    position_text(op->position), path, device_nodes[i].major,
			    device_nodes[i].minor);
		if (is_short)
			show_devices(op, pin);
	}
	for (size_t i = 0; i < n_added; i++) {
		dev_add_pin(pin, i);
		if (is_short)
			show_devices(op, pin);
	}
	pin->console = run->plan->command.pty ? -1 : pin_console();
	if (is_short) {
		show_devices(op, pin);
		close_fd(&pin->mount_fd);
	}
}

void dev_build(struct run *run, const struct op *op, struct pin *pin)
{
	static const struct {
		const char *target, *name;
	} links[] = {
		{ "/proc/self/fd/0", "stdin" },  { "/proc/self/fd/1", "stdout" },
		{ "/proc/self/fd/2", "stderr" }, { "/proc/self/fd", "fd" },
		{ "/proc/kcore", "core" },       { "pts/ptmx", "ptmx" },
	};
	int dev_fd = pin->mount_fd;
	if (!destination_attach(run, op, dev_fd, true, 0755))
		die("%s: Can't mount on /: the root cannot be a /dev", position_text(op->position));

	/* Everything in a fresh tmpfs of ours: names relative to its descriptor meet no link. */
	show_devices(op, pin);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].target, dev_fd, links[i].name) < 0)
			die_errno(errno, "%s: Can't make the link %s/%s",
				  position_text(op->position), failing_path(op->inner_path),
				  links[i].name);
	if (mkdirat(dev_fd, "shm", 0755) < 0 || mkdirat(dev_fd, "pts", 0755) < 0)
		die_errno(errno, "%s: Can't make a directory in %s", position_text(op->position),
			  failing_path(op->inner_path));
	/* A file system takes two descriptors while it is made. */
	destination_forget_directory(run);
	AUTO_CLOSE int pts_fd = devpts_try_make(run);
	if (pts_fd < 0 || sys_move_mount(pts_fd, "", dev_fd, "pts", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_errno(errno, "%s: Can't mount devpts on %s/pts", position_text(op->position),
			  failing_path(op->inner_path));
	if (devpts_make_terminal(run, pts_fd)) {
		pin->console = devpts_open_terminal(run, pts_fd);
		show_devices(op, pin);
	}
	fs_set_op_flags(op, dev_fd, true); /* ro would have been in the way */
	close_fd(&pin->mount_fd);
}
