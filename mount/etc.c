/* etc.c - the files by which programs find addresses of names: /etc/resolv.conf and /etc/hosts.
 *
 * They are private files as those of data.c. What one of them leads to may be another file, or nothing: distributions
 * have links there, into /run and elsewhere. So the mount covers the link itself, which takes part in no look-up then.
 */
#include "mount/etc.h"

#include "mount/destination.h"
#include "mount/state.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_BYTES = 1 << 24 }; /* of lists of what is not to be reached, too */

/* What may hold us, or has no end, is no file. */
static const char *read_file(const struct op *op, int fd, const char *whose)
{
	struct stat status;
	char *bytes;
	size_t length;
	const char *position = position_text(op->position), *path = op->inner_path;
	if (fstat(fd, &status) < 0)
		die_errno(errno, "%s: Can't look at %s %s", position, whose, failing_path(path));
	if (!S_ISREG(status.st_mode))
		die("%s: Can't read %s %s: it is no regular file", position, whose,
		    failing_path(path));
	if (!read_all(fd, MOST_BYTES, &bytes, &length))
		die_errno(errno, "%s: Can't read %s %s", position, whose, failing_path(path));
	if (memchr(bytes, '\0', length))
		die("%s: Can't read %s %s: it is no text", position, whose, failing_path(path));
	return bytes;
}

const char *etc_resolv_conf(const struct op *op)
{
	AUTO_CLOSE int fd = open(op->inner_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		die_because(
			errno,
			"%s: Can't read the host's %s: %s; name a resolver: --data \"nameserver ADDRESS\" %s",
			position_text(op->position), failing_path(op->inner_path),
			errno_text(errno), op->inner_path);
	return read_file(op, fd, "the host's");
}

void etc_write_hosts(struct run *run, const struct op *op, int *file_fd)
{
	static const char of_none[] = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
	int fd = destination_open_source(run, op, op->inner_path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno != ENOENT)
		destination_die(run, op, "read", errno);
	const char *there = fd < 0 ? of_none : read_file(op, fd, "the sandbox's");
	close_fd(&fd);
	if (!write_all(*file_fd, op->text, strlen(op->text)) ||
	    !write_all(*file_fd, there, strlen(there)))
		die_errno(errno, "%s: Can't write %s", position_text(op->position), op->inner_path);
	close_fd(file_fd);
}

void etc_tell_resolver(const struct run *run)
{
	AUTO_CLOSE int fd = path_open(run->root.fd, "/etc/resolv.conf", O_PATH);
	if (fd < 0 && !((run->shape.namespaces | run->shape.second_namespaces) & CLONE_NEWNET))
		say_note(
			"There is a network and no /etc/resolv.conf inside, so that programs find no addresses of names: --resolv-conf auto shows the host's resolver");
}
