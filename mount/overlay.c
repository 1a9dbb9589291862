/* overlay.c - layers merged into one tree: by the kernel's overlay, or by fuse-overlayfs where that
 * refuses.
 *
 * Everything happens while the host can be seen (newroot_pin()), in the sandbox's own mount
 * namespace. Each layer is opened once; the kernel and the helper get it by its descriptor's
 * number, so no path of the user's is ever part of an option string and none needs escaping. The
 * result is a detached mount like any other source.
 *
 * Kernel: fsopen("overlay"), "lowerdir+" for each layer (Linux 6.7), else one short "lowerdir";
 * what counts is whether CMD_CREATE succeeds, because the legacy fsconfig of 6.1 takes everything.
 * In a user namespace always with userxattr: without it `rm -r` of a merged directory fails (EIO).
 *
 * Submounts: an overlay sees its layers' own file systems only. Where the mounts below a layer are
 * the caller's to handle, each gets an overlay of its own (a "part"), whose upper directory is the
 * same path below the whole one's: one tree holds all changes. A normal user's copy of the host's
 * mounts is locked, which the kernel refuses to layer over (EINVAL); there, and where the layers'
 * owners do not exist in the user namespace (copying up: EOVERFLOW), fuse-overlayfs merges what
 * open_tree(2) has cloned, submounts included. What is no stored data (procfs and its like) becomes
 * no layer; it is shown as a read-only clone.
 *
 * Must not: fall back when the cause may be a mistake of the caller's (EPERM, EBUSY, ELOOP); leave
 * anything attached.
 */
#include "mount/overlay.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/overlay-changes.h"
#include "mount/overlay-fuse.h"
#include "mount/scratch.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#ifndef ST_NOSYMFOLLOW
#define ST_NOSYMFOLLOW 0x2000 /* linux/statfs.h, 5.10 */
#endif

struct overlay_part {
	const char *path;
	int mount_fd;
	struct overlay_part *next;
};

/* One overlay being made. */
struct merge {
	struct run *run;
	const struct op *op;
	const struct overlay *overlay;
	int *layers; /* top first */
	size_t n_layers;
	bool has_scratch;      /* a tmpfs for what is written, where RWSRC is not given */
	int upper_fd, work_fd; /* -1 where scratch holds them, which needs no descriptor */
	bool user_xattrs;
	bool upper_refused; /* by the kernel, as a file system that it cannot write to */
	unsigned n_parts;
};

/* ---- layers ---- */

static const char *layer_name(const struct layer *layer)
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
		    word, layer_name(layer));
	if (fd < 0)
		die("Can't find source path %s: %s, at %s", layer_name(layer), errno_text(errno),
		    position_text(layer->position));
	if (given_fd >= 0 && !fs_is_same_object(fd, given_fd))
		die("%s: Can't use %s: %s is another file now", position_text(layer->position),
		    layer_name(layer), path);
	return fd;
}

static void open_layers(struct merge *merge)
{
	size_t n = merge->n_layers = merge->overlay->n_layers;
	merge->layers = arena_alloc(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		merge->layers[n - 1 - i] = open_layer(merge, &merge->overlay->layers[i], "SRC");
}

/* Kernels up to 6.12 want upper and work directory attached: on top of /, where no look-up from our
 * root meets it but that of "/..", until the overlay exists. */
static const char scratch_path[] = "/..", scratch_upper[] = "/../upper",
		  scratch_work[] = "/../work";

static void make_scratch(struct merge *merge)
{
	AUTO_CLOSE int fd = fs_make_tmpfs(merge->op->position, 0700, 0);
	merge->has_scratch = true;
	/* What is merged looks like the topmost layer. */
	struct stat status;
	bool may_chown = !merge->user_xattrs; /* elsewhere not every id exists */
	if (sys_move_mount(fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mkdirat(fd, "upper", 0755) < 0 || mkdirat(fd, "work", 0700) < 0 ||
	    fstat(merge->layers[0], &status) < 0 ||
	    (may_chown && fchownat(fd, "upper", status.st_uid, status.st_gid, 0) < 0) ||
	    fchmodat(fd, "upper", status.st_mode & 07777, 0) < 0)
		die_errno(errno, "%s: Can't make a place for what is written",
			  position_text(merge->op->position));
}

static void detach_scratch(const struct merge *merge)
{
	if (merge->has_scratch && sys_umount2(scratch_path, MNT_DETACH) < 0)
		die_errno(errno, "%s: Can't put the place for what is written aside",
			  position_text(merge->op->position));
}

static int open_again(int fd, const char *in_scratch)
{
	return fd < 0 ? open(in_scratch, O_PATH | O_DIRECTORY | O_CLOEXEC)
		      : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static int open_upper(const struct merge *merge)
{
	return open_again(merge->upper_fd, scratch_upper);
}

static int open_work(const struct merge *merge)
{
	return open_again(merge->work_fd, scratch_work);
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

/* ---- mistakes that the kernel calls ELOOP, EBUSY or EINVAL, and fuse-overlayfs does not notice
 * ---- */

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

/* Dies where two of the directories are, or one holds, the other. The kernel refuses that;
 * fuse-overlayfs shows a directory that it meets twice in one place only. */
static void refuse_overlap(const struct merge *merge)
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
		all[n++] =
			take_part(merge->layers[i], true,
				  arena_printf("the layer %s", layer_name(layer)), layer->position);
	}
	for (size_t i = 0; i < n; i++)
		refuse_above(&all[i], all, n);
}

/* The kernel would merge all the same, read-only. */
static void refuse_unwritable(const struct merge *merge, int fd, const char *word, const char *path)
{
	if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0)
		die("%s: Can't write to %s %s: %s", position_text(merge->op->position), word, path,
		    errno_text(errno));
}

static void prepare_upper(struct merge *merge)
{
	if (!merge->overlay->writable)
		return;
	if (!merge->overlay->upper.path) {
		make_scratch(merge);
		return;
	}
	struct layer upper = merge->overlay->upper, work = merge->overlay->work;
	upper.position = work.position = merge->op->position;
	merge->upper_fd = open_layer(merge, &upper, "RWSRC");
	merge->work_fd = open_layer(merge, &work, "WORKDIR");
	/* Before the kernel sees them: it leaves a directory in WORKDIR also when it refuses. */
	refuse_overlap(merge);
	check_work_directory(merge);
	refuse_unwritable(merge, merge->upper_fd, "RWSRC", upper.path);
	refuse_unwritable(merge, merge->work_fd, "WORKDIR", work.path);
}

/* ---- the kernel's overlay ---- */

static int set_string(int fs_fd, const char *key, const char *value)
{
	return sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0);
}

static int set_option(int fs_fd, const char *option)
{
	const char *equals = strchr(option, '=');
	return equals ? set_string(fs_fd, arena_copy(option, (size_t) (equals - option)),
				   equals + 1)
		      : sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, option, NULL, 0);
}

/* All layers as one string, for kernels before 6.7: numbers below self/fd, which has to be the
 * directory, because the string must be shorter than 256 bytes. */
static int set_lowerdir(const struct merge *merge, int fs_fd, const int *lowers, size_t n)
{
	struct text list = { 0 };
	for (size_t i = 0; i < n; i++)
		text_add(&list, "%s%d", i ? ":" : "", lowers[i]);
	if (list.length > 255) {
		errno = E2BIG;
		return -1;
	}
	AUTO_CLOSE int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int fd_dir =
		openat(merge->run->host->proc_fd, "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (here < 0 || fd_dir < 0 || fchdir(fd_dir) < 0)
		return -1;
	int result = set_string(fs_fd, "lowerdir", list.bytes);
	/* The legacy parser only looks at the string when the overlay is created. */
	if (result == 0)
		result = sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	int error = errno;
	if (fchdir(here) < 0)
		die_errno(errno, "%s: Can't go back to the working directory",
			  position_text(merge->op->position));
	errno = error;
	return result;
}

/* Linux 6.13 takes the descriptor itself; the path through /proc costs 5 µs more for each layer. */
static int set_directory(int fs_fd, const char *key, int fd)
{
	static bool takes_paths_only;
	if (!takes_paths_only && sys_fsconfig(fs_fd, FSCONFIG_SET_FD, key, NULL, fd) == 0)
		return 0;
	takes_paths_only = true;
	return set_string(fs_fd, key, arena_printf("/proc/self/fd/%d", fd));
}

/* -1: scratch's. */
static int set_writable(int fs_fd, int upper_fd, int work_fd)
{
	int result = upper_fd < 0 ? set_string(fs_fd, "upperdir", scratch_upper)
				  : set_directory(fs_fd, "upperdir", upper_fd);
	if (result < 0)
		return -1;
	return work_fd < 0 ? set_string(fs_fd, "workdir", scratch_work)
			   : set_directory(fs_fd, "workdir", work_fd);
}

static int set_layers_and_create(const struct merge *merge, int fs_fd, const int *lowers, size_t n,
				 bool one_string)
{
	if (one_string)
		return set_lowerdir(merge, fs_fd, lowers, n);
	for (size_t i = 0; i < n; i++)
		if (set_directory(fs_fd, "lowerdir+", lowers[i]) < 0)
			return -1;
	return sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* After a refusal, whose errno stays: whether "lowerdir+" is more than a word to this kernel. The legacy
 * parser takes any. */
static bool knows_layer_list(int lower_fd)
{
	int error = errno;
	AUTO_CLOSE int fs_fd = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	bool knows = fs_fd >= 0 && set_directory(fs_fd, "lowerdir+", lower_fd) == 0 &&
		     sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "no-such-option", NULL, 0) < 0;
	errno = error;
	return knows;
}

/* The kernel's own directories in WORKDIR have the mode 0, which keeps their owner from removing them
 * once the overlay is gone. It goes by itself on with the rights of who mounted it. */
static void leave_removable(const struct merge *merge, int work_fd)
{
	static const char *const names[] = { "work", "work/incompat", "work/incompat/volatile",
					     "index" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_CLOSE int fd = path_open(work_fd, names[i], O_PATH | O_NOFOLLOW);
		struct stat status;
		if (fd >= 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) &&
		    fchmodat(merge->run->host->proc_fd, arena_printf("self/fd/%d", fd), 0700, 0) <
			    0)
			die_errno(errno, "%s: Can't make %s in WORKDIR removable",
				  position_text(merge->op->position), names[i]);
	}
}

/* What is forbidden on the mount of one of the directories is on the overlay. */
static unsigned kept_attributes(const struct merge *merge, const int *fds, size_t n)
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

/* One attempt. -1 and errno. */
static int try_create(struct merge *merge, const int *lowers, size_t n, int upper_fd, int work_fd,
		      bool with_options, bool one_string)
{
	AUTO_CLOSE int fs_fd = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	if (fs_fd < 0 || set_string(fs_fd, "source", "overlay") < 0)
		return -1;
	if (merge->user_xattrs && sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -1;
	for (size_t i = 0; with_options && i < merge->overlay->n_options; i++)
		if (set_option(fs_fd, merge->overlay->options[i].word) < 0)
			return -1;
	bool writable = merge->overlay->writable;
	merge->upper_refused = writable && set_writable(fs_fd, upper_fd, work_fd) < 0;
	if (merge->upper_refused)
		return -1;
	if (set_layers_and_create(merge, fs_fd, lowers, n, one_string) < 0)
		return -1;
	int mount_fd = sys_fsmount(fs_fd, FSMOUNT_CLOEXEC,
				   (writable ? 0u : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NOSUID |
					   MOUNT_ATTR_NODEV | kept_attributes(merge, lowers, n) |
					   kept_attributes(merge, &upper_fd, 1));
	if (mount_fd >= 0 && work_fd >= 0)
		leave_removable(merge, work_fd);
	return mount_fd;
}

/* -1 and errno; E2BIG: more layers than a kernel before 6.7 takes. EINVAL may be about an option: tried
 * without them it is told which. */
static int try_kernel(struct merge *merge, const int *lowers, size_t n, int upper_fd, int work_fd)
{
	for (int with_options = 1; with_options >= 0; with_options--) {
		int fd = try_create(merge, lowers, n, upper_fd, work_fd, with_options, false);
		if (fd < 0 && errno == EINVAL && !knows_layer_list(lowers[0]))
			fd = try_create(merge, lowers, n, upper_fd, work_fd, with_options, true);
		if (fd >= 0 && !with_options)
			die("%s: the kernel refuses %s here%s",
			    position_text(merge->overlay->options[0].position),
			    merge->overlay->options[0].word,
			    merge->user_xattrs ? "; a normal user's overlay (userxattr) has no "
						 "redirect_dir, metacopy or "
						 "nfs_export"
					       : "");
		if (fd >= 0 || errno != EINVAL || !merge->overlay->n_options)
			return fd;
	}
	errno = EINVAL;
	return -1;
}

/* Overlay keeps its marks in extended attributes of the upper file system, which only FUSE can do
 * without. */
static bool upper_has_xattrs(const struct merge *merge)
{
	const char *name = merge->user_xattrs ? "user.bwrapish" : "trusted.bwrapish";
	const char *upper = merge->has_scratch ? scratch_upper
					       : arena_printf("/proc/self/fd/%d", merge->upper_fd);
	return !merge->overlay->writable || getxattr(upper, name, NULL, 0) >= 0 ||
	       errno != EOPNOTSUPP;
}

/* In a user namespace with one id all others are "nobody", and what belongs to them cannot be
 * copied up. */
static bool has_unmapped_owner(const struct merge *merge)
{
	const struct shape *shape = &merge->run->shape;
	if (!merge->overlay->writable || !shape->user_namespace ||
	    merge->run->plan->report.userns_block.fd >= 0)
		return false;
	for (size_t i = 0; i < merge->n_layers; i++) {
		struct stat status;
		if (fstat(merge->layers[i], &status) == 0 &&
		    (status.st_uid != shape->inner_uid || status.st_gid != shape->inner_gid))
			return true;
	}
	return false;
}

/* ---- submounts ---- */

static void unescape_octal(char *word)
{
	char *out = word;
	for (; *word; word++)
		if (word[0] == '\\' && word[1] && word[2] && word[3]) {
			*out++ = (char) ((word[1] - '0') * 64 + (word[2] - '0') * 8 +
					 (word[3] - '0'));
			word += 3;
		} else {
			*out++ = *word;
		}
	*out = '\0';
}

static bool type_can_be_layer(const char *type)
{
	/* Kernel interfaces: what a file of theirs says depends on who reads it, a helper's
	 * /proc/self is the helper's. Another user's FUSE answers nobody else. */
	static const char *const others[] = {
		"proc",        "sysfs",      "devpts",   "devtmpfs", "cgroup",  "cgroup2",
		"securityfs",  "debugfs",    "tracefs",  "bpf",      "mqueue",  "autofs",
		"binfmt_misc", "configfs",   "efivarfs", "pstore",   "fusectl", "hugetlbfs",
		"selinuxfs",   "rpc_pipefs", "nsfs"
	};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (streq(type, others[i]))
			return false;
	return strncmp(type, "fuse", 4) != 0;
}

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

/* Splits a line of mountinfo in place: the mount's id, where it is, and its type;
 * proc_pid_mountinfo(5). */
static bool read_mount(char *line, uint64_t *ret_id, const char **ret_point, const char **ret_type)
{
	char *save = NULL, *fields[5] = { 0 }, *dash = strstr(line, " - ");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
	if (!dash || !fields[4])
		return false;
	unescape_octal(fields[4]);
	*ret_id = strtoull(fields[0], NULL, 10);
	*ret_point = fields[4];
	*ret_type = arena_copy(dash + 3, strcspn(dash + 3, " "));
	return true;
}

/* All of mountinfo; NULL and errno. */
static char *read_mounts(const struct run *run, size_t *ret_length)
{
	AUTO_CLOSE int fd = openat(run->host->proc_fd, "self/mountinfo", O_RDONLY | O_CLOEXEC);
	char *bytes;
	return fd >= 0 && read_all(fd, SIZE_MAX / 4, &bytes, ret_length) ? bytes : NULL;
}

/* Ends the line; returns where the next begins. */
static char *cut_line(char *line)
{
	char *end = strchrnul(line, '\n');
	*end = '\0';
	return end + 1;
}

const char *overlay_type_of_mount(const struct run *run, uint64_t mount_id)
{
	size_t length;
	char *bytes = read_mounts(run, &length), *next_line;
	for (char *line = bytes; bytes && line < bytes + length; line = next_line) {
		uint64_t id;
		const char *point, *type;
		next_line = cut_line(line);
		if (read_mount(line, &id, &point, &type) && id == mount_id)
			return type;
	}
	return "";
}

struct submount *overlay_find_submounts(const struct run *run, const int *dir_fds, size_t n_dirs,
					size_t *ret_n)
{
	char *next_line;
	size_t length, n = 0, capacity = 0,
		       *top_lengths = arena_alloc(n_dirs * sizeof(*top_lengths));
	const char **tops = arena_alloc(n_dirs * sizeof(*tops));
	struct submount *list = NULL;
	char *bytes = read_mounts(run, &length);
	if (!bytes)
		die_errno(errno, "Can't read /proc/self/mountinfo");
	for (size_t i = 0; i < n_dirs; i++) {
		tops[i] =
			bind_shown_path(run, (struct position){ .option = "overlay" }, dir_fds[i]);
		top_lengths[i] = streq(tops[i], "/") ? 0 : strlen(tops[i]);
	}
	for (char *line = bytes; line < bytes + length; line = next_line) {
		uint64_t id;
		const char *point, *type;
		next_line = cut_line(line);
		if (!read_mount(line, &id, &point, &type))
			continue;
		for (size_t i = 0; i < n_dirs; i++) {
			size_t top = top_lengths[i];
			if (strncmp(point, tops[i], top) != 0 || point[top] != '/' ||
			    !point[top + 1] ||
			    is_below_no_layer(list, n, dir_fds[i], point + top + 1) ||
			    !is_seen(run, dir_fds[i], point + top + 1, id))
				continue;
			list = arena_grow(list, n, &capacity, sizeof(*list));
			list[n++] = (struct submount){ dir_fds[i], arena_string(point + top + 1),
						       type, type_can_be_layer(type) };
		}
	}
	if (n)
		qsort(list, n, sizeof(*list), compare_submounts);
	*ret_n = n;
	return list;
}

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
	AUTO_CLOSE int all_upper_fd = open_upper(merge);
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
		AUTO_CLOSE int all_work_fd = upper_fd < 0 ? -1 : open_work(merge);
		if (all_work_fd >= 0 &&
		    (mkdirat(all_work_fd, work, 0700) == 0 || errno == EEXIST)) {
			AUTO_CLOSE int work_fd =
				openat(all_work_fd, work, O_PATH | O_DIRECTORY | O_CLOEXEC);
			result = try_kernel(merge, views, n, upper_fd, work_fd);
		}
		error = errno;
	} else if (n) {
		result =
			n == 1 ? fs_clone_read_only(views[0]) : try_kernel(merge, views, n, -1, -1);
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
			die("%s: the kernel takes neither index=on nor nfs_export=on with a mount "
			    "below a layer (%s)",
			    position_text(merge->op->position), at->path);
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

/* The mounts that belong on the layers' submounts, parents first. Where not `by_kernel`, what can be
 * a layer is one already. */
static struct overlay_part *make_parts(struct merge *merge, int main_fd, bool by_kernel)
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
			  op->inner_path);
	for (struct overlay_part *part = parts; part; part = part->next) {
		AUTO_CLOSE int dest_fd = path_open(root_fd, part->path, O_PATH | O_NOFOLLOW);
		if (dest_fd < 0 ||
		    sys_move_mount(part->mount_fd, "", dest_fd, "",
				   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			die_errno(errno, "%s: Can't show the submount %s in %s",
				  position_text(op->position), part->path, op->inner_path);
		close_fd(&part->mount_fd);
	}
}

/* ---- choosing ---- */

/* Why the kernel refused, in words. */
static const char *reason_of(const struct merge *merge, int error)
{
	switch (error) {
	case E2BIG:
		return arena_printf("%zu layers in one overlay need Linux 6.7 or newer",
				    merge->n_layers);
	case ENODEV:
	case ENOSYS:
		return "this kernel has no overlay";
	case EOPNOTSUPP:
		return arena_printf("no %s extended attributes where writes go",
				    merge->user_xattrs ? "user" : "trusted");
	case EACCES:
		return "it may not write where RWSRC and WORKDIR are";
	case EINVAL:
		return merge->upper_refused ? "it does not write to the file system of RWSRC"
		       : merge->run->shape.user_namespace
			       ? "a mount below a layer that is not this user's to uncover, or a "
				 "file system that it cannot merge or write to"
			       : "a file system that it cannot merge or write to";
	default:
		return errno_text(error);
	}
}

static _Noreturn void die_of_kernel(const struct merge *merge, int error, const char *and_fuse)
{
	die("%s: Can't make overlay mount on %s: %s%s%s", position_text(merge->op->position),
	    merge->op->inner_path, reason_of(merge, error),
	    and_fuse ? "; and fuse-overlayfs: " : "", and_fuse ? and_fuse : "");
}

/* Whoever may write to RWSRC and WORKDIR, which was looked at, is refused by NFS when the kernel's own
 * directory in WORKDIR has the mode 0. */
static bool kernel_cannot(int error)
{
	return error == EINVAL || error == EACCES || error == ENODEV || error == EOPNOTSUPP ||
	       error == ENOSYS || error == E2BIG;
}

/* The directory that holds both RWSRC and WORKDIR; ret_ paths below it. */
static int open_common_directory(const struct merge *merge, const char **ret_upper,
				 const char **ret_work)
{
	const char *upper = bind_shown_path(merge->run, merge->op->position, merge->upper_fd);
	const char *work = bind_shown_path(merge->run, merge->op->position, merge->work_fd);
	size_t length = 1;
	for (size_t i = 0; upper[i] && upper[i] == work[i]; i++)
		if (upper[i] == '/')
			length = i + 1;
	*ret_upper = upper + length;
	*ret_work = work + length;
	return open(arena_copy(upper, length), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* fuse-overlayfs looks its directories up by name, in a mount namespace of its own, and renames
 * between upper and work directory: both have to be on one mount that can be attached there. False
 * and ret_why: it would read the name as two. */
static bool clone_writable(const struct merge *merge, struct overlay_writable *ret,
			   const char **ret_why)
{
	*ret = (struct overlay_writable){ -1, -1, -1 };
	if (!merge->overlay->writable)
		return true;
	const char *upper = "upper", *work = "work";
	AUTO_CLOSE int common_fd = merge->has_scratch
					   ? open(scratch_path, O_PATH | O_DIRECTORY | O_CLOEXEC)
					   : open_common_directory(merge, &upper, &work);
	if (strchr(upper, ':')) {
		*ret_why = "it takes no RWSRC whose name has a colon";
		return false;
	}
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	if (common_fd < 0 ||
	    (ret->mount_fd = sys_open_tree(common_fd, "",
					   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
						   AT_EMPTY_PATH)) < 0 ||
	    sys_mount_setattr(ret->mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
	    (ret->upper_fd = path_open(ret->mount_fd, upper, O_PATH | O_DIRECTORY)) < 0 ||
	    (ret->work_fd = path_open(ret->mount_fd, work, O_PATH | O_DIRECTORY)) < 0)
		die_errno(errno, "%s: Can't clone the place for what is written",
			  position_text(merge->op->position));
	close_fd(&common_fd);
	AUTO_CLOSE int upper_fd = open_upper(merge);
	AUTO_CLOSE int work_fd = open_work(merge);
	if (!fs_is_same_object(ret->upper_fd, upper_fd) ||
	    !fs_is_same_object(ret->work_fd, work_fd))
		die("%s: RWSRC or WORKDIR is another directory now",
		    position_text(merge->op->position));
	return true;
}

/* fuse-overlayfs shows a directory that it cannot read as an empty one. */
static bool can_read_layers(const struct merge *merge, const char **ret_why)
{
	for (size_t i = 0; i < merge->n_layers; i++)
		if (faccessat(merge->layers[i], ".", R_OK | X_OK, AT_EACCESS) < 0) {
			*ret_why = arena_printf(
				"Can't read the layer %s: %s",
				layer_name(&merge->overlay->layers[merge->n_layers - 1 - i]),
				errno_text(errno));
			return false;
		}
	return true;
}

static int make_fuse(struct merge *merge, struct overlay_part **ret_parts, const char **ret_why)
{
	const struct shape *shape = &merge->run->shape;
	bool squash = shape->user_namespace && merge->run->plan->report.userns_block.fd < 0;
	struct overlay_writable writable;
	refuse_overlap(merge);
	if (!can_read_layers(merge, ret_why))
		return -1;
	AUTO_CLOSE int device_fd = -1;
	int fd =
		overlay_make_fuse_mount(merge->run,
					kept_attributes(merge, merge->layers, merge->n_layers) |
						kept_attributes(merge, &merge->upper_fd, 1) |
						(merge->overlay->writable ? 0u : MOUNT_ATTR_RDONLY),
					&device_fd, ret_why);
	if (fd < 0)
		return -1;
	if (scratch_runs_short(merge->run, fd,
			       merge->n_layers)) { /* the kernel's overlay needs fewer */
		*ret_why = "too few descriptors are left (ulimit -n)";
		close_fd(&fd);
	} else if (!clone_writable(merge, &writable, ret_why) ||
		   !overlay_serve_fuse(merge->run, merge->op, merge->layers, merge->n_layers, fd,
				       &device_fd, &writable, squash, ret_why))
		close_fd(&fd);
	else
		*ret_parts = make_parts(merge, fd, false);
	return fd;
}

static int try_kernel_whole(struct merge *merge, struct overlay_part **ret_parts)
{
	if (!upper_has_xattrs(merge)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	int fd = try_kernel(merge, merge->layers, merge->n_layers, merge->upper_fd, merge->work_fd);
	int error = errno;
	/* The kernel leaves a directory of mode 0, into which NFS lets not even its owner. */
	if (fd < 0 && merge->overlay->upper.path)
		unlinkat(merge->work_fd, "work", AT_REMOVEDIR);
	/* In a user namespace that was made for the sandbox all mounts are locked, so here there
	 * are none. */
	if (fd >= 0 && !merge->run->shape.user_namespace)
		*ret_parts = make_parts(merge, fd, true);
	errno = error;
	return fd;
}

/* The mount, and which backend it was; says so when auto takes the second. */
static int make_mount(struct merge *merge, struct overlay_part **ret_parts, bool *ret_fuse)
{
	const struct overlay *overlay = merge->overlay;
	const char *why = NULL, *position = position_text(merge->op->position);
	bool may_kernel = overlay->backend != OVERLAY_FUSE && overlay_fits_backend(overlay, false);
	bool may_fuse = overlay->backend != OVERLAY_KERNEL && overlay_fits_backend(overlay, true);
	bool others_own = may_kernel && may_fuse && has_unmapped_owner(merge);
	*ret_fuse = true;
	int fd = -1, error = 0;
	if (others_own && (fd = make_fuse(merge, ret_parts, &why)) >= 0) {
		say_warning("%s: taking fuse-overlayfs: files of other users could not be changed "
			    "in the kernel's overlay",
			    position);
		return fd;
	}
	if (may_kernel) {
		fd = try_kernel_whole(merge, ret_parts);
		error = errno;
		*ret_fuse = false;
		if (fd >= 0 && others_own)
			say_warning("%s: files of other users cannot be changed in %s: %s",
				    position, merge->op->inner_path, why);
		if (fd >= 0)
			return fd;
		refuse_overlap(merge);
		if (!may_fuse || others_own || !kernel_cannot(error))
			die_of_kernel(merge, error, why);
	}
	fd = make_fuse(merge, ret_parts, &why);
	if (fd < 0 && may_kernel)
		die_of_kernel(merge, error, why);
	if (fd < 0)
		die("%s: Can't make overlay mount on %s: fuse-overlayfs: %s", position,
		    merge->op->inner_path, why);
	*ret_fuse = true;
	if (may_kernel)
		say_warning("%s: taking fuse-overlayfs: the kernel's overlay refuses (%s)",
			    position, reason_of(merge, error));
	return fd;
}

static bool in_initial_user_namespace(const struct run *run)
{
	struct stat status;
	return fstatat(run->host->proc_fd, "self/ns/user", &status, 0) == 0 &&
	       status.st_ino == 0xEFFFFFFD; /* PROC_USER_INIT_INO */
}

int overlay_pin(struct run *run, const struct op *op, struct overlay_part **ret_parts)
{
	struct merge merge = { .run = run,
			       .op = op,
			       .overlay = op->overlay,
			       .upper_fd = -1,
			       .work_fd = -1,
			       .user_xattrs = !in_initial_user_namespace(run) };
	bool fuse;
	open_layers(&merge);
	prepare_upper(&merge);
	int fd = make_mount(&merge, ret_parts, &fuse);
	if (op->overlay->changes.fd >= 0) {
		AUTO_CLOSE int upper_fd = open_upper(&merge);
		overlay_watch_changes(run, op,
				      fuse                ? MARKS_FUSE
				      : merge.user_xattrs ? MARKS_USER
							  : MARKS_TRUSTED,
				      merge.layers, merge.n_layers, upper_fd);
	}
	detach_scratch(&merge);
	for (size_t i = 0; i < merge.n_layers; i++)
		close(merge.layers[i]);
	close_fd(&merge.upper_fd);
	close_fd(&merge.work_fd);
	return fd;
}
