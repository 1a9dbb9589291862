/* carrier.c - the helpers that carry connections through the edge of the sandbox's network: one accepts what comes to the
 * sockets that setup has made inside, and has each joined with one outside (carry.c); the other one, with --tcp-in, the
 * other way round.
 *
 * They are in the host's namespaces, as the caller, so that COMMAND reaches nothing but what they join; but for the network
 * of the second, to which the sockets belong that it makes, and the user namespace, which owns that. They have no capability,
 * no descriptor but these and no call that runs anything, or opens it but by O_PATH (guards_confine_carrier()), and cannot be looked
 * into. They hear no signal, and end with the sandbox, also where the supervisor has left before.
 *
 * Must not: wait for one peer; allocate once it is confined.
 */
#include "process/carrier.h"

#include "filter/guards.h"
#include "ns/join.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "process/carry.h"
#include "run/entries.h"
#include "run/helper.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Those that come beyond that wait in the queues of their sockets. */
enum { MOST_CONNECTIONS = 1024, ENTRIES_EACH = 2, N_INNER = 2, SHORT_MS = 100 };

/* A socket that listens. */
struct entry {
	struct source source; /* the first: an event leads here */
	int fd;
	struct gate *gate;
};

/* A passage, as it is served. */
struct gate {
	const struct socket_address *to; /* the first of these where somebody listens */
	size_t n_to;
	struct entry entries[ENTRIES_EACH];
	size_t n_entries;
	int fd;              /* the caller's socket; -1: there is none, or it is joined already */
	struct entry target; /* that, where it listens; else its fd is -1 */
	int held;            /* accepted there, for the next that comes from inside; -1: none */
};

struct carrier {
	const struct run *run;
	enum direction direction;
	int epoll_fd;
	struct source life;
	struct gate *gates;
	size_t n_gates;
	struct carry *carry;
	bool is_paused; /* nothing is accepted: there are as many as can be, or the kernel gives no more */
	int64_t short_ms; /* until when that is not tried again; 0: it does */
	int64_t end_ms;   /* the sandbox has ended, and so do we by then; 0: it goes on */
};

/* ---- entries ---- */

/* Level-triggered: what was not accepted is told again. `events` 0: nothing is. */
static bool watch_entry(const struct carrier *carrier, struct entry *entry, int how,
			uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = entry };
	return entry->fd < 0 || epoll_ctl(carrier->epoll_fd, how, entry->fd, &event) == 0;
}

static void watch_gate(const struct carrier *carrier, struct gate *gate, uint32_t events)
{
	for (size_t i = 0; i < gate->n_entries; i++)
		watch_entry(carrier, &gate->entries[i], EPOLL_CTL_MOD, events);
}

static void pause_or_go_on(struct carrier *carrier, bool pause)
{
	if (carrier->is_paused == pause)
		return;
	carrier->is_paused = pause;
	for (size_t i = 0; i < carrier->n_gates; i++) {
		watch_gate(carrier, &carrier->gates[i], pause ? 0 : EPOLLIN);
		watch_entry(carrier, &carrier->gates[i].target, EPOLL_CTL_MOD, 0);
	}
}

static void close_gate(struct gate *gate)
{
	for (size_t i = 0; i < gate->n_entries; i++)
		close_fd(&gate->entries[i].fd);
}

/* -1: none comes at the moment. */
static int accept_from(struct carrier *carrier, const struct entry *entry)
{
	int fd;
	do
		fd = accept4(entry->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && errno == ECONNABORTED);
	if (fd < 0 && errno != EAGAIN)
		carrier->short_ms = now_ms() + SHORT_MS;
	return fd;
}

/* Whether there is one for the next from inside. Otherwise the first from inside waits for it. */
static bool has_target(struct carrier *carrier, struct gate *gate)
{
	if (gate->target.fd < 0 || gate->held >= 0)
		return true;
	gate->held = accept_from(carrier, &gate->target);
	if (gate->held >= 0)
		return true;
	watch_gate(carrier, gate, 0);
	watch_entry(carrier, &gate->target, EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
	return false;
}

/* False: nothing is waiting there, or nothing can be done for it now. */
static bool admit_one(struct carrier *carrier, struct entry *entry)
{
	struct gate *gate = entry->gate;
	if (entry->fd < 0 || carry_is_full(carrier->carry) || !has_target(carrier, gate))
		return false;
	int fd = accept_from(carrier, entry);
	if (fd < 0)
		return false;
	if (gate->fd < 0) {
		carry_connect(carrier->carry, fd, gate->to, gate->n_to);
		return true;
	}
	bool is_last = gate->target.fd < 0;
	carry_join(carrier->carry, fd, is_last ? gate->fd : gate->held);
	gate->held = -1;
	if (is_last)
		close_gate(gate);
	return true;
}

static void admit(struct carrier *carrier, struct entry *entry)
{
	enum { MOST_AT_ONCE = 64 };
	for (int n = 0; n < MOST_AT_ONCE && admit_one(carrier, entry); n++)
		;
}

/* ---- the end ---- */

/* What COMMAND has sent before it ended is passed on, as a network would: to who reads. Nobody comes in any more. */
static void begin_to_end(struct carrier *carrier)
{
	enum { PATIENCE_MS = 1000 };
	carrier->end_ms = now_ms() + PATIENCE_MS;
	for (size_t i = 0; i < carrier->n_gates; i++) {
		struct gate *gate = &carrier->gates[i];
		for (size_t j = 0; carrier->direction == OUTWARD && j < gate->n_entries; j++)
			while (admit_one(carrier, &gate->entries[j]))
				;
		close_gate(gate);
	}
	carry_finish(carrier->carry);
}

static void leave_if_over(const struct carrier *carrier)
{
	if (carrier->end_ms && (carry_is_idle(carrier->carry) || now_ms() >= carrier->end_ms))
		_exit(0);
}

/* ---- the loop ---- */

static int ms_to_sleep(const struct carrier *carrier)
{
	int ms = carry_ms_to_sleep(carrier->carry);
	int64_t most = carrier->end_ms     ? carrier->end_ms - now_ms()
		       : carrier->short_ms ? SHORT_MS
					   : INT32_MAX;
	if (most < 0)
		return 0;
	return most < INT32_MAX && (ms < 0 || ms > most) ? (int) most : ms;
}

static void hear(struct carrier *carrier, const struct epoll_event *event)
{
	struct source *source = event->data.ptr;
	struct entry *entry = (struct entry *) source;
	switch (source->kind) {
	case SOURCE_LIFE:
		if (!carrier->end_ms)
			begin_to_end(carrier);
		break;
	case SOURCE_ENTRY:
		admit(carrier, entry);
		break;
	case SOURCE_TARGET: /* for the first that waits inside */
		watch_gate(carrier, entry->gate, carrier->is_paused ? 0 : EPOLLIN);
		break;
	case SOURCE_CONNECTION:
		carry_hear(carrier->carry, source, event->events);
		break;
	}
}

static _Noreturn void serve(struct carrier *carrier)
{
	for (;;) {
		struct epoll_event events[64];
		int n = epoll_wait(carrier->epoll_fd, events, ARRAY_SIZE(events),
				   ms_to_sleep(carrier));
		if (carrier->short_ms && now_ms() >= carrier->short_ms)
			carrier->short_ms = 0;
		for (int i = 0; i < n; i++)
			hear(carrier, &events[i]);
		carry_go_on(carrier->carry);
		leave_if_over(carrier);
		pause_or_go_on(carrier, carrier->short_ms || carry_is_full(carrier->carry));
	}
}

/* ---- becoming it ---- */

/* As many connections as there can be descriptors for. */
static size_t count_possible(const struct run *run, enum direction direction)
{
	struct rlimit limit;
	size_t n_ours = 16 + (ENTRIES_EACH + 2) * run->plan->net.n_passages;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		die_errno(errno, "Can't read the limit of open files");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die_errno(errno, "Can't raise the limit of open files");
	if (limit.rlim_cur < n_ours + CARRY_FDS_EACH)
		die("%s: The limit of open files, %llu, is too small to carry a connection",
		    position_text(entries_position(run, direction)),
		    (unsigned long long) limit.rlim_cur);
	rlim_t n = (limit.rlim_cur - n_ours) / CARRY_FDS_EACH;
	return n < MOST_CONNECTIONS ? (size_t) n : MOST_CONNECTIONS;
}

static void keep_sockets(const struct run *run, enum direction direction, int socket, int child)
{
	size_t n = 0;
	int *keep = arena_alloc((run->plan->net.n_passages + 3) * sizeof(*keep));
	if (direction == INWARD) /* for enter_network() */
		keep[n++] = run->host->proc_fd;
	keep[n++] = socket;
	keep[n++] = child;
	for (size_t i = 0; i < run->plan->net.n_passages; i++)
		keep[n++] =
			direction == INWARD ? run->outer_entries[i] : run->plan->net.passages[i].fd;
	if (!close_all_except(keep, n))
		die_errno(errno, "%s: Can't close the descriptors of others",
			  position_text(entries_position(run, direction)));
}

static bool add_entry(struct carrier *carrier, struct gate *gate, int fd)
{
	if (gate->n_entries == ENTRIES_EACH)
		_exit(1); /* not from setup */
	struct entry *entry = &gate->entries[gate->n_entries++];
	*entry = (struct entry){ .source = { SOURCE_ENTRY }, .fd = fd, .gate = gate };
	return watch_entry(carrier, entry, EPOLL_CTL_ADD, EPOLLIN);
}

/* Now, before COMMAND can make one, and never again. What is not there yet stands behind what is. */
static const char *follow_links(const char *path)
{
	const char *way = path, *rest = "", *name;
	char *found;
	while (!(found = realpath(*way ? way : ".", NULL))) {
		if (!*way)
			return ""; /* the caller's directory is gone */
		size_t length = path_split(way, &name);
		rest = arena_printf("/%s%s", name, rest);
		way = arena_copy(way, length);
	}
	return arena_join(found, rest);
}

static bool is_path(const struct socket_address *address)
{
	return address->as.any.sa_family == AF_UNIX && address->as.un.sun_path[0];
}

static const struct socket_address *outer_address(const struct passage *passage)
{
	struct socket_address *to = arena_alloc(sizeof(*to));
	*to = passage->beyond;
	if (is_path(to))
		to->path = follow_links(to->as.un.sun_path);
	return to;
}

/* -1: this one does not need it. */
static int open_root(const struct run *run, enum direction direction)
{
	size_t i = 0, n = direction == OUTWARD ? run->plan->net.n_passages : 0;
	while (i < n && !is_path(&run->plan->net.passages[i].beyond))
		i++;
	int fd = i < n ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (i < n && fd < 0)
		die_errno(errno, "%s: Can't open /",
			  position_text(run->plan->net.passages[i].position));
	return fd;
}

static const struct socket_address *inner_addresses(uint16_t port)
{
	struct socket_address *to = arena_alloc(N_INNER * sizeof(*to));
	to[0] = loopback_address(AF_INET, port);
	to[1] = loopback_address(AF_INET6, port);
	return to;
}

static bool prepare_gate(struct carrier *carrier, size_t number)
{
	struct gate *gate = &carrier->gates[number];
	const struct passage *passage = &carrier->run->plan->net.passages[number];
	gate->held = gate->fd = -1;
	gate->target = (struct entry){ .source = { SOURCE_TARGET }, .fd = -1, .gate = gate };
	if (entries_direction(passage) != carrier->direction)
		return true;
	bool is_inward = carrier->direction == INWARD;
	gate->to = is_inward ? inner_addresses(passage->port) : outer_address(passage);
	gate->n_to = is_inward ? N_INNER : 1;
	if (is_inward)
		return add_entry(carrier, gate, carrier->run->outer_entries[number]);
	/* under a number of its own: it may be one of 0 to 2, which are closed */
	if (passage->fd >= 0 &&
	    (gate->fd = fcntl(passage->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
		return false;
	if (gate->fd > STDERR_FILENO && entries_listens(gate->fd))
		gate->target.fd = gate->fd;
	return watch_entry(carrier, &gate->target, EPOLL_CTL_ADD, 0);
}

static bool prepare(struct carrier *carrier, int child)
{
	const struct run *run = carrier->run;
	const struct net_plan *net = &run->plan->net;
	struct epoll_event life = { .events = EPOLLIN, .data.ptr = &carrier->life };
	carrier->life.kind = SOURCE_LIFE;
	carrier->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (carrier->epoll_fd < 0 || epoll_ctl(carrier->epoll_fd, EPOLL_CTL_ADD, child, &life) < 0)
		return false;
	carrier->carry = carry_make(carrier->epoll_fd, count_possible(run, carrier->direction),
				    carrier->direction == OUTWARD ? CARRY_ENTRY : CARRY_TARGET,
				    open_root(run, carrier->direction));
	carrier->n_gates = net->n_passages;
	carrier->gates = arena_alloc(net->n_passages * sizeof(*carrier->gates));
	for (size_t i = 0; i < net->n_passages; i++)
		if (!prepare_gate(carrier, i))
			return false;
	return true;
}

static bool take_entries(struct carrier *carrier, int socket)
{
	size_t number;
	int fd;
	while (entries_receive(carrier->run, socket, &number, &fd))
		if (!add_entry(carrier, &carrier->gates[number], fd))
			return false;
	return true;
}

/* Sockets that are made after this belong to it. It is owned by the sandbox's user namespace, or without one by the
 * caller's. What is not needed any more is closed. */
static void enter_network(const struct run *run, int socket)
{
	struct position position = entries_position(run, INWARD);
	struct fd_at network = { .fd = entries_receive_network(socket), .position = position };
	struct fd_at owner = { .fd = -1, .position = position };
	if (run->shape.user_namespace || run->plan->ns.userns.fd >= 0) {
		owner.fd = sys_ioctl(network.fd, NS_GET_USERNS, NULL);
		ns_join(run, &owner, NS_USER);
	}
	ns_join(run, &network, NS_NET);
	ns_verify_joined(run, &network, NS_NET);
	close_fd(&owner.fd);
	close_fd(&network.fd);
	close(run->host->proc_fd);
}

void carrier_be(const struct run *run, enum direction direction, int socket, int child)
{
	struct carrier *carrier = arena_alloc(sizeof(*carrier));
	const char *position = position_text(entries_position(run, direction));
	sigset_t all;
	carrier->run = run;
	carrier->direction = direction;
	sigfillset(&all); /* the terminal's, too: COMMAND decides what becomes of those */
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		die_errno(errno,
			  "%s: Can't keep COMMAND from the process that carries its connections",
			  position);
	keep_sockets(run, direction, socket, child);
	if (direction == OUTWARD)
		caps_drop_all();
	if (!prepare(carrier, child) || (direction == OUTWARD && !take_entries(carrier, socket)))
		die_errno(errno, "%s: Can't watch its sockets", position);
	if (direction == INWARD) {
		enter_network(run, socket);
		caps_drop_all();
	}
	if (!guards_confine_carrier())
		die_errno(errno, "%s: Can't confine the process that carries its connections",
			  position);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd); /* their readers wait for the end of file */
	helper_send_ready(socket, -1);
	close(socket);
	serve(carrier);
}
