/* join.h - the namespaces that descriptors name: joined, and read back. */
#ifndef NS_JOIN_H
#define NS_JOIN_H

#include "run/run.h"
#include "sys/nskind.h"

/* The number of the namespace of this kind that this process is in; it is the inode's of its file. */
uint64_t ns_read_id(const struct run *run, enum ns_kind kind);
/* Joins what a descriptor refers to, or dies. */
void ns_join(const struct run *run, const struct fd_at *fd, enum ns_kind kind);
/* Dies unless we are in it; without a descriptor there is nothing to be in. */
void ns_verify_joined(const struct run *run, const struct fd_at *fd, enum ns_kind kind);
/* Joins all that only their owner's capabilities are needed for: those of --netns and its like. */
void ns_join_owned(struct run *run);
/* Dies unless we are in all of these. */
void ns_verify_owned(const struct run *run);
/* Whether others live in a namespace that we are to join, from where they could look at us; and keeping them
 * out of our memory. */
bool ns_joins_strangers(const struct plan *plan);
void ns_hide(void);

#endif
