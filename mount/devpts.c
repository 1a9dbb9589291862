/* devpts.c - a devpts of the sandbox's own, and --pty's terminal in it.
 *
 * Both ends are opened by descriptor, so that no path decides whose terminal it is.
 */
#include "mount/devpts.h"

#include "mount/fs.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/terminal.h"
#include "utils.h"

#include <asm/ioctls.h>
#include <errno.h>

/* The group tty of every distribution; it is systemd's for its /dev/pts, too. */
enum { GID_TTY = 5 };

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41) /* 4.13 */
#endif

/* Only the kernel knows what somebody else has mapped. */
static bool may_have_gid_tty(const struct run *run)
{
	const struct shape *shape = &run->shape;
	return !shape->user_namespace || shape->maps_gids || shape->inner_gid == GID_TTY ||
	       run->plan->report.userns_block.fd >= 0;
}

int devpts_try_make(const struct run *run)
{
	const unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	const char *options[] = { "ptmxmode", "0666", "mode",
				  "620",      "gid",  arena_number(GID_TTY, 10),
				  NULL };
	int fd = -1;
	errno = EINVAL;
	if (may_have_gid_tty(run))
		fd = fs_try_make("devpts", flags, options);
	if (fd < 0 && errno == EINVAL) { /* no such gid in this user namespace */
		options[4] = NULL;
		fd = fs_try_make("devpts", flags, options);
	}
	return fd;
}

static const char *position(const struct run *run)
{
	return position_text(options_position(run->plan, "--pty"));
}

bool devpts_make_terminal(struct run *run, int pts_fd)
{
	const struct outer_terminal *outer = &run->host->terminal;
	int locked = 0;
	if (!outer->replaced || run->pty.slave >= 0)
		return false;
	run->pty.master = openat(pts_fd, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (run->pty.master < 0 || sys_ioctl(run->pty.master, TIOCSPTLCK, &locked) < 0)
		die_errno(errno, "%s: Can't make a terminal", position(run));
	/* It takes flags where others take an address. */
	run->pty.slave = (int) syscall(SYS_ioctl, run->pty.master, TIOCGPTPEER,
				       O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (run->pty.slave < 0)
		die_errno(errno, "%s: Can't open the terminal", position(run));
	/* In the background it is somebody else who has set the modes, a shell that reads a line. */
	if (outer->is_in_front)
		terminal_copy_modes(outer->in_fd, run->pty.slave, !outer->is_shared);
	terminal_copy_size(outer->out_fd, run->pty.slave);
	return true;
}

int devpts_open_terminal(const struct run *run, int pts_fd)
{
	unsigned number;
	if (!(run->host->terminal.replaced & 1U << STDOUT_FILENO))
		return -1;
	if (sys_ioctl(run->pty.master, TIOCGPTN, &number) < 0)
		die_errno(errno, "%s: Can't find the terminal", position(run));
	int fd = sys_open_tree(pts_fd, arena_number(number, 10),
			       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		die_errno(errno, "%s: Can't show the terminal as the console", position(run));
	return fd;
}

void devpts_make_hidden(struct run *run)
{
	if (run->pty.slave >= 0)
		return;
	AUTO_CLOSE int pts_fd = devpts_try_make(run);
	if (pts_fd < 0)
		die_errno(errno, "%s: Can't make a devpts", position(run));
	devpts_make_terminal(run, pts_fd);
}
