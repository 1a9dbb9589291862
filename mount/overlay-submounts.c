/* overlay-submounts.c - the mounts below an overlay's layers.
 *
 * An overlay sees its layers' own file systems only. Where the mounts below a layer are the caller's to handle,
 * each gets an overlay of its own (a "part"), whose upper directory is the same path below the whole one's:
 * one tree holds all changes. What is no stored data (procfs and its like) becomes no layer; it is shown as a
 * read-only clone.
 *
 * Must not: ask a file system that may not answer; leave anything attached.
 */
#include "mount/overlay-submounts.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/overlay-kernel.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/mountinfo.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct overlay_part {
	const char *path;
	int mount_fd;
	struct overlay_part *next;
};

/* ---- finding them ---- */

/* What lies below a path comes right behind it: a slash is before all other bytes. */
static int compare_submounts(const void *a, const void *b)
{
	const char *x = ((const struct submount *) a)->path;
	const char *y = ((const struct submount *) b)->path;
	while (*x && *x == *y)
		x++, y++;
	return (*x == '/' ? 1 : (unsigned char) *x) - (*y == '/' ? 1 : (unsigned char) *y);
}

static bool path_is_below(const char *path, const char *above)
{
	size_t length = strlen(above);
	return strncmp(path, above, length) == 0 && path[length] == '/';
}

/* Whether the mount of this id is what is seen at `path` below dir_fd. proc_pid_fdinfo(5) tells it
 * without a word to the file system, which may not answer; another user's FUSE refuses even
 * statx(2). */
static bool is_seen(const struct run *run, int dir_fd, const char *path, uint64_t id)
{
	char text[512];
	AUTO_CLOSE int fd = path_open(dir_fd, path, O_PATH | O_NOFOLLOW);
	AUTO_CLOSE int info_fd =
		fd < 0 ? -1
		       : openat(run->host->proc_fd, arena_printf("self/fdinfo/%d", fd),
				O_RDONLY | O_CLOEXEC);
	ssize_t length = info_fd < 0 ? -1 : read(info_fd, text, sizeof(text) - 1);
	if (length < 0)
		return false;
	text[length] = '\0';
	const char *line = strstr(text, "mnt_id:");
	return line && strtoull(line + strlen("mnt_id:"), NULL, 10) == id;
}

/* Below what is no layer nothing is one, and who looks there may wait for ever. */
static bool is_below_no_layer(const struct submount *list, size_t n, int dir_fd, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!list[i].can_be_layer && list[i].dir_fd == dir_fd &&
		    path_is_below(path, list[i].path))
			return true;
	return false;
}

const char *overlay_type_of_mount(const struct run *run, uint64_t mount_id)
{
	size_t n;
	const struct mountinfo *mounts = mountinfo_read(run->host->proc_fd, &n);
	for (size_t i = 0; mounts && i < n; i++)
		if (mounts[i].id == mount_id)
			return mounts[i].type;
	return "";
}

struct submount *overlay_find_submounts(const struct run *run, const int *dir_fds, size_t n_dirs,
					size_t *ret_n)
{
	size_t n_mounts, n = 0, capacity = 0,
			 *top_lengths = arena_alloc(n_dirs * sizeof(*top_lengths));
	const char **tops = arena_alloc(n_dirs * sizeof(*tops));
	struct submount *list = NULL;
	const struct mountinfo *mounts = mountinfo_read(run->host->proc_fd, &n_mounts);
	if (!mounts)
		die_errno(errno, "Can't read /proc/self/mountinfo");
	for (size_t i = 0; i < n_dirs; i++) {
		tops[i] =
			bind_shown_path(run, (struct position){ .option = "overlay" }, dir_fds[i]);
		top_lengths[i] = streq(tops[i], "/") ? 0 : strlen(tops[i]);
	}
	for (const struct mountinfo *mount = mounts; mount < mounts + n_mounts; mount++)
		for (size_t i = 0; i < n_dirs; i++) {
			const char *point = mount->point;
			size_t top = top_lengths[i];
			if (strncmp(point, tops[i], top) != 0 || point[top] != '/' ||
			    !point[top + 1] ||
			    is_below_no_layer(list, n, dir_fds[i], point + top + 1) ||
			    !is_seen(run, dir_fds[i], point + top + 1, mount->id))
				continue;
			list = arena_grow(list, n, &capacity, sizeof(*list));
			list[n++] = (struct submount){ dir_fds[i], arena_string(point + top + 1),
						       mount->type,
						       mountinfo_type_is_stored(mount->type) };
		}
	if (n)
		qsort(list, n, sizeof(*list), compare_submounts);
	*ret_n = n;
	return list;
}

/* ---- parts ---- */

/* The directories at `path` that the layers show, top first, up to one that hides what is below it.
 */
static size_t open_views(const struct merge *merge, const char *path, int *views)
{
	size_t n = 0;
	for (size_t i = 0; i < merge->n_layers; i++) {
		int fd = path_open(merge->layers[i], path, O_PATH | O_DIRECTORY);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			break;
		views[n++] = fd;
	}
	return n;
}

/* The directory at `path` in the upper tree, copied up if it is not there, with the owner, mode
 * and time of what is mounted there. Copying up is done by the overlay above it: a change of mode to what it
 * was asks for it. */
static int open_upper_at(const struct merge *merge, int above_fd, size_t above_length,
			 const char *path, int view_fd)
{
	struct stat status;
	AUTO_CLOSE int fd =
		path_open(above_fd, path + above_length + (above_length > 0), O_PATH | O_DIRECTORY);
	const char *link = arena_printf("self/fd/%d", fd);
	if (fd < 0 || fstat(fd, &status) < 0 ||
	    fchmodat(merge->run->host->proc_fd, link, status.st_mode & 07777, 0) < 0 ||
	    fstat(view_fd, &status) < 0 ||
	    fchownat(fd, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) < 0 ||
	    fchmodat(merge->run->host->proc_fd, link, status.st_mode & 07777, 0) < 0 ||
	    utimensat(merge->run->host->proc_fd, link,
		      (struct timespec[]){ status.st_atim, status.st_mtim }, 0) < 0)
		return -1;
	AUTO_CLOSE int all_upper_fd = overlay_open_upper(merge);
	return path_open(all_upper_fd, path, O_PATH | O_DIRECTORY);
}

/* An overlay of what the layers show at `path`; -1 and errno where that cannot be had, ENOTDIR for a
 * file. above_fd: the overlay it belongs to, whose own path is above_length long. */
static int try_part(struct merge *merge, const char *path, int above_fd, size_t above_length)
{
	int *views = arena_alloc(merge->n_layers * sizeof(int)), result = -1;
	size_t n = open_views(merge, path, views);
	int error = ENOTDIR;
	if (n && merge->overlay->writable) {
		const char *work = arena_printf("work.%u", ++merge->n_parts);
		AUTO_CLOSE int upper_fd =
			open_upper_at(merge, above_fd, above_length, path, views[0]);
		AUTO_CLOSE int all_work_fd = upper_fd < 0 ? -1 : overlay_open_work(merge);
		if (all_work_fd >= 0 &&
		    (mkdirat(all_work_fd, work, 0700) == 0 || errno == EEXIST)) {
			AUTO_CLOSE int work_fd =
				openat(all_work_fd, work, O_PATH | O_DIRECTORY | O_CLOEXEC);
			result = overlay_try_kernel(merge, views, n, upper_fd, work_fd);
		}
		error = errno;
	} else if (n) {
		result = n == 1 ? fs_clone_read_only(views[0])
				: overlay_try_kernel(merge, views, n, -1, -1);
		error = errno;
	}
	for (size_t i = 0; i < n; i++)
		close(views[i]);
	errno = error;
	return result;
}

/* A read-only view of what the topmost layer that has it shows at `path`. */
static int try_clone(const struct merge *merge, const char *path)
{
	for (size_t i = 0; i < merge->n_layers; i++) {
		AUTO_CLOSE int fd = path_open(merge->layers[i], path, O_PATH | O_NOFOLLOW);
		if (fd >= 0 || errno != ENOENT)
			return fd < 0 ? -1 : fs_clone_read_only(fd);
	}
	return -1;
}

/* A mount for a submount of the layers: an overlay, or a read-only clone of what can be no layer; -1
 * where it stays hidden. `parts` are those made so far. */
static int make_part(struct merge *merge, const struct submount *at, int main_fd,
		     const struct overlay_part *parts, bool *ret_is_overlay)
{
	int above_fd = main_fd, part_fd = -1;
	size_t above_length = 0;
	const char *why = "";
	for (; parts; parts = parts->next)
		if (path_is_below(at->path, parts->path) && strlen(parts->path) > above_length) {
			above_fd = parts->mount_fd;
			above_length = strlen(parts->path);
		}
	if (at->can_be_layer && (part_fd = try_part(merge, at->path, above_fd, above_length)) < 0) {
		/* index=on: its upper directory was copied up by the overlay above. */
		if (errno == ESTALE && merge->overlay->n_options)
			die("%s: the kernel takes neither index=on nor nfs_export=on with a mount below a layer (%s)",
			    position_text(merge->op->position), failing_path(at->path));
		why = arena_printf(", %s", errno == ENOTDIR ? "a file" : errno_text(errno));
	}
	*ret_is_overlay = part_fd >= 0;
	if (part_fd < 0) {
		part_fd = try_clone(merge, at->path);
		run_tell(merge->run, "%s: %s (%s%s) is no layer: %s",
			 position_text(merge->op->position), at->path, at->type, why,
			 part_fd < 0 ? "hidden" : "shown read-only");
	}
	return part_fd;
}

struct overlay_part *overlay_make_parts(struct merge *merge, int main_fd, bool by_kernel)
{
	size_t n;
	const struct submount *list =
		overlay_find_submounts(merge->run, merge->layers, merge->n_layers, &n);
	struct overlay_part *first = NULL, **last = &first;
	const char *whole_clone = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct submount *at = &list[i];
		bool is_overlay;
		if (i && streq(at->path, list[i - 1].path)) /* of another layer: merged with it */
			continue;
		if ((!by_kernel && at->can_be_layer) ||
		    (whole_clone && path_is_below(at->path, whole_clone)))
			continue;
		int part_fd = make_part(merge, at, main_fd, first, &is_overlay);
		if (!is_overlay)
			whole_clone = at->path;
		if (part_fd < 0)
			continue;
		*last = arena_alloc(sizeof(**last));
		**last = (struct overlay_part){ .path = at->path, .mount_fd = part_fd };
		last = &(*last)->next;
	}
	return first;
}

void overlay_attach_parts(const struct run *run, const struct op *op, struct overlay_part *parts)
{
	if (!parts)
		return;
	AUTO_CLOSE int root_fd = path_open(run->root.fd, op->inner_path, O_PATH | O_DIRECTORY);
	if (root_fd < 0)
		die_errno(errno, "%s: Can't find the overlay at %s", position_text(op->position),
			  failing_path(op->inner_path));
	for (struct overlay_part *part = parts; part; part = part->next) {
		fs_set_op_flags(op, part->mount_fd, false);
		AUTO_CLOSE int dest_fd = path_open(root_fd, part->path, O_PATH | O_NOFOLLOW);
		if (dest_fd < 0 ||
		    sys_move_mount(part->mount_fd, "", dest_fd, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't show the submount %s in %s",
				  position_text(op->position), part->path, op->inner_path);
		close_fd(&part->mount_fd);
	}
}
