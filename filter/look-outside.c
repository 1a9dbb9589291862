/* look-outside.c - the host's side of what COMMAND asks for.
 *
 * Component by component, by O_PATH and no more: nothing is opened by that, no device, no pipe, and of an automount only
 * what is there. What is at the end is told in the sandbox's words: a link that is inside, too, leads on there; one
 * that is not has to be made; where something else is in its place, that stays.
 */
#include "filter/look-outside.h"

#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { MOST_LINKS = 40 }; /* path_resolution(7) */

struct walk {
	struct outside *at;
	int outer_root, inner_root;
	char rest[2 * PATH_MAX];
	unsigned n_links;
};

static int step_to(struct walk *walk, int fd, const struct stat *status, const char *name)
{
	struct outside *at = walk->at;
	size_t length = strlen(at->place), more = strlen(name);
	close_fd(&at->fd);
	at->fd = fd;
	at->status = *status;
	if (streq(name, "..")) {
		char *slash = strrchr(at->place, '/');
		if (slash)
			*slash = '\0';
		return 0;
	}
	if (streq(name, "."))
		return 0;
	if (length + more + 2 > sizeof(at->place))
		return ENAMETOOLONG;
	at->place[length] = '/';
	memcpy(at->place + length + 1, name, more + 1);
	return 0;
}

static int start_over(struct walk *walk)
{
	struct stat status;
	int fd = fcntl(walk->outer_root, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || fstat(fd, &status) < 0) {
		close_fd(&fd);
		return errno;
	}
	step_to(walk, fd, &status, ".");
	walk->at->place[0] = '\0';
	return 0;
}

/* Looking for a name in it would have the mount made. */
static bool is_automount(int fd)
{
	struct statfs fs;
	return fstatfs(fd, &fs) == 0 && fs.f_type == AUTOFS_SUPER_MAGIC;
}

enum there { IS_MISSING, IS_LINK, IS_OTHER };
static enum there look_inside(const struct walk *walk, const char *name)
{
	char path[PATH_MAX + NAME_MAX + 2] = "";
	struct stat status;
	size_t length = strlen(walk->at->place);
	memcpy(path, walk->at->place, length);
	path[length] = '/';
	memcpy(path + length + 1, name, strlen(name) + 1);
	AUTO_CLOSE int fd = path_open(walk->inner_root, path, O_PATH | O_NOFOLLOW);
	return fd < 0 || fstat(fd, &status) < 0 ? IS_MISSING
	       : S_ISLNK(status.st_mode)        ? IS_LINK
						: IS_OTHER;
}

static void tell_link(struct outside *at, const char *name, const char *target)
{
	size_t place = strlen(at->place), length = strlen(name) + 1,
	       target_length = strlen(target) + 1;
	char *end = at->links + at->links_length;
	if (at->links_length + place + 1 + length + target_length > sizeof(at->links))
		return; /* what is told then is not all that it takes */
	memcpy(end, at->place, place);
	end[place] = '/';
	memcpy(end + place + 1, name, length);
	memcpy(end + place + 1 + length, target, target_length);
	at->links_length += place + 1 + length + target_length;
	at->n_links++;
}

/* Takes link_fd over. */
static int follow_link(struct walk *walk, int link_fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(link_fd, "", target, sizeof(target) - 1);
	int error = length < 0 ? errno : length == 0 ? ENOENT : 0;
	close(link_fd);
	if (!error && ++walk->n_links > MOST_LINKS)
		error = ELOOP;
	if (error)
		return error;
	target[length] = '\0';
	enum there inside = look_inside(walk, name);
	if (inside == IS_OTHER) { /* it stands for what the link leads to */
		struct stat status;
		int fd = openat(walk->at->fd, name, O_PATH | O_CLOEXEC);
		if (fd < 0 || fstat(fd, &status) < 0) {
			close_fd(&fd);
			return errno;
		}
		return step_to(walk, fd, &status, name);
	}
	if (inside == IS_MISSING)
		tell_link(walk->at, name, target);
	size_t rest = strlen(walk->rest) + 1;
	if ((size_t) length + rest > sizeof(walk->rest))
		return ENAMETOOLONG;
	memmove(walk->rest + length, walk->rest, rest);
	memcpy(walk->rest, target, (size_t) length);
	return target[0] == '/' ? start_over(walk) : 0;
}

static int step(struct walk *walk, const char *name, bool follows)
{
	struct stat status;
	int fd = openat(walk->at->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status) < 0) {
		close_fd(&fd);
		return errno;
	}
	if (S_ISLNK(status.st_mode) && follows)
		return follow_link(walk, fd, name);
	if (status.st_dev != walk->at->status.st_dev && is_automount(fd)) {
		close(fd);
		return EREMOTE;
	}
	return step_to(walk, fd, &status, name);
}

/* Whether there is such a thing in a /proc: processes have other numbers there. */
static int look_into_proc(struct walk *walk)
{
	const char *rest = skip_slashes(walk->rest);
	char name[NAME_MAX + 1] = "";
	memcpy(name, rest, strcspn(rest, "/") < NAME_MAX ? strcspn(rest, "/") : NAME_MAX);
	walk->at->in_proc = true;
	if (!*name || streq(name, "self") || streq(name, "thread-self"))
		return 0;
	return name[strspn(name, "0123456789")] ? step(walk, name, false) : ENOENT;
}

int look_outside(int outer_root, int inner_root, const char *path, bool follows,
		 struct outside *outside)
{
	struct walk walk = { .at = outside, .outer_root = outer_root, .inner_root = inner_root };
	*outside = (struct outside){ .fd = -1 };
	if (strlen(path) >= PATH_MAX)
		return ENAMETOOLONG;
	memcpy(walk.rest, path, strlen(path) + 1);
	int error = start_over(&walk);
	while (!error) {
		if (streq(outside->place, "/proc"))
			return look_into_proc(&walk);
		const char *start = skip_slashes(walk.rest);
		size_t length = strcspn(start, "/");
		bool is_last = !start[length];
		char name[NAME_MAX + 1];
		if (!length)
			break;
		if (length > NAME_MAX)
			return ENAMETOOLONG;
		memcpy(name, start, length);
		name[length] = '\0';
		memmove(walk.rest, start + length, strlen(start + length) + 1);
		error = step(&walk, name, follows || !is_last);
	}
	if (!error && !*outside->place)
		memcpy(outside->place, "/", 2);
	return error;
}
