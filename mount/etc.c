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

/* A resolver of the host's loopback device, as systemd-resolved, is not reached from a network of its own; nor is that of
 * a file that names none, which is the same: resolv.conf(5). */
static bool is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strncmp(address, "::1", 3) == 0 ||
	       strncmp(address, "0.0.0.0", 7) == 0;
}

static const char *with_resolver(const char *resolver, const char *bytes)
{
	static const char keyword[] = "nameserver";
	const size_t n_keyword = sizeof(keyword) - 1;
	struct text text = { 0 };
	bool has_one = false, has_others = false;
	for (const char *line = bytes, *next; *line; line = next) {
		next = strchrnul(line, '\n');
		next += *next == '\n';
		bool names = strncmp(line, keyword, n_keyword) == 0;
		const char *address =
			names ? line + n_keyword + strspn(line + n_keyword, " \t") : "";
		if (!names || !is_loopback(address))
			text_add(&text, "%.*s", (int) (next - line), line);
		else if (!has_one)
			text_add(&text, "%s %s\n", keyword, resolver);
		has_one |= names && is_loopback(address);
		has_others |= names && !is_loopback(address);
	}
	if (!has_one && !has_others)
		text_add(&text, "\n%s %s\n", keyword, resolver);
	return text.bytes;
}

const char *etc_resolv_conf(const struct run *run, const struct op *op)
{
	AUTO_CLOSE int fd = open(op->inner_path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		die_because(
			errno,
			"%s: Can't read the host's %s: %s; name a resolver: --data \"nameserver ADDRESS\" %s",
			position_text(op->position), failing_path(op->inner_path),
			errno_text(errno), op->inner_path);
	const char *bytes = read_file(op, fd, "the host's");
	return run->resolver ? with_resolver(run->resolver, bytes) : bytes;
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
	bool has_network = run->plan->net.pasta ||
			   !((run->shape.namespaces | run->shape.second_namespaces) & CLONE_NEWNET);
	if (fd < 0 && has_network)
		say_note(
			"There is a network and no /etc/resolv.conf inside, so that programs find no addresses of names: --resolv-conf auto shows the host's resolver");
}
