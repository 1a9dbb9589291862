/* carry.c - connections joined in pairs, and bytes moved between them, by splice(2): they never come into this process.
 *
 * Each way of a connection is as fast as who reads at its end: what cannot be passed on waits in a pipe, and nothing more is
 * read meanwhile. Only then does a way have a pipe of its own, for a user has only so many pages of pipes before the
 * kernel gives all others of his pipes of two (pipe(7): pipe-user-pages-soft).
 *
 * The end of one side's writing is passed on when all before it was, and a reset as a reset. A pipe that still has
 * bytes in it is never used for another connection.
 *
 * Must not: block; allocate; call what the filter does not let through (guards_confine_carrier()).
 */
#include "process/carry.h"

#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct pipe {
	int fds[2];
	struct pipe *next;
};

struct end {
	struct source source; /* the first: an event leads here */
	struct connection *connection;
	int fd;                        /* -1: none yet */
	bool is_readable, is_writable; /* as far as is known: until EAGAIN */
	bool may_be_at_mark;           /* of urgent data */
};

/* From the end of the same number to the other one. */
struct way {
	struct pipe *pipe;
	size_t n_held; /* in the pipe */
	bool is_over;
};

struct connection {
	enum { UNUSED, CONNECTING, REFUSED_FOR_NOW, JOINED } state;
	struct end ends[N_ENDS];
	struct way ways[N_ENDS];
	const struct socket_address
		*to; /* where it leads; and instead of that the next, of so many */
	size_t n_to;
	bool is_reset;         /* one side has broken off */
	bool target_is_shared; /* with the caller: closing it does not end it */
	bool is_queued;
	struct connection *next; /* of those unused, queued, or ended */
};

struct carry {
	int epoll_fd, root_fd;
	enum carry_end inner;
	size_t n, n_pipes, n_free_pipes;
	bool finishes;
	bool is_urgent;                    /* one of those queued can go on now */
	const struct socket_address *full; /* of this round: asking again is not worth the time */
	struct connection *all, *unused, *queue, **queue_end, *ended;
	size_t n_all, n_touched; /* memory is touched when it is needed: of 1,024 most never are */
	struct pipe *pipes, *free_pipes, *unmade_pipes;
	size_t n_touched_pipes;
};

struct carry *carry_make(int epoll_fd, size_t n_most, enum carry_end inner, int root_fd)
{
	struct carry *carry = arena_alloc(sizeof(*carry));
	*carry = (struct carry){
		.epoll_fd = epoll_fd, .root_fd = root_fd, .inner = inner, .n_all = n_most
	};
	carry->all = arena_alloc(n_most * sizeof(*carry->all));
	carry->pipes = arena_alloc(N_ENDS * n_most * sizeof(*carry->pipes));
	carry->queue_end = &carry->queue;
	return carry;
}

bool carry_is_full(const struct carry *carry)
{
	return !carry->unused && carry->n_touched == carry->n_all;
}

bool carry_is_idle(const struct carry *carry)
{
	return !carry->n;
}

/* ---- pipes ---- */

/* A few that are large, as many of the usual size as are no nuisance to the user's other programs, and beyond that,
 * where as many peers do not read, of one page. */
static int pipe_size(size_t number)
{
	enum { N_LARGE = 16, LARGE = 1 << 18, N_USUAL = 256, USUAL = 1 << 16, SMALL = 4096 };
	return number < N_LARGE ? LARGE : number < N_USUAL ? USUAL : SMALL;
}

/* NULL: there is none to be had for now. */
static struct pipe *take_pipe(struct carry *carry)
{
	struct pipe *pipe = carry->free_pipes;
	if (pipe) {
		carry->free_pipes = pipe->next;
		carry->n_free_pipes--;
		return pipe;
	}
	int fds[2];
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return NULL;
	fcntl(fds[1], F_SETPIPE_SZ, pipe_size(carry->n_pipes)); /* or as it is */
	pipe = carry->unmade_pipes;
	if (pipe)
		carry->unmade_pipes = pipe->next;
	else
		pipe = &carry->pipes[carry->n_touched_pipes++]; /* two for each connection */
	memcpy(pipe->fds, fds, sizeof(fds));
	carry->n_pipes++;
	return pipe;
}

static void close_pipe(struct carry *carry, struct pipe *pipe)
{
	close(pipe->fds[0]);
	close(pipe->fds[1]);
	carry->n_pipes--;
	pipe->next = carry->unmade_pipes;
	carry->unmade_pipes = pipe;
}

static void return_pipe(struct carry *carry, struct way *way)
{
	enum { MOST_FREE = 16 };
	struct pipe *pipe = way->pipe;
	way->pipe = NULL;
	if (!pipe)
		return;
	if (way->n_held || carry->n_free_pipes >= MOST_FREE) {
		way->n_held = 0;
		close_pipe(carry, pipe);
		return;
	}
	pipe->next = carry->free_pipes;
	carry->free_pipes = pipe;
	carry->n_free_pipes++;
}

/* ---- the beginning and the end of a connection ---- */

static void queue(struct carry *carry, struct connection *connection)
{
	if (connection->is_queued)
		return;
	connection->is_queued = true;
	connection->next = NULL;
	*carry->queue_end = connection;
	carry->queue_end = &connection->next;
}

static void close_end(struct carry *carry, struct connection *connection, int number)
{
	static const struct linger at_once = { .l_onoff = 1 };
	struct end *end = &connection->ends[number];
	if (end->fd < 0)
		return;
	if (connection->is_reset) /* which close(2) then tells the peer: tcp(7) */
		setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (number == CARRY_TARGET && connection->target_is_shared) {
		epoll_ctl(carry->epoll_fd, EPOLL_CTL_DEL, end->fd, NULL);
		shutdown(end->fd, SHUT_RDWR);
	}
	close_fd(&end->fd);
}

/* Events of its ends may still be on their way: it can be used again after them. */
static void end_connection(struct carry *carry, struct connection *connection)
{
	for (int i = 0; i < N_ENDS; i++) {
		return_pipe(carry, &connection->ways[i]);
		close_end(carry, connection, i);
	}
	connection->state = UNUSED;
	if (!connection->is_queued) {
		connection->next = carry->ended;
		carry->ended = connection;
	}
	carry->n--;
}

static bool watch(struct carry *carry, struct end *end)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				     .data.ptr = end };
	return epoll_ctl(carry->epoll_fd, EPOLL_CTL_ADD, end->fd, &event) == 0;
}

static void break_off(struct carry *carry, struct connection *connection)
{
	connection->is_reset = true;
	end_connection(carry, connection);
}

static bool begin_end(struct connection *connection, enum carry_end number, int fd)
{
	static const int on = 1;
	connection->ends[number] = (struct end){ .source = { SOURCE_CONNECTION },
						 .connection = connection,
						 .fd = fd,
						 .is_writable = true };
	/* Who waits to fill a packet has done so before; of a unix socket it is refused. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd >= 0;
}

/* What is connected to is the very thing that was found: a link that COMMAND has put in the place of the socket, or of a
 * directory above it, would lead to another socket of the caller's. */
static int connect_at(const struct carry *carry, int fd, const struct socket_address *to)
{
	struct sockaddr_un found = { .sun_family = AF_UNIX };
	bool unused;
	if (!to->path)
		return connect(fd, &to->as.any, to->length);
	AUTO_CLOSE int found_fd = path_open_plain(carry->root_fd, to->path, &unused);
	if (found_fd < 0)
		return -1;
	snprintf(found.sun_path, sizeof(found.sun_path), "/proc/self/fd/%d", found_fd);
	return connect(fd, (struct sockaddr *) &found, sizeof(found));
}

/* False: it is not reached by this address. A queue that is full is EAGAIN at once for a unix socket: unix(7). Nothing
 * tells when it is not. */
static bool connect_to(struct carry *carry, struct connection *connection,
		       const struct socket_address *to)
{
	struct end *target = &connection->ends[CARRY_TARGET];
	if (target->fd < 0 &&
	    !begin_end(connection, CARRY_TARGET,
		       socket(to->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)))
		return false;
	connection->state = connect_at(carry, target->fd, to) == 0 ? JOINED
			    : errno == EINPROGRESS                 ? CONNECTING
			    : errno == EAGAIN                      ? REFUSED_FOR_NOW
								   : UNUSED;
	if (connection->state == REFUSED_FOR_NOW) {
		carry->full = to;
		queue(carry, connection);
	}
	return connection->state == REFUSED_FOR_NOW ||
	       (connection->state != UNUSED && watch(carry, target));
}

static void try_connect(struct carry *carry, struct connection *connection)
{
	for (; connection->n_to; connection->to++, connection->n_to--) {
		if (connect_to(carry, connection, connection->to))
			return;
		close_fd(&connection->ends[CARRY_TARGET].fd);
	}
	break_off(carry, connection);
}

/* NULL, with it closed, where the kernel does not let it be watched. */
static struct connection *begin(struct carry *carry, int entry, int target)
{
	struct connection *connection = carry->unused;
	if (connection)
		carry->unused = connection->next;
	else
		connection = &carry->all[carry->n_touched++];
	*connection = (struct connection){ .state = JOINED };
	carry->n++;
	begin_end(connection, CARRY_TARGET, target);
	begin_end(connection, CARRY_ENTRY, entry);
	if (watch(carry, &connection->ends[CARRY_ENTRY]))
		return connection;
	break_off(carry, connection);
	return NULL;
}

void carry_connect(struct carry *carry, int entry, const struct socket_address *to, size_t n_to)
{
	struct connection *connection = begin(carry, entry, -1);
	if (!connection)
		return;
	connection->to = to;
	connection->n_to = n_to;
	try_connect(carry, connection);
}

void carry_join(struct carry *carry, int entry, int target)
{
	struct connection *connection = begin(carry, entry, target);
	if (!connection)
		return;
	connection->target_is_shared = true;
	if (!watch(carry, &connection->ends[CARRY_TARGET]))
		break_off(carry, connection);
}

/* ---- one way ---- */

/* Urgent data is not carried: splice(2) stays in front of it, and says there what it says at the end when that has come,
 * too; recv(2) leaves it out and goes on (tcp(7)). */
static ssize_t take_past_mark(struct end *from, const struct pipe *pipe)
{
	char byte;
	ssize_t n = recvfrom(from->fd, &byte, 1, MSG_DONTWAIT, NULL, NULL);
	if (n < 0 && errno == EAGAIN)
		from->may_be_at_mark = false;
	return n > 0 ? write(pipe->fds[1], &byte, 1) : n;
}

/* What has come is in the pipe, or why it is not is noted. False: there is no pipe for now. */
static bool take(struct carry *carry, struct connection *connection, int number)
{
	enum { MOST = 1 << 20 };
	struct way *way = &connection->ways[number];
	struct end *from = &connection->ends[number], *to = &connection->ends[!number];
	if (!way->pipe && !(way->pipe = take_pipe(carry))) {
		queue(carry, connection);
		return false;
	}
	ssize_t n = splice(from->fd, NULL, way->pipe->fds[1], NULL, MOST,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n == 0 || (n < 0 && errno == EAGAIN && from->may_be_at_mark))
		n = take_past_mark(from, way->pipe);
	int error = errno;
	if (n > 0) {
		way->n_held = (size_t) n;
		return true;
	}
	return_pipe(carry, way);
	from->is_readable = false;
	if (n < 0 && error == EAGAIN)
		return true;
	way->is_over = true;
	if (n == 0)
		shutdown(to->fd, SHUT_WR);
	else
		connection->is_reset = connection->ways[!number].is_over =
			true; /* nobody is there */
	return true;
}

/* Who can be given nothing may have said something before: the other way goes on. */
static void give(struct carry *carry, struct connection *connection, int number)
{
	struct way *way = &connection->ways[number];
	struct end *to = &connection->ends[!number];
	ssize_t n = splice(way->pipe->fds[0], NULL, to->fd, NULL, way->n_held,
			   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (n < 0 && errno == EAGAIN) {
		to->is_writable = false;
		return;
	}
	if (n > 0)
		way->n_held -= (size_t) n;
	else
		way->is_over = connection->is_reset = true;
	if (!way->n_held || way->is_over)
		return_pipe(carry, way);
}

static void go_one_way(struct carry *carry, struct connection *connection, int number)
{
	enum { MOST_STEPS = 32 }; /* then it is the others' turn */
	const struct way *way = &connection->ways[number];
	for (int i = 0; !way->is_over && (way->n_held ? connection->ends[!number].is_writable
						      : connection->ends[number].is_readable);
	     i++) {
		if (i == MOST_STEPS) {
			queue(carry, connection);
			carry->is_urgent = true;
			return;
		}
		if (way->n_held)
			give(carry, connection, number);
		else if (!take(carry, connection, number))
			return;
	}
}

/* ---- one connection ---- */

static void learn_connected(struct carry *carry, struct connection *connection)
{
	int error;
	socklen_t size = sizeof(error);
	struct end *target = &connection->ends[CARRY_TARGET];
	if (getsockopt(target->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && !error) {
		connection->state = JOINED;
		return;
	}
	close_fd(&target->fd);
	connection->to++;
	connection->n_to--;
	try_connect(carry, connection);
}

static void go_on(struct carry *carry, struct connection *connection)
{
	if (connection->state == REFUSED_FOR_NOW && connection->to == carry->full)
		queue(carry, connection);
	else if (connection->state == REFUSED_FOR_NOW)
		try_connect(carry, connection);
	if (connection->state != JOINED)
		return;
	for (int i = 0; i < N_ENDS; i++)
		go_one_way(carry, connection, i);
	if ((connection->ways[CARRY_ENTRY].is_over && connection->ways[CARRY_TARGET].is_over) ||
	    (carry->finishes && connection->ways[carry->inner].is_over))
		end_connection(carry, connection);
}

void carry_hear(struct carry *carry, struct source *source, uint32_t events)
{
	struct end *end = (struct end *) source;
	struct connection *connection = end->connection;
	bool is_target = end == &connection->ends[CARRY_TARGET];
	if (connection->state == UNUSED) /* since an earlier event of the same call */
		return;
	end->is_readable |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	end->may_be_at_mark |= (events & EPOLLPRI) != 0;
	end->is_writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
	if (connection->state == CONNECTING && is_target &&
	    events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		learn_connected(carry, connection);
	else if (connection->state != JOINED && !is_target && events & (EPOLLHUP | EPOLLERR))
		break_off(carry, connection); /* nobody waits for it any longer */
	if (!connection->is_queued)
		go_on(carry, connection);
}

/* ---- all of them ---- */

void carry_go_on(struct carry *carry)
{
	struct connection *queued = carry->queue, *next;
	carry->queue = NULL;
	carry->queue_end = &carry->queue;
	carry->is_urgent = false;
	carry->full = NULL;
	for (; queued; queued = next) {
		next = queued->next;
		queued->is_queued = false;
		if (queued->state != UNUSED) {
			go_on(carry, queued);
			continue;
		}
		queued->next = carry->ended;
		carry->ended = queued;
	}
	for (; carry->ended; carry->ended = next) {
		next = carry->ended->next;
		carry->ended->next = carry->unused;
		carry->unused = carry->ended;
	}
}

int carry_ms_to_sleep(const struct carry *carry)
{
	enum { STEP_MS = 10 };
	return carry->is_urgent ? 0 : carry->queue ? STEP_MS : -1;
}

void carry_finish(struct carry *carry)
{
	carry->finishes = true;
	for (size_t i = 0; i < carry->n_touched; i++)
		if (carry->all[i].state == JOINED && !carry->all[i].is_queued)
			go_on(carry, &carry->all[i]);
}
