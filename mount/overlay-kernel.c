/* overlay-kernel.c - layers merged by the kernel's overlay.
 *
 * fsopen("overlay"), "lowerdir+" for each layer (Linux 6.7), else one short "lowerdir"; what counts is
 * whether CMD_CREATE succeeds, because the legacy fsconfig of 6.1 takes everything. In a user namespace
 * always with userxattr: without it `rm -r` of a merged directory fails (EIO).
 *
 * Must not: leave anything attached.
 */
#include "mount/overlay-kernel.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

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
static int set_directory(struct merge *merge, int fs_fd, const char *key, int fd)
{
	if (!merge->takes_paths_only && sys_fsconfig(fs_fd, FSCONFIG_SET_FD, key, NULL, fd) == 0)
		return 0;
	merge->takes_paths_only = true;
	return set_string(fs_fd, key, arena_printf("/proc/self/fd/%d", fd));
}

/* -1: the tmpfs's. */
static int set_writable(struct merge *merge, int fs_fd, int upper_fd, int work_fd)
{
	int result = upper_fd < 0 ? set_string(fs_fd, "upperdir", TMPFS_UPPER)
				  : set_directory(merge, fs_fd, "upperdir", upper_fd);
	if (result < 0)
		return -1;
	return work_fd < 0 ? set_string(fs_fd, "workdir", TMPFS_WORK)
			   : set_directory(merge, fs_fd, "workdir", work_fd);
}

static int set_layers_and_create(struct merge *merge, int fs_fd, const int *lowers, size_t n,
				 bool one_string)
{
	if (one_string)
		return set_lowerdir(merge, fs_fd, lowers, n);
	for (size_t i = 0; i < n; i++)
		if (set_directory(merge, fs_fd, "lowerdir+", lowers[i]) < 0)
			return -1;
	return sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* After a refusal, whose errno stays: whether "lowerdir+" is more than a word to this kernel. The legacy
 * parser takes any. */
static bool knows_layer_list(struct merge *merge, int lower_fd)
{
	int error = errno;
	AUTO_CLOSE int fs_fd = sys_fsopen("overlay", FSOPEN_CLOEXEC);
	bool knows = fs_fd >= 0 && set_directory(merge, fs_fd, "lowerdir+", lower_fd) == 0 &&
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
	merge->upper_refused = writable && set_writable(merge, fs_fd, upper_fd, work_fd) < 0;
	if (merge->upper_refused)
		return -1;
	if (set_layers_and_create(merge, fs_fd, lowers, n, one_string) < 0)
		return -1;
	int mount_fd =
		sys_fsmount(fs_fd, FSMOUNT_CLOEXEC,
			    (writable ? 0u : MOUNT_ATTR_RDONLY) | MOUNT_ATTR_NOSUID |
				    MOUNT_ATTR_NODEV | overlay_kept_attributes(merge, lowers, n) |
				    overlay_kept_attributes(merge, &upper_fd, 1));
	if (mount_fd >= 0 && work_fd >= 0)
		leave_removable(merge, work_fd);
	return mount_fd;
}

/* EINVAL may be about an option: tried without them it is told which. */
int overlay_try_kernel(struct merge *merge, const int *lowers, size_t n, int upper_fd, int work_fd)
{
	for (int with_options = 1; with_options >= 0; with_options--) {
		int fd = try_create(merge, lowers, n, upper_fd, work_fd, with_options, false);
		if (fd < 0 && errno == EINVAL && !knows_layer_list(merge, lowers[0]))
			fd = try_create(merge, lowers, n, upper_fd, work_fd, with_options, true);
		if (fd >= 0 && !with_options)
			die("%s: the kernel refuses %s here%s",
			    position_text(merge->overlay->options[0].position),
			    merge->overlay->options[0].word,
			    merge->user_xattrs
				    ? "; a normal user's overlay (userxattr) has no redirect_dir, metacopy or nfs_export"
				    : "");
		if (fd >= 0 || errno != EINVAL || !merge->overlay->n_options)
			return fd;
	}
	errno = EINVAL;
	return -1;
}
