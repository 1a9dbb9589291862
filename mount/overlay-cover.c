/* overlay-cover.c - what must not be reached through the layers of fuse-overlayfs: covered with nothing.
 *
 * The kernel takes off what is mounted on an entry that the file system says is gone, in every
 * namespace (fuse_dentry_revalidate(), d_invalidate()), and COMMAND can have fuse-overlayfs say
 * that: by renames that confuse it, and by a removal in a namespace without the mount, that is
 * interrupted. So nothing of the host may be behind such a mount: once all operations are done, and
 * each mount's place is known as the kernel has found it, all links followed, that place is covered
 * in every layer and in RWSRC, where the helper sees them.
 *
 * Must not: follow a link.
 */
#include "mount/overlay-cover.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/overlay-submounts.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

/* A tmpfs, and how many covers are in it. Each is a file or directory of its own: fuse-overlayfs takes
 * directories of one inode number for the same one. */
struct covers {
	int fd;
	unsigned n;
};

/* Covers what `at` refers to with nothing. */
static void cover(struct covers *covers, int at, bool is_directory, const char *path)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	const char *name = arena_printf("%u", covers->n++);
	int made = is_directory ? mkdirat(covers->fd, name, 0555)
				: mknodat(covers->fd, name, S_IFREG | 0444, 0);
	AUTO_CLOSE int nothing =
		made < 0 ? -1
			 : sys_open_tree(covers->fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (nothing < 0 || sys_mount_setattr(nothing, "", AT_EMPTY_PATH, &read_only) < 0 ||
	    sys_move_mount(nothing, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
		    0)
		die_errno(errno, "Can't cover %s in a layer", path);
}

void overlay_cover_interfaces(const struct run *run, const int *layers, size_t n_layers,
			      int covers_fd)
{
	size_t n;
	const struct submount *list = overlay_find_submounts(run, layers, n_layers, &n);
	struct covers covers = { .fd = covers_fd };
	for (size_t i = 0; i < n; i++) {
		bool is_directory;
		if (list[i].can_be_layer)
			continue;
		AUTO_CLOSE int at = path_open_plain(list[i].dir_fd, list[i].path, &is_directory);
		if (at < 0 && errno == ENOENT) /* below one that is covered already */
			continue;
		if (at < 0)
			die_errno(errno, "Can't find the mount %s in a layer", list[i].path);
		cover(&covers, at, is_directory, list[i].path);
	}
}

/* ---- what is mounted on an overlay ---- */

/* A FUSE mount of setup's. */
struct served {
	const struct op *op;
	uint64_t mount_id;
	uint32_t device[2];  /* major, minor: also those of a clone of it */
	int mount_fd, ns_fd; /* ns_fd: the helper's mount namespace */
	int *tops;           /* what it works on there: its layers, and the upper directory */
	size_t n_tops;
	const char **covered;
	size_t n_covered, capacity_covered;
	struct served *next;
};

void overlay_note_served(const struct run *run, const struct overlay_job *job, int mount_fd,
			 int ns_fd)
{
	struct kernel_statx status;
	struct served *served = arena_alloc(sizeof(*served));
	*served = (struct served){ .op = job->op,
				   .mount_fd = fcntl(mount_fd, F_DUPFD_CLOEXEC, 3),
				   .ns_fd = ns_fd,
				   .tops = arena_alloc((job->n_layers + 1) * sizeof(int)),
				   .n_tops = job->n_layers,
				   .next = run->mounts->served };
	memcpy(served->tops, job->layers, job->n_layers * sizeof(int));
	if (job->fds[UPPER] >= 0)
		served->tops[served->n_tops++] = job->fds[UPPER];
	if (served->mount_fd < 0 ||
	    sys_statx(mount_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "%s: Can't look at the overlay", position_text(job->op->position));
	served->mount_id = status.stx_mnt_id;
	served->device[0] = status.stx_dev_major;
	served->device[1] = status.stx_dev_minor;
	run->mounts->served = served;
}

bool overlay_serves(const struct run *run, uint64_t mount_id)
{
	for (struct served *served = run->mounts->served; served; served = served->next)
		if (served->mount_id == mount_id)
			return true;
	return false;
}

/* Where dest_fd is below the overlay's top; "": it is the top, which never goes. */
static const char *path_below(const struct run *run, const struct served *served, int dest_fd)
{
	const char *top = bind_shown_path(run, served->op->position, served->mount_fd);
	const char *path = bind_shown_path(run, served->op->position, dest_fd);
	size_t length = streq(top, "/") ? 0 : strlen(top);
	if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/'))
		die("%s: Can't tell where %s is in the overlay at %s",
		    position_text(served->op->position), path, top);
	return skip_slashes(path + length);
}

/* Where a place in a clone is in the layers nobody tells, and so nothing could be covered there. */
static void refuse_clone(const struct served *served, const struct op *op, int dest_fd)
{
	struct kernel_statx status;
	if (sys_statx(dest_fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &status) < 0)
		die_errno(errno, "%s: Can't look at the mount point", position_text(op->position));
	if (status.stx_dev_major == served->device[0] && status.stx_dev_minor == served->device[1])
		die("%s: Can't mount on %s: --bind-inner shows the overlay of %s there, and what is mounted on fuse-overlayfs's can be taken off; mount it on the overlay itself, before --bind-inner",
		    position_text(op->position), op->inner_path,
		    position_text(served->op->position));
}

void overlay_note_mount(const struct run *run, const struct op *op, int dest_fd, uint64_t mount_id)
{
	if (mount_id == run->mounts->known_id)
		return;
	for (struct served *served = run->mounts->served; served; served = served->next) {
		if (served->mount_id != mount_id) {
			refuse_clone(served, op, dest_fd);
			continue;
		}
		const char *path = path_below(run, served, dest_fd);
		if (!*path)
			return;
		served->covered = arena_grow(served->covered, served->n_covered,
					     &served->capacity_covered, sizeof(char *));
		served->covered[served->n_covered++] = path;
		run_tell(
			run,
			"%s: COMMAND can take off what is mounted on an overlay of fuse-overlayfs's; it finds an empty %s then, nothing of the layers",
			position_text(op->position), op->inner_path);
		return;
	}
	/* virtiofs has the same number; a virtual machine's host serves it, out of COMMAND's reach. */
	struct statfs fs;
	if (fstatfs(dest_fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC &&
	    !streq(overlay_type_of_mount(run, mount_id), "virtiofs"))
		say_warning(
			"%s: %s is on a FUSE file system: COMMAND may be able to take off what is mounted there, and see what is behind it",
			position_text(op->position), op->inner_path);
	run->mounts->known_id = mount_id;
}

/* Links need not be covered: they are not followed there, and whoever reads one follows it
 * elsewhere. */
static void cover_below(int top_fd, const char *path, struct covers *covers)
{
	bool is_directory;
	struct stat status;
	AUTO_CLOSE int at = path_open_plain(top_fd, path, &is_directory);
	if (at < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
		die_errno(errno, "Can't find %s in a layer", path);
	if (at < 0 || (!is_directory && fstat(at, &status) == 0 && S_ISLNK(status.st_mode)))
		return;
	cover(covers, at, is_directory, path);
}

static _Noreturn void be_coverer(const struct served *served)
{
	const char *position = position_text(served->op->position);
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	if (setns(served->ns_fd, CLONE_NEWNS) < 0)
		die_errno(errno, "%s: Can't enter the mount namespace of fuse-overlayfs", position);
	AUTO_CLOSE int covers_fd = fs_make_tmpfs(served->op->position, 0700);
	struct covers covers = { .fd = covers_fd };
	if (sys_move_mount(covers_fd, "", AT_FDCWD, "/covers", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_errno(errno, "%s: Can't attach what covers the layers", position);
	for (size_t i = 0; i < served->n_covered; i++)
		for (size_t top = 0; top < served->n_tops; top++)
			cover_below(served->tops[top], served->covered[i], &covers);
	if (sys_mount_setattr(covers_fd, "", AT_EMPTY_PATH, &read_only) < 0)
		die_errno(errno, "%s: Can't make the covers read-only", position);
	_exit(0);
}

static pid_t fork_or_die(void)
{
	pid_t pid = sys_clone_process(0);
	if (pid < 0)
		die_errno(errno, "Can't start a process for an overlay");
	return pid;
}

/* The status of a child of setup's, which COMMAND must not find. */
static int await(pid_t pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

void overlay_cover_mounted(const struct run *run)
{
	for (struct served *served = run->mounts->served; served; served = served->next) {
		if (served->n_covered) {
			pid_t pid = fork_or_die();
			if (pid == 0)
				be_coverer(served);
			if (await(pid) != 0)
				_exit(die_status()); /* it has said why */
		}
		close_fd(&served->ns_fd);
		close_fd(&served->mount_fd);
		for (size_t i = 0; i < served->n_tops; i++)
			close_fd(&served->tops[i]);
	}
}
