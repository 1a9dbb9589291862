/* listeners.c - the ports of the loopback device inside that lead outside; and the way in.
 *
 * A socket belongs to the network namespace in which it was made, whoever has it: these are made inside, before
 * anybody else is there, and served from outside. Those that reach what listens inside are made when it is
 * asked for, by who has entered the namespace for that.
 */
#include "ns/listeners.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "run/entries.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

/* -1 and errno. */
static int try_listen(int family, uint16_t port)
{
	const struct socket_address address = loopback_address(family, port);
	int fd = entries_try_bind(&address);
	if (fd >= 0 && listen(fd, ENTRIES_BACKLOG) == 0)
		return fd;
	close_fd(&fd);
	return -1;
}

/* Whether an error says that there is no such family here: not built, or switched off. */
static bool is_of_family(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

static void listen_at(const struct run *run, size_t number)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const struct passage *passage = &run->plan->net.passages[number];
	const char *position = position_text(passage->position);
	int n = 0, error = 0;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		AUTO_CLOSE int fd = try_listen(families[i], passage->port);
		if (fd >= 0) {
			entries_send(run, number, fd);
			n++;
			continue;
		}
		error = errno;
		if (!is_of_family(error))
			break;
		run_tell(run, "%s: nothing listens on %s: %s", position,
			 i ? "[::1], so that clients take 127.0.0.1" : "127.0.0.1",
			 errno_text(error));
	}
	if (!n || (error && !is_of_family(error)))
		die_errno(error, "%s: Can't listen on port %u inside", position, passage->port);
}

static void show_way_in(const struct run *run)
{
	AUTO_CLOSE int network = openat(run->host->proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
	if (network < 0)
		die_errno(errno, "%s: Can't open /proc/self/ns/net",
			  position_text(entries_position(run, INWARD)));
	entries_send_network(run, network);
}

void listeners_make(const struct run *run)
{
	for (size_t i = 0; i < run->plan->net.n_passages; i++)
		if (run->plan->net.passages[i].kind == PASSAGE_TCP_OUT)
			listen_at(run, i);
	if (run->carrier_fds[INWARD][0] >= 0)
		show_way_in(run);
}
