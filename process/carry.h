/* carry.h - connections joined in pairs, and bytes moved between them. */
#ifndef PROCESS_CARRY_H
#define PROCESS_CARRY_H

#include "plan/net-options.h"

/* What an event of epoll(7) is about: it has the address of one of these. */
struct source {
	enum source_kind { SOURCE_LIFE, SOURCE_ENTRY, SOURCE_TARGET, SOURCE_CONNECTION } kind;
};

/* Where a connection came in, and where it leads. */
enum carry_end { CARRY_ENTRY, CARRY_TARGET, N_ENDS };

/* At most so many at a time; inner: which of their ends is in the sandbox; root_fd: /, for addresses that are paths. The
 * descriptors stay the caller's. */
struct carry;
struct carry *carry_make(int epoll_fd, size_t n_most, enum carry_end inner, int root_fd);
/* How many descriptors one of them takes. */
enum { CARRY_FDS_EACH = 6 };
bool carry_is_full(const struct carry *carry);
bool carry_is_idle(const struct carry *carry);
/* Takes `entry` over, a connection, and joins it with a new one to the first of these addresses where somebody
 * listens. They stay. */
void carry_connect(struct carry *carry, int entry, const struct socket_address *to, size_t n_to);
/* Takes both over. The second may be the caller's, too. */
void carry_join(struct carry *carry, int entry, int target);
/* For SOURCE_CONNECTION. */
void carry_hear(struct carry *carry, struct source *source, uint32_t events);
/* What had to wait for its turn. */
void carry_go_on(struct carry *carry);
/* How long there is nothing to go on with; -1: until there is an event. */
int carry_ms_to_sleep(const struct carry *carry);
/* Inside nobody is left: a connection is over once all that was sent there is passed on. */
void carry_finish(struct carry *carry);

#endif
