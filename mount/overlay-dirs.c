/* overlay-dirs.c - the directories that one overlay is made of: layers, RWSRC and WORKDIR.
 *
 * Each is opened once; the kernel and the helper get it by its descriptor's number, so no path of the user's
 * is ever part of an option string and none needs escaping.
 *
 * Must not: take directories that overlap, or a WORKDIR that holds something.
 */
#include "mount/overlay-dirs.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000 /* linux/statfs.h, 5.10 */
#endif

const char *overlay_layer_text(const struct layer *layer)
{
	return layer->path ? layer->path : arena_printf("descriptor %d", layer->fd);
}

/* A directory of the host, in our mount namespace: a descriptor from outside refers to a mount of
 * the old one. */
static int open_layer(const struct merge *merge, const struct layer *layer, const char *word)
{
	bool is_given = !layer->path;
	const char *path = layer->path;
	int given_fd = layer->fd;
	AUTO_CLOSE int through_proc = -1;
	if (!is_given && (strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/dev/fd/", 8) == 0))
		given_fd = through_proc = open(path, O_PATH | O_CLOEXEC);
	if (given_fd >= 0)
		path = bind_shown_path(merge->run, layer->position, given_fd);
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | (given_fd >= 0 ? O_NOFOLLOW : 0));
	if (fd < 0 && errno == ENOTDIR)
		die("%s: %s %s is no directory, and so no layer", position_text(layer->position),
		    word, overlay_layer_text(layer));
	if (fd < 0) {
		int error = errno;
		die_because(error, "Can't find source path %s: %s, at %s%s",
			    layer->path ? failing_path(layer->path) : overlay_layer_text(layer),
			    errno_text(error), position_text(layer->position),
			    layer->path ? diagnose_source(merge->run, merge->op, layer->path, error)
					: "");
	}
	if (given_fd >= 0 && !fs_is_same_object(fd, given_fd))
		die("%s: Can't use %s: %s is another file now", position_text(layer->position),
		    overlay_layer_text(layer), path);
	return fd;
}

void overlay_open_layers(struct merge *merge)
{
	size_t n = merge->n_layers = merge->overlay->n_layers;
	merge->layers = arena_alloc(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		merge->layers[n - 1 - i] = open_layer(merge, &merge->overlay->layers[i], "SRC");
}

static void make_tmpfs(struct merge *merge)
{
	AUTO_CLOSE int fd = fs_make_tmpfs(merge->op->position, 0700);
	merge->has_tmpfs = true;
	/* What is merged looks like the topmost layer. */
	struct stat status;
	bool may_chown = !merge->user_xattrs; /* elsewhere not every id exists */
	if (sys_move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0700) < 0 ||
	    fstat(merge->layers[0], &status) < 0 ||
	    (may_chown && fchownat(fd, "upper", status.st_uid, status.st_gid, 0) < 0) ||
	    fchmodat(fd, "upper", status.st_mode & 07777, 0) < 0)
		die_because(errno, "%s: Can't make a place for what is written: %s%s",
			    position_text(merge->op->position), errno_text(errno),
			    diagnose_mount_api(errno));
}

void overlay_detach_tmpfs(const struct merge *merge)
{
	if (merge->has_tmpfs && sys_umount2(TMPFS_PATH, MNT_DETACH) < 0)
		die_because(errno, "%s: Can't put the place for what is written aside: %s%s",
			    position_text(merge->op->position), errno_text(errno),
			    diagnose_mount_api(errno));
}

static int open_again(int fd, const char *in_scratch)
{
	return fd < 0 ? open(in_scratch, O_PATH | O_DIRECTORY | O_CLOEXEC)
		      : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

int overlay_open_upper(const struct merge *merge)
{
	return open_again(merge->upper_fd, TMPFS_UPPER);
}

int overlay_open_work(const struct merge *merge)
{
	return open_again(merge->work_fd, TMPFS_WORK);
}

static void check_work_directory(const struct merge *merge)
{
	const struct overlay *overlay = merge->overlay;
	const char *position = position_text(merge->op->position);
	struct kernel_statx upper, work;
	if (sys_statx(merge->upper_fd, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &upper) < 0 ||
	    sys_statx(merge->work_fd, "", AT_EMPTY_PATH, STATX_MNT_ID | STATX_INO, &work) < 0)
		die_errno(errno, "%s: Can't look at RWSRC and WORKDIR", position);
	if (upper.stx_mnt_id != work.stx_mnt_id)
		die("%s: WORKDIR %s is on another file system or mount than RWSRC %s", position,
		    overlay->work.path, overlay->upper.path);
	int readable_fd = openat(merge->work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = readable_fd < 0 ? NULL : fdopendir(readable_fd);
	const char *found = NULL;
	if (!directory)
		die_errno(errno, "%s: Can't read WORKDIR %s", position, overlay->work.path);
	errno = 0;
	for (const struct dirent *entry; !found && (entry = readdir(directory));)
		/* An overlay leaves directories of these names behind. */
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, "..") &&
		    !streq(entry->d_name, "index") && strncmp(entry->d_name, "work", 4) != 0)
			found = arena_string(entry->d_name);
	if (!found && errno)
		die_errno(errno, "%s: Can't read WORKDIR %s", position, overlay->work.path);
	closedir(directory);
	if (found)
		die("%s: WORKDIR %s is not empty (%s)", position, overlay->work.path, found);
}

/* ---- mistakes that the kernel calls ELOOP, EBUSY or EINVAL, and fuse-overlayfs does not notice ---- */

/* One of the directories: a layer, RWSRC or WORKDIR. */
struct part_taker {
	int fd;
	bool is_layer;
	const char *name;
	struct position position;
	dev_t device;
	ino_t inode;
};

static struct part_taker take_part(int fd, bool is_layer, const char *name,
				   struct position position)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		die_errno(errno, "%s: Can't look at %s", position_text(position), name);
	return (struct part_taker){ fd, is_layer, name, position, status.st_dev, status.st_ino };
}

/* What holds the directory. What lies on top of / is what the way up finds there. */
static int open_parent(int fd)
{
	struct stat top, found;
	int up = openat(fd, "..", O_PATH | O_CLOEXEC);
	if (up >= 0 && stat("/..", &top) == 0 && fstat(up, &found) == 0 &&
	    top.st_dev == found.st_dev && top.st_ino == found.st_ino) {
		close(up);
		up = open("/", O_PATH | O_CLOEXEC);
	}
	return up;
}

/* Walks from `one` up to /; an upper directory may lie in a layer, but not be one. */
static void refuse_above(const struct part_taker *one, const struct part_taker *all, size_t n)
{
	struct stat at, before = { 0 };
	int fd = openat(one->fd, ".", O_PATH | O_CLOEXEC);
	for (bool is_itself = true; fd >= 0 && fstat(fd, &at) == 0; is_itself = false) {
		if (!is_itself && at.st_dev == before.st_dev && at.st_ino == before.st_ino)
			break;
		for (const struct part_taker *other = all; other < all + n; other++)
			if (other != one && other->device == at.st_dev &&
			    other->inode == at.st_ino &&
			    (is_itself || one->is_layer || !other->is_layer))
				die("%s: %s and %s overlap", position_text(one->position),
				    one->name, other->name);
		before = at;
		int up = open_parent(fd);
		close(fd);
		fd = up;
	}
	close_fd(&fd);
}

void overlay_refuse_overlap(const struct merge *merge)
{
	const struct overlay *overlay = merge->overlay;
	struct part_taker *all = arena_alloc((merge->n_layers + 2) * sizeof(*all));
	size_t n = 0;
	if (overlay->upper.path) {
		all[n++] = take_part(merge->upper_fd, false,
				     arena_printf("RWSRC %s", overlay->upper.path),
				     merge->op->position);
		all[n++] = take_part(merge->work_fd, false,
				     arena_printf("WORKDIR %s", overlay->work.path),
				     merge->op->position);
	}
	for (size_t i = 0; i < merge->n_layers; i++) {
		const struct layer *layer = &overlay->layers[merge->n_layers - 1 - i];
		all[n++] = take_part(merge->layers[i], true,
				     arena_printf("the layer %s", overlay_layer_text(layer)),
				     layer->position);
	}
	for (size_t i = 0; i < n; i++)
		refuse_above(&all[i], all, n);
}

/* The kernel would merge all the same, read-only. */
static void refuse_unwritable(const struct merge *merge, int fd, const char *word, const char *path)
{
	if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0)
		die_because(errno, "%s: Can't write to %s %s: %s",
			    position_text(merge->op->position), word, failing_path(path),
			    errno_text(errno));
}

/* ---- where writes go ---- */

static void open_upper(struct merge *merge)
{
	struct layer upper = merge->overlay->upper, work = merge->overlay->work;
	upper.position = work.position = merge->op->position;
	merge->upper_fd = open_layer(merge, &upper, "RWSRC");
	merge->work_fd = open_layer(merge, &work, "WORKDIR");
	/* Before the kernel sees them: it leaves a directory in WORKDIR also when it refuses. */
	overlay_refuse_overlap(merge);
	check_work_directory(merge);
	refuse_unwritable(merge, merge->upper_fd, "RWSRC", upper.path);
	refuse_unwritable(merge, merge->work_fd, "WORKDIR", work.path);
}

/* A rehearsal writes elsewhere, and may have RWSRC for a layer, which is the topmost. */
static void look_at_upper_asked_for(const struct merge *merge)
{
	struct merge asked = *merge;
	asked.overlay = merge->op->asked->overlay;
	asked.n_layers = asked.overlay->n_layers;
	asked.layers += merge->n_layers - asked.n_layers;
	if (asked.overlay->upper.path)
		open_upper(&asked);
	close_fd(&asked.upper_fd);
	close_fd(&asked.work_fd);
}

void overlay_prepare_upper(struct merge *merge)
{
	if (!merge->overlay->writable)
		return;
	if (merge->op->asked)
		look_at_upper_asked_for(merge);
	if (merge->overlay->upper.path)
		open_upper(merge);
	else
		make_tmpfs(merge);
}

unsigned overlay_kept_attributes(const struct merge *merge, const int *fds, size_t n)
{
	unsigned kept = 0;
	for (size_t i = 0; i < n; i++) {
		struct statfs fs;
		if (fds[i] < 0)
			continue;
		if (fstatfs(fds[i], &fs) < 0)
			die_errno(errno, "%s: Can't look at a layer's mount",
				  position_text(merge->op->position));
		kept |= (fs.f_flags & ST_NOEXEC ? MOUNT_ATTR_NOEXEC : 0u) |
			(fs.f_flags & ST_NOSYMFOLLOW ? MOUNT_ATTR_NOSYMFOLLOW : 0u);
	}
	return kept;
}
