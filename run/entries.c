/* entries.c - the sockets at which connections come in, told to the helpers that carry these: setup tells of those inside. */
#include "run/entries.h"

#include "plan/plan.h"
#include "plan/position.h"
#include "run/helper.h"
#include "sys/channel.h"
#include "utils.h"

#include <errno.h>
#include <unistd.h>

enum direction entries_direction(const struct passage *passage)
{
	return passage->kind == PASSAGE_TCP_IN ? INWARD : OUTWARD;
}

struct position entries_position(const struct run *run, enum direction direction)
{
	const struct passage *passage = run->plan->net.passages;
	while (entries_direction(passage) != direction)
		passage++;
	return passage->position;
}

int entries_try_bind(const struct socket_address *address)
{
	static const int on = 1;
	int family = address->as.any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* Connections of an earlier run, long over, keep nobody from an address: tcp(7). */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
	    bind(fd, &address->as.any, address->length) == 0)
		return fd;
	close_fd(&fd);
	return -1;
}

bool entries_listens(int socket)
{
	int answer = 0;
	socklen_t size = sizeof(answer);
	return getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 && answer;
}

void entries_send(const struct run *run, size_t passage, int socket)
{
	/* Where there is no carrier any more entries_await_ready() hears why. */
	channel_try_send_fd(run->carrier_fds[OUTWARD][0], MESSAGE_ENTRY, (int) passage, socket);
}

static bool are_at_paths(const struct net_plan *net)
{
	for (size_t i = 0; i < net->n_passages; i++)
		if (net->passages[i].kind == PASSAGE_UNIX_OUT)
			return true;
	return false;
}

void entries_end(const struct run *run, bool with_paths)
{
	if (run->carrier_fds[OUTWARD][0] >= 0 && with_paths == are_at_paths(&run->plan->net))
		channel_try_send(run->carrier_fds[OUTWARD][0], MESSAGE_ENTRIES_END, 0);
}

void entries_send_network(const struct run *run, int network)
{
	channel_try_send_fd(run->carrier_fds[INWARD][0], MESSAGE_NETWORK, 0, network);
}

void entries_await_ready(struct run *run)
{
	struct failure failure;
	for (enum direction direction = 0; direction < N_DIRECTIONS; direction++) {
		if (run->carrier_fds[direction][0] < 0)
			continue;
		enum helper_answer answer =
			helper_receive_answer(run->carrier_fds[direction][0], NULL, &failure);
		if (answer == HELPER_HAS_FAILED)
			die_silently(&failure);
		if (answer == HELPER_IS_GONE)
			die("%s: The process that carries its connections was ended; nothing was run",
			    position_text(entries_position(run, direction)));
		close_fd(&run->carrier_fds[direction][0]);
	}
}

void entries_leave(struct run *run)
{
	for (size_t i = 0; run->outer_entries && i < run->plan->net.n_passages; i++)
		close_fd(&run->outer_entries[i]);
	run->outer_entries = NULL;
	for (enum direction direction = 0; direction < N_DIRECTIONS; direction++)
		close_fd(&run->carrier_fds[direction][1]);
}

static void receive(int socket, struct message *ret_message, int *ret_fd)
{
	if (channel_receive(socket, true, ret_message, ret_fd) != 1)
		_exit(1); /* setup is gone, and has said why */
}

bool entries_receive(const struct run *run, int socket, size_t *ret_passage, int *ret_socket)
{
	struct message message;
	receive(socket, &message, ret_socket);
	if (message.kind == MESSAGE_ENTRIES_END)
		return false;
	*ret_passage = (size_t) message.value;
	if (message.kind != MESSAGE_ENTRY || *ret_socket < 0 ||
	    *ret_passage >= run->plan->net.n_passages)
		_exit(1); /* not from setup */
	return true;
}

int entries_receive_network(int socket)
{
	struct message message;
	int network;
	receive(socket, &message, &network);
	if (message.kind != MESSAGE_NETWORK || network < 0)
		_exit(1); /* not from setup */
	return network;
}
