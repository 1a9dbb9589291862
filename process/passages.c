/* passages.c - the supervisor's side of --tcp-out and its like: the carriers, from their start to their end; and where --tcp-in
 * listens, or pasta will with --publish.
 *
 * What is carried never comes here. A carrier that is gone takes its passages with it, whose ends are its sockets: what is
 * not reached then stays so.
 */
#include "process/passages.h"

#include "plan/net-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/helpers.h"
#include "process/state.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/entries.h"
#include "sys/channel.h"
#include "utils.h"

#include <arpa/inet.h>
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
	int fd = passage->fd, type, domain;
	if (!has(fd, SO_TYPE, &type) || !has(fd, SO_DOMAIN, &domain))
		die_errno(errno, "%s: Descriptor %d cannot be used", position, fd);
	if (type != SOCK_STREAM || (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6))
		die("%s: Descriptor %d is no stream socket, TCP or unix", position, fd);
	if (!entries_listens(fd) && getpeername(fd, &peer.as.any, &peer.length) < 0)
		die_because(errno, "%s: Descriptor %d neither listens nor is connected: %s",
			    position, fd, errno_text(errno));
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		die_errno(errno, "%s: Can't use descriptor %d", position, fd);
}

/* Before anything is entered, as the caller. What only looks whether the line works lets nobody connect. */
static int listen_outside(const struct run *run, const struct passage *passage)
{
	int fd = entries_try_bind(&passage->beyond);
	if (fd < 0 || (!run->plan->rehearses && listen(fd, ENTRIES_BACKLOG) < 0)) {
		int error = errno;
		die_because(error, "%s: Can't listen on %s: %s%s", position_text(passage->position),
			    passage->word, errno_text(error),
			    diagnose_bind(run, ntohs(passage->beyond.as.in.sin_port), error));
	}
	if (run->plan->rehearses)
		close_fd(&fd);
	return fd;
}

/* pasta is content where it can have one of IPv4 and IPv6, and another process the other one. */
static void check_published(const struct published *published)
{
	static const int families[] = { AF_INET, AF_INET6 };
	uint16_t port = ntohs(published->outer.as.in.sin_port);
	for (size_t i = 0; i < ARRAY_SIZE(families) && !published->outer.as.any.sa_family; i++) {
		struct socket_address any = loopback_address(families[i], port);
		if (families[i] == AF_INET)
			any.as.in.sin_addr.s_addr = htonl(INADDR_ANY);
		else
			any.as.in6.sin6_addr = in6addr_any;
		AUTO_CLOSE int fd = entries_try_bind(&any);
		if (fd < 0 && errno != EAFNOSUPPORT)
			die_because(errno, "%s: Can't listen on port %u: %s%s",
				    position_text(published->position), port, errno_text(errno),
				    cause_text(CAUSE_PORT_TAKEN, NULL));
	}
}

void passages_prepare(struct run *run)
{
	const struct net_plan *net = &run->plan->net;
	for (size_t i = 0; i < net->n_published; i++)
		check_published(&net->published[i]);
	if (net->n_passages)
		run->outer_entries = arena_alloc(net->n_passages * sizeof(int));
	for (size_t i = 0; i < net->n_passages; i++) {
		const struct passage *passage = &net->passages[i];
		int *fds = run->carrier_fds[entries_direction(passage)];
		if (fds[0] < 0)
			channel_make_pair(fds);
		if (passage->fd >= 0)
			check_socket(passage);
		run->outer_entries[i] =
			passage->kind == PASSAGE_TCP_IN ? listen_outside(run, passage) : -1;
	}
}

void passages_start(struct run *run)
{
	for (enum direction direction = 0; direction < N_DIRECTIONS; direction++)
		if (run->carrier_fds[direction][1] >= 0)
			helpers_start_carrier(run, direction);
	for (enum direction direction = 0; direction < N_DIRECTIONS; direction++)
		close_fd(&run->carrier_fds[direction][0]);
	entries_leave(run);
}

static bool are_needed(const struct run *run)
{
	const struct supervisor *self = run->supervisor;
	return self->child && (!self->is_over || !self->init_ends) && !run->shape.ends_with_command;
}

static pid_t find(const struct run *run, enum direction direction)
{
	return helpers_find(run, helpers_carrier(direction));
}

static const char *end_text(const struct run *run, enum helper_kind kind, int status)
{
	bool was_killed = WIFSIGNALED(status);
	const char *how = was_killed ? "was ended by signal" : "has ended with status";
	int number = was_killed ? WTERMSIG(status) : WEXITSTATUS(status);
	if (kind == HELPER_PASTA)
		return arena_printf("%s: There is no network any more: what carried it %s %d",
				    position_text(options_position(run->plan, "--net-pasta")), how,
				    number);
	enum direction direction = kind == HELPER_CARRIER ? OUTWARD : INWARD;
	return arena_printf(
		"%s: The process that carries its connections %s %d: there are none any more",
		position_text(entries_position(run, direction)), how, number);
}

/* Not of an end that was to come: pasta's by us, a carrier's with status 0 when the sandbox is gone. Before COMMAND starts
 * setup may have said why. */
static void tell_end(const struct run *run, enum helper_kind kind, int status)
{
	struct supervisor *self = run->supervisor;
	bool is_due = kind == HELPER_PASTA
			      ? self->is_over && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
			      : status == 0;
	if (is_due || self->not_started)
		return;
	self->lost = end_text(run, kind, status);
	if (self->started)
		passages_tell_lost(run);
}

void passages_tell_lost(const struct run *run)
{
	if (run->supervisor->lost)
		say_warning("%s", run->supervisor->lost);
	run->supervisor->lost = NULL;
}

static const enum helper_kind kinds[] = { HELPER_PASTA, HELPER_CARRIER, HELPER_CARRIER_IN };

void passages_note_end(const struct run *run, pid_t pid, int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (pid == helpers_find(run, kinds[i]))
			tell_end(run, kinds[i], status);
}

/* Its process group, too: pasta has children for a moment while it starts. */
static void kill_helper(const struct run *run, enum helper_kind kind)
{
	pid_t pid = helpers_find(run, kind);
	if (pid <= 1)
		return;
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

static void end_helper(const struct run *run, enum helper_kind kind)
{
	int status;
	pid_t pid = helpers_find(run, kind);
	kill_helper(run, kind);
	if (pid && waitpid(pid, &status, 0) == pid)
		helpers_note_end(run, pid, status);
}

void passages_cut_network(const struct run *run)
{
	kill_helper(run, HELPER_PASTA);
}

void passages_finish(const struct run *run, bool (*wait)(const struct run *run))
{
	enum { PATIENCE_MS = 1200 }; /* they have less: carrier.c */
	const struct supervisor *self = run->supervisor;
	int64_t end_ms = now_ms() + PATIENCE_MS;
	end_helper(run, HELPER_PASTA); /* all that could use it ends with COMMAND */
	if (self->silent_ms && self->silent_ms < end_ms)
		end_ms = self->silent_ms;
	while ((find(run, OUTWARD) || find(run, INWARD)) && !are_needed(run) && now_ms() < end_ms &&
	       wait(run))
		;
}

void passages_abandon(const struct run *run)
{
	end_helper(run, HELPER_PASTA);
	if (run->supervisor->is_over && are_needed(run))
		return;
	end_helper(run, HELPER_CARRIER);
	end_helper(run, HELPER_CARRIER_IN);
}
