/* stub-mark.c - what a stub looks like, and how one is taken away without taking what is somebody else's.
 *
 * It is marked from the moment it exists, by a mode that nobody gives to an empty file or directory; so what a kill
 * leaves behind is known for what it is.
 */
#include "mount/stub-mark.h"

#include "mount/stub.h"
#include "sys/kernel.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

bool stub_is_marked(const struct stat *status)
{
	mode_t mode = status->st_mode;
	/* A directory's default ACL takes bits away, its S_ISGID is inherited. */
	if (!(mode & S_ISVTX) || mode & (S_ISUID | 0222))
		return false;
	return S_ISDIR(mode) || (S_ISREG(mode) && !(mode & (S_ISGID | 0111)) &&
				 status->st_size == 0 && status->st_nlink == 1);
}

static bool is_empty_directory(int fd)
{
	int list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = list_fd < 0 ? NULL : fdopendir(list_fd);
	if (!directory) {
		close_fd(&list_fd);
		return false;
	}
	int n = 0;
	while (readdir(directory) && n < 3)
		n++;
	closedir(directory);
	return n < 3;
}

bool stub_is_one(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && stub_is_marked(&status) &&
	       (!S_ISDIR(status.st_mode) || is_empty_directory(fd));
}

/* An exclusive lock needs a descriptor to write to on NFS, flock(2); without CAP_DAC_OVERRIDE nobody gets that for a
 * file without a write bit. What is at a name may be a device a moment later: it is opened again from the
 * descriptor that was judged, through the host's O_PATH /proc. Who holds a lease on it (fcntl(2)) must not keep us. */
int stub_open(const struct run *run, int dir_fd, const char *name)
{
	AUTO_CLOSE int path_fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;
	if (path_fd < 0 || fstat(path_fd, &status) < 0)
		return -1;
	if (!stub_is_marked(&status)) {
		errno = EEXIST;
		return -1;
	}
	const char *again = arena_printf("self/fd/%d", path_fd);
	int fd = S_ISDIR(status.st_mode)
			 ? -1
			 : openat(run->host->proc_fd, again, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 ? fd : openat(run->host->proc_fd, again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

bool stub_is_at(int dir_fd, const char *name, int fd)
{
	struct stat there, ours;
	return fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &ours) == 0 &&
	       there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/* ---- taken away ---- */

const char *stub_hidden_name(const char *name)
{
	static const char prefix[] = ".bwrapish-stub-";
	size_t length = strlen(name), most = NAME_MAX + 1 - sizeof(prefix);
	return arena_join(prefix, arena_copy(name, length < most ? length : most));
}

/* Over nothing. Network file systems do not know the flag (EINVAL). */
static int move_to(int dir_fd, const char *from, const char *to)
{
	struct stat status;
	if (sys_renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return errno;
	if (fstatat(dir_fd, to, &status, AT_SYMLINK_NOFOLLOW) == 0)
		return EEXIST;
	return renameat(dir_fd, from, dir_fd, to) < 0 ? errno : 0;
}

/* A process that was killed between the two steps has left its stub there; of one that is between them it is
 * locked. */
static void clear_hidden(const struct run *run, int dir_fd, const char *hidden)
{
	AUTO_CLOSE int fd = stub_open(run, dir_fd, hidden);
	struct stat status;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &status) == 0 &&
	    status.st_uid == geteuid() && stub_is_at(dir_fd, hidden, fd))
		unlinkat(dir_fd, hidden, 0);
}

/* By its own name it could be exchanged for another after the last look at it. Under the hidden one nobody puts
 * anything but we, who then look whether what was moved is what was meant. */
static int take_file_away(const struct run *run, int dir_fd, const char *name, int fd)
{
	enum { MOST_TRIES = 20, STEP_NS = 5000000 };
	const char *hidden = stub_hidden_name(name);
	int error = move_to(dir_fd, name, hidden);
	for (int n = 1; error == EEXIST && n < MOST_TRIES; n++) {
		clear_hidden(run, dir_fd, hidden);
		error = move_to(dir_fd, name, hidden);
		if (error == EEXIST)
			nanosleep(&(struct timespec){ .tv_nsec = STEP_NS }, NULL);
	}
	if (error)
		return error == ENOENT ? 0 : error;
	struct stat status;
	if (stub_is_at(dir_fd, hidden, fd) && fstat(fd, &status) == 0 && status.st_size == 0)
		return unlinkat(dir_fd, hidden, 0) < 0 ? errno : 0;
	error = move_to(dir_fd, hidden, name);
	return error == EEXIST ? EAGAIN : error;
}

int stub_take_away(const struct run *run, int dir_fd, const char *name, int fd)
{
	struct stat status, there;
	if (fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : errno;
	if (fstat(fd, &status) < 0 || !stub_is_at(dir_fd, name, fd))
		return 0;
	if (S_ISREG(status.st_mode))
		return status.st_size ? 0 : take_file_away(run, dir_fd, name, fd);
	/* An empty directory at most, whosever. */
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTDIR ||
	    errno == ENOTEMPTY || errno == EEXIST)
		return 0;
	return errno;
}
