/* passages.c - the supervisor's side of --tcp-out and its like: the carrier, from its start to its end.
 *
 * What is carried never comes here. A carrier that is gone takes the passages with it, whose ends are its sockets: what is
 * not reached then stays so.
 */
#include "process/passages.h"

#include "plan/net-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/helpers.h"
#include "process/state.h"
#include "sys/channel.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static bool has(int socket, int option, int *ret_value)
{
	socklen_t size = sizeof(*ret_value);
	return getsockopt(socket, SOL_SOCKET, option, ret_value, &size) == 0;
}

static void check_socket(const struct passage *passage)
{
	const char *position = position_text(passage->position);
	struct socket_address peer = { .length = sizeof(peer.as) };
	int fd = passage->fd, type, domain, listens;
	if (!has(fd, SO_TYPE, &type) || !has(fd, SO_DOMAIN, &domain) ||
	    !has(fd, SO_ACCEPTCONN, &listens))
		die_errno(errno, "%s: Descriptor %d cannot be used", position, fd);
	if (type != SOCK_STREAM || (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6))
		die("%s: Descriptor %d is no stream socket, TCP or unix", position, fd);
	if (!listens && getpeername(fd, &peer.as.any, &peer.length) < 0)
		die_because(errno, "%s: Descriptor %d neither listens nor is connected: %s",
			    position, fd, errno_text(errno));
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		die_errno(errno, "%s: Can't use descriptor %d", position, fd);
}

void passages_prepare(struct run *run)
{
	const struct net_plan *net = &run->plan->net;
	for (size_t i = 0; i < net->n_passages; i++)
		if (net->passages[i].fd >= 0)
			check_socket(&net->passages[i]);
	if (net->n_passages)
		channel_make_pair(run->carrier_fds);
}

void passages_start(struct run *run)
{
	if (run->carrier_fds[1] >= 0)
		helpers_start_carrier(run, run->carrier_fds[1]);
	close_fd(&run->carrier_fds[0]);
	close_fd(&run->carrier_fds[1]);
}

static bool are_needed(const struct run *run)
{
	const struct supervisor *self = run->supervisor;
	return self->child && (!self->is_over || !self->init_ends) && !run->shape.ends_with_command;
}

void passages_finish(const struct run *run, bool (*wait)(const struct run *run))
{
	enum { PATIENCE_MS = 1200 }; /* it has less: carrier.c */
	const struct supervisor *self = run->supervisor;
	int64_t end_ms = now_ms() + PATIENCE_MS;
	if (self->silent_ms && self->silent_ms < end_ms)
		end_ms = self->silent_ms;
	while (helpers_find(run, HELPER_CARRIER) && !are_needed(run) && now_ms() < end_ms &&
	       wait(run))
		;
}

void passages_abandon(const struct run *run)
{
	pid_t carrier = helpers_find(run, HELPER_CARRIER);
	int status;
	if (!carrier || (run->supervisor->is_over && are_needed(run)))
		return;
	if (kill(carrier, SIGKILL) == 0 && waitpid(carrier, &status, 0) == carrier)
		helpers_note_end(run, carrier, status);
}

void passages_note_end(const struct run *run, pid_t pid, int status)
{
	const struct supervisor *self = run->supervisor;
	if (pid != helpers_find(run, HELPER_CARRIER) || !self->started || self->is_over ||
	    !WIFSIGNALED(status))
		return;
	say_warning(
		"%s: The process that carries its connections was ended by signal %d: there are none any more",
		position_text(run->plan->net.passages[0].position), WTERMSIG(status));
}
