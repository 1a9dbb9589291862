/* net-options.h - passages through the edge of the network as the line asks for them. */
#ifndef PLAN_NET_OPTIONS_H
#define PLAN_NET_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

#include <netinet/in.h>
#include <sys/un.h>

/* As connect(2) and bind(2) take it. */
struct socket_address {
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} as;
	const char *
		path; /* of a unix socket, from / on, that is found without links; NULL: as above */
};
struct socket_address loopback_address(int family, uint16_t port);

enum passage_kind { PASSAGE_TCP_OUT, PASSAGE_UNIX_OUT, PASSAGE_TCP_IN };
/* What comes in at one side leaves at the other. */
struct passage {
	enum passage_kind kind;
	uint16_t port;                /* inside, on the loopback device; --unix-out has none */
	struct socket_address beyond; /* outside: where it leads, or with --tcp-in begins */
	int fd;                       /* a socket of the caller's instead of that; -1: none */
	const char *word;             /* how the line calls it */
	struct position position;
};

/* What pasta listens at outside. */
struct published {
	struct socket_address outer; /* of no family: every address of both */
	uint16_t port;               /* inside */
	const char *word;            /* how the line calls it */
	struct position position;
};

extern const struct option_rows net_option_rows;
problem net_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			 struct position position);
/* From 1 to 65535. */
problem net_options_read_port(struct position position, const char *word, uint16_t *ret_port);
/* For an operation, which stands at a path inside; returns its number in ret_number. */
problem net_options_add_target(struct reader *reader, const struct option_row *row,
			       const char *word, struct position position, size_t *ret_number);
/* What contradicts itself; NULL: nothing. */
problem net_options_check(const struct plan *plan);
/* Lines of --dry-run. */
void net_options_explain_become(const struct plan *plan, struct text *text);

#endif
