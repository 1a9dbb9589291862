/* net-options.c - passages through the edge of the network as the line asks for them: rows, readers, contradictions,
 * words.
 *
 * Addresses are numbers: to look up a name is a proxy's work, which knows the names that it lets pass.
 */
#include "plan/net-options.h"

#include "plan/descriptors.h"
#include "plan/lines.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "utils.h"

#include <arpa/inet.h>
#include <string.h>

/* The value is an enum passage_kind. */
#define ROW(...) OPTION(NET, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("tcp-out", "PORT TARGET", NAMESPACES, "PORT of the loopback device inside leads to TARGET outside", OWN, .value = PASSAGE_TCP_OUT, .use = USE_OWN, .supervised = 12, .needs = "--unshare-net"),
	ROW("tcp-in", "ADDR:PORT PORT", NAMESPACES, "TCP to ADDR:PORT outside leads to PORT of the loopback device inside", OWN, .value = PASSAGE_TCP_IN, .supervised = 12, .needs = "--unshare-net"),
};
/* clang-format on */
const struct option_rows net_option_rows = { rows, ARRAY_SIZE(rows) };

struct socket_address loopback_address(int family, uint16_t port)
{
	if (family == AF_INET)
		return (struct socket_address){ .length = sizeof(struct sockaddr_in),
						.as.in = {
							.sin_family = AF_INET,
							.sin_port = htons(port),
							.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
						} };
	return (struct socket_address){ .length = sizeof(struct sockaddr_in6),
					.as.in6 = {
						.sin6_family = AF_INET6,
						.sin6_port = htons(port),
						.sin6_addr = IN6ADDR_LOOPBACK_INIT,
					} };
}

/* ---- words ---- */

problem net_options_read_port(struct position position, const char *word, uint16_t *ret_port)
{
	uint64_t number;
	const char *colon = strrchr(word, ':');
	if (!parse_decimal(word, UINT16_MAX, &number) || !number)
		return problem_at(position, "Invalid port: \"%s\" is no number from 1 to 65535%s%s",
				  word, colon ? "; its port alone is " : "",
				  colon ? colon + 1 : "");
	*ret_port = (uint16_t) number;
	return NULL;
}

/* ADDR:PORT, with an IPv6 address in brackets. `cure`: of a name. */
static problem read_tcp_address(struct position position, const char *word, const char *cure,
				struct socket_address *ret_address)
{
	const char *colon = strrchr(word, ':');
	if (!colon)
		return problem_at(position, "Invalid address: \"%s\" has no port behind a colon",
				  word);
	uint16_t port;
	problem bad = net_options_read_port(position, colon + 1, &port);
	if (bad)
		return bad;
	size_t length = (size_t) (colon - word);
	bool in_brackets = length > 1 && word[0] == '[' && colon[-1] == ']';
	const char *number =
		in_brackets ? arena_copy(word + 1, length - 2) : arena_copy(word, length);
	*ret_address = loopback_address(in_brackets ? AF_INET6 : AF_INET, port);
	void *bytes = in_brackets ? (void *) &ret_address->as.in6.sin6_addr
				  : (void *) &ret_address->as.in.sin_addr;
	if (inet_pton(ret_address->as.any.sa_family, number, bytes) == 1)
		return NULL;
	return problem_at(
		position,
		"Invalid address: \"%s\" is neither an IPv4 address nor an IPv6 address in brackets; %s",
		arena_copy(word, length), cure);
}

/* An abstract one has a NUL before its name: unix(7). */
static problem read_unix_address(struct position position, const char *name, bool is_abstract,
				 struct socket_address *ret_address)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t length = strlen(name);
	if (!length)
		return problem_at(position, "Invalid target: it names no socket");
	if (length >= sizeof(un.sun_path))
		return problem_at(position,
				  "Invalid target: the name of a unix socket has at most %zu bytes",
				  sizeof(un.sun_path) - 1);
	memcpy(un.sun_path + is_abstract, name, length);
	ret_address->as.un = un;
	ret_address->length = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length + 1);
	return NULL;
}

static const char *behind(const char *word, const char *prefix)
{
	size_t length = strlen(prefix);
	return strncmp(word, prefix, length) == 0 ? word + length : NULL;
}

static problem read_target(struct reader *reader, const struct option_row *row, const char *word,
			   struct passage *passage)
{
	struct position position = passage->position;
	const char *rest;
	passage->fd = -1;
	passage->word = word;
	if ((rest = behind(word, "unix:")))
		return read_unix_address(position, rest, false, &passage->beyond);
	if ((rest = behind(word, "unix-abstract:")))
		return read_unix_address(position, rest, true, &passage->beyond);
	if ((rest = behind(word, "tcp:")))
		return read_tcp_address(position, rest, "names are looked up by a proxy, not here",
					&passage->beyond);
	if ((rest = behind(word, "fd:")))
		return fds_read(reader->plan, reader->io, row, position, rest, &passage->fd);
	const char *meant = *word == '/' ? "unix:" : strchr(word, ':') ? "tcp:" : NULL;
	return problem_at(
		position,
		"Invalid target: \"%s\" is none of unix:PATH, unix-abstract:NAME, tcp:ADDR:PORT and fd:N%s",
		word, meant ? arena_printf("; is %s%s meant?", meant, word) : "");
}

static void add(struct net_plan *net, const struct passage *passage)
{
	net->passages = arena_grow(net->passages, net->n_passages, &net->capacity_passages,
				   sizeof(*passage));
	net->passages[net->n_passages++] = *passage;
}

problem net_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			 struct position position)
{
	struct passage passage = { .kind = (enum passage_kind) row->value,
				   .fd = -1,
				   .position = position };
	bool leads_in = passage.kind == PASSAGE_TCP_IN;
	problem bad = NULL;
	if (leads_in)
		bad = read_tcp_address(
			position, passage.word = words[0],
			"127.0.0.1 is for this machine's users, 0.0.0.0 or [::] for all",
			&passage.beyond);
	if (!bad)
		bad = net_options_read_port(position, words[leads_in], &passage.port);
	if (!bad && !leads_in)
		bad = read_target(reader, row, words[1], &passage);
	if (!bad)
		add(&reader->plan->net, &passage);
	return bad;
}

problem net_options_add_target(struct reader *reader, const struct option_row *row,
			       const char *word, struct position position, size_t *ret_number)
{
	struct passage passage = { .kind = PASSAGE_UNIX_OUT, .position = position };
	problem bad = read_target(reader, row, word, &passage);
	*ret_number = reader->plan->net.n_passages;
	if (!bad)
		add(&reader->plan->net, &passage);
	return bad;
}

/* ---- the whole line ---- */

static bool have_one_socket(const struct passage *one, const struct passage *other)
{
	return one->fd >= 0 && one->fd == other->fd;
}

/* Many may lead in to one port, and none to one that leads out again. */
static bool have_one_port(const struct passage *one, const struct passage *other)
{
	return one->port && one->port == other->port &&
	       (one->kind == PASSAGE_TCP_OUT || other->kind == PASSAGE_TCP_OUT);
}

static bool is_every(const struct socket_address *address)
{
	switch (address->as.any.sa_family) {
	case AF_INET:
		return address->as.in.sin_addr.s_addr == htonl(INADDR_ANY);
	case AF_INET6:
		return IN6_IS_ADDR_UNSPECIFIED(&address->as.in6.sin6_addr);
	default:
		return true;
	}
}

/* Nobody listens for IPv4 by an address of IPv6. */
static bool overlap(const struct socket_address *one, const struct socket_address *other)
{
	sa_family_t family = one->as.any.sa_family, other_family = other->as.any.sa_family;
	return one->as.in.sin_port == other->as.in.sin_port && /* as that of in6 */
	       (family == other_family || !family || !other_family) &&
	       (is_every(one) || is_every(other) || memcmp(&one->as, &other->as, one->length) == 0);
}

/* A place outside where one listens, a carrier or pasta. */
struct entry {
	const struct socket_address *at;
	const char *word;
	struct position position;
};

static problem check_entries(const struct net_plan *net)
{
	struct entry *entries =
		arena_alloc((net->n_passages + net->n_published) * sizeof(*entries));
	size_t n = 0;
	for (size_t i = 0; i < net->n_published; i++) {
		const struct published *published = &net->published[i];
		entries[n++] =
			(struct entry){ &published->outer, published->word, published->position };
	}
	for (size_t i = 0; i < net->n_passages; i++) {
		const struct passage *passage = &net->passages[i];
		if (passage->kind == PASSAGE_TCP_IN)
			entries[n++] = (struct entry){ &passage->beyond, passage->word,
						       passage->position };
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (overlap(entries[i].at, entries[j].at))
				return problem_at(
					entries[i].position, "the port of %s is that of %s, too",
					entries[i].word, position_text(entries[j].position));
	return NULL;
}

problem net_options_check(const struct plan *plan)
{
	for (size_t i = 0; i < plan->net.n_passages; i++)
		for (size_t j = 0; j < i; j++) {
			const struct passage *passage = &plan->net.passages[i],
					     *earlier = &plan->net.passages[j];
			if (have_one_socket(earlier, passage))
				return problem_at(
					passage->position,
					"descriptor %d is that of %s, too: each needs one of its own",
					passage->fd, position_text(earlier->position));
			if (have_one_port(earlier, passage))
				return problem_at(passage->position,
						  "port %u is that of %s already", passage->port,
						  position_text(earlier->position));
		}
	return plan->net.n_passages || plan->net.n_published ? check_entries(&plan->net) : NULL;
}

void net_options_explain_become(const struct plan *plan, struct text *text)
{
	for (size_t i = 0; i < plan->net.n_passages; i++) {
		const struct passage *passage = &plan->net.passages[i];
		switch (passage->kind) {
		case PASSAGE_UNIX_OUT: /* its operation is told */
			break;
		case PASSAGE_TCP_OUT:
			explain_line(text, "", "%s: port %u of 127.0.0.1 and [::1] leads to %s",
				     position_text(passage->position), passage->port,
				     passage->word);
			break;
		case PASSAGE_TCP_IN:
			explain_line(
				text, "",
				"%s: %s outside leads to port %u of 127.0.0.1, or else of [::1]",
				position_text(passage->position), passage->word, passage->port);
			break;
		}
	}
}
