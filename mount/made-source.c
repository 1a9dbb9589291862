/* made-source.c - a directory that --bind-create makes on the host, and takes away when COMMAND does not start.
 *
 * Must not: make a second one; take away what somebody else has made, or has put something in.
 */
#include "mount/made-source.h"

#include "mount/fs.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

struct made_source {
	int parent_fd; /* on the host, perhaps another's, too; nothing but such names is looked up in it */
	const char *name;
	dev_t device;
	ino_t inode;
};

struct made_sources {
	struct made_source *items;
	size_t n, capacity;
};

static const char *parent_of(const char *path)
{
	const char *name;
	size_t length = path_split(path, &name);
	return length ? arena_copy(path, length) : ".";
}

/* Who mistypes one source shall not find the directories of others made. What lies in one that is to be made
 * cannot be there yet. */
static void find_other_sources(const struct run *run)
{
	const struct root_plan *root = &run->plan->root;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		bool wanted = op->kind == OP_BIND && op->outer_path && !op->skip_missing;
		const char *path = op->makes_source ? parent_of(op->outer_path) : op->outer_path;
		for (const struct op *made = root->ops; wanted && made < op; made++)
			wanted = !made->makes_source ||
				 !path_is_within(op->outer_path, made->outer_path);
		if (wanted && faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) < 0 && errno == ENOENT)
			die_because(
				errno, "Can't find source path %s: %s, at %s%s",
				failing_path(op->outer_path), errno_text(errno),
				position_text(op->position),
				op->makes_source
					? "; the directory that it is to be made in has to exist"
					: diagnose_source(run, op, path, ENOENT));
	}
}

static void remember(const struct run *run, const struct op *op, int parent_fd, const char *name)
{
	if (!run->mounts->made)
		run->mounts->made = arena_alloc(sizeof(*run->mounts->made));
	struct made_sources *made = run->mounts->made;
	const struct made_source *last = made->n ? &made->items[made->n - 1] : NULL;
	struct stat status;
	int fd = last && fs_is_same_object(last->parent_fd, parent_fd)
			 ? last->parent_fd
			 : fcntl(parent_fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		die_errno(errno, "%s: Can't look at the directory %s, which was made on the host",
			  position_text(op->position), failing_path(op->outer_path));
	made->items = arena_grow(made->items, made->n, &made->capacity, sizeof(*made->items));
	made->items[made->n++] = (struct made_source){ fd, name, status.st_dev, status.st_ino };
}

/* The last directory of the path, and no more. A rehearsal, which has replaced the operation where it can be made, looks
 * for what is in the way, in the order of mkdir(2). -1 and errno. */
static int make(const struct run *run, int parent_fd, const char *name)
{
	if (!run->plan->rehearses)
		return mkdirat(parent_fd, name, 0700);
	if (faccessat(parent_fd, name, F_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0)
		errno = EEXIST;
	else if (faccessat(parent_fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
		errno = ENOENT; /* it has just gone away */
	return -1;
}

/* Whoever was faster may have made it. */
int made_source_clone(const struct run *run, const struct op *op)
{
	const char *name;
	struct stat status;
	find_other_sources(run);
	path_split(op->outer_path, &name);
	AUTO_CLOSE int parent_fd =
		open(parent_of(op->outer_path), O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = parent_fd < 0 || make(run, parent_fd, name) < 0 ? errno : 0;
	if (error && (parent_fd < 0 || error != EEXIST))
		die_errno(error, "%s: Can't make the directory %s on the host",
			  position_text(op->position), failing_path(op->outer_path));
	if (!error)
		remember(run, op, parent_fd, name);
	int clone = sys_open_tree(parent_fd, name,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
					  AT_SYMLINK_NOFOLLOW);
	if (clone < 0 || fstat(clone, &status) < 0)
		die("%s: Can't find the directory %s, which was made on the host: %s%s",
		    position_text(op->position), op->outer_path, errno_text(errno),
		    diagnose_mount_api(errno));
	if (!S_ISDIR(status.st_mode))
		die("%s: Can't make the directory %s on the host: a symbolic link that leads nowhere is in the way",
		    position_text(op->position), op->outer_path);
	run_tell(run, "%s: made the directory %s on the host", position_text(op->position),
		 op->outer_path);
	return clone;
}

size_t made_source_fds(const struct run *run, int *ret)
{
	const struct made_sources *made = run->mounts->made;
	size_t n = made ? made->n : 0;
	for (size_t i = 0; ret && i < n; i++)
		ret[i] = made->items[i].parent_fd;
	return n;
}

void made_sources_keep(const struct run *run)
{
	if (run->mounts->made)
		run->mounts->made->n = 0;
}

/* rmdir(2) fails with EBUSY where something is mounted on it in our own mount namespace: DEST is that directory itself.
 * So we leave all of these mounts, for an empty root; who has no capabilities any more, in a namespace of his own. Where
 * none can be made the directory stays. */
static void leave_mounts(void)
{
	bool covered = sys_mount("none", "/", "tmpfs", 0) == 0 ||
		       (unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
			sys_mount("none", "/", "tmpfs", 0) == 0);
	/* "/.." is the topmost mount there; with "." for both the old root comes to lie on the new one (pivot_root(2)). */
	if (covered && chdir("/..") == 0 && sys_pivot_root(".", ".") == 0)
		sys_umount2(".", MNT_DETACH);
}

static int take_away(const struct made_source *source)
{
	return unlinkat(source->parent_fd, source->name, AT_REMOVEDIR);
}

/* The last one first: it may lie in another. */
void made_sources_remove(const struct run *run)
{
	struct made_sources *made = run->mounts ? run->mounts->made : NULL;
	struct stat status;
	while (made && made->n) {
		const struct made_source *source = &made->items[--made->n];
		if (fstatat(source->parent_fd, source->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    status.st_dev == source->device && status.st_ino == source->inode &&
		    take_away(source) < 0 && errno == EBUSY) {
			leave_mounts();
			take_away(source);
		}
	}
}
