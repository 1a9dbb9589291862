/* data.c - what comes by a descriptor, or stands on the line: copied to a file, or to a private one; and sockets.
 *
 * Private files and sockets lie on a tmpfs that no path of the sandbox leads to: it goes with the host. Until then it is
 * attached where the host is not looked at any more, since 6.12 clones nothing that is detached.
 */
#include "mount/data.h"

#include "bind-mount.h"
#include "mount/etc.h"
#include "mount/fs.h"
#include "mount/scratch.h"
#include "mount/state.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "run/entries.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

struct held_data {
	int fd;
	char *bytes;
	size_t length;
	struct held_data *next;
};

/* What a descriptor holds, for an fd that several operations share; kept until the end. */
static const struct held_data *hold_data(const struct run *run, const struct op *op)
{
	for (const struct held_data *held = run->mounts->held_data; held; held = held->next)
		if (held->fd == op->outer_fd)
			return held;
	struct held_data *held = arena_alloc(sizeof(*held));
	*held = (struct held_data){ .fd = op->outer_fd, .next = run->mounts->held_data };
	if (!read_all(op->outer_fd, SIZE_MAX / 4, &held->bytes, &held->length))
		die_errno(errno, "%s: Can't read descriptor %d", position_text(op->position),
			  op->outer_fd);
	return run->mounts->held_data = held;
}

static bool is_shared_fd(const struct run *run, int fd)
{
	int n = 0;
	for (size_t i = 0; i < run->plan->root.n_ops; i++)
		n += run->plan->root.ops[i].outer_fd == fd;
	return n > 1;
}

void data_copy(const struct run *run, const struct op *op, int file_fd)
{
	if (is_shared_fd(run, op->outer_fd)) {
		const struct held_data *held = hold_data(run, op);
		if (!write_all(file_fd, held->bytes, held->length))
			die_errno(errno, "%s: Can't write %s", position_text(op->position),
				  failing_path(op->inner_path));
		return;
	}
	char buffer[32768];
	for (;;) {
		ssize_t n = read_some(op->outer_fd, buffer, sizeof(buffer));
		if (n < 0)
			die_errno(errno, "%s: Can't read descriptor %d",
				  position_text(op->position), op->outer_fd);
		if (n == 0)
			return;
		if (!write_all(file_fd, buffer, (size_t) n))
			die_errno(errno, "%s: Can't write %s", position_text(op->position),
				  failing_path(op->inner_path));
	}
}

static void make_file(const struct run *run, size_t number, int tmpfs_fd, const char *name)
{
	const struct op *op = &run->plan->root.ops[number];
	const char *text = op->kind == OP_RESOLV_CONF ? etc_resolv_conf(run, op) : op->text;
	AUTO_CLOSE int file_fd =
		openat(tmpfs_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, op->mode);
	if (file_fd < 0)
		die_errno(errno, "%s: Can't make a private file", position_text(op->position));
	if (op->kind == OP_HOSTS) { /* what stands in it is known later */
		run->mounts->pins[number].file_fd = file_fd;
		file_fd = -1;
	} else if (!text)
		data_copy(run, op, file_fd);
	else if (!write_all(file_fd, text, strlen(text)))
		die_errno(errno, "%s: Can't write %s", position_text(op->position), op->inner_path);
}

/* bind(2) takes no descriptor of a directory; the tmpfs is where attach_tmpfs() has put it. */
static void make_socket(const struct run *run, const struct op *op, int tmpfs_fd, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = arena_join("/proc/", name);
	memcpy(address.sun_path, path, strlen(path));
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    fchmodat(tmpfs_fd, name, op->mode, 0) < 0 || listen(fd, ENTRIES_BACKLOG) < 0)
		die_errno(errno, "%s: Can't make the socket", position_text(op->position));
	entries_send(run, op->passage, fd);
}

/* A private file becomes a clone of itself, as whatever a bind shows is one. */
static void pin_data(const struct run *run, size_t number, int tmpfs_fd)
{
	const struct op *op = &run->plan->root.ops[number];
	const char *name = arena_join("data", arena_number(number, 10));
	if (op->kind == OP_SOCKET)
		make_socket(run, op, tmpfs_fd, name);
	else
		make_file(run, number, tmpfs_fd, name);
	int mount_fd = sys_open_tree(tmpfs_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount_fd < 0)
		die_because(errno, "%s: Can't clone a private file: %s%s",
			    position_text(op->position), errno_text(errno),
			    diagnose_mount_api(errno));
	bind_set_flags(run, op, mount_fd);
	run->mounts->pins[number].mount_fd = mount_fd;
}

static int attach_tmpfs(void)
{
	int fd = fs_make_tmpfs((struct position){ .option = "setup" }, 0700);
	if (sys_move_mount(fd, "", AT_FDCWD, "/proc",
			   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) < 0)
		die_because(errno, "Can't attach a tmpfs for private files: %s%s",
			    errno_text(errno), diagnose_mount_api(errno));
	return fd;
}

void data_pin(struct run *run)
{
	const struct plan *plan = run->plan;
	AUTO_CLOSE int tmpfs_fd = -1;
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		if (!plan_is_private_file(&plan->root.ops[i]))
			continue;
		if (tmpfs_fd < 0)
			tmpfs_fd = attach_tmpfs();
		pin_data(run, i, tmpfs_fd);
		if (scratch_runs_short(run, run->mounts->pins[i].mount_fd, 0))
			scratch_park(run);
	}
}
