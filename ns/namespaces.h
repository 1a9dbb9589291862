/* namespaces.h - making, joining, id maps, closing further user namespaces. */
#ifndef NS_NAMESPACES_H
#define NS_NAMESPACES_H

#include "run/run.h"

/* A new process in the first level's namespaces (joined or made). Returns 0 in it, its pid in the
 * caller, which gets the other end of run->supervisor_fd in ret_socket. */
pid_t ns_split(struct run *run, int *ret_socket);
/* The same without a new process. */
void ns_enter_in_place(struct run *run);
/* In the process that has entered: dies unless it is where it was told to go. */
void ns_verify(const struct run *run);
/* Brings up what new namespaces (CLONE_NEW*) need before anything can use them: host name, loopback. */
void ns_furnish(const struct run *run, unsigned long namespaces);
/* Keeps what will be mounted from showing up on the host, and learns whether / is a chroot. */
void ns_part_from_host(struct run *run);
/* Remembers where we are, so that leaving can be verified. */
void ns_remember(struct run *run);
/* Reads run->ns_ids of the sandbox's namespaces, for a report. */
void ns_learn_ids(struct run *run);
/* Whether /proc is that of the pid namespace that we are in: then numbers there are ours, too. */
bool ns_has_own_proc(const struct run *run);
/* The number that the process behind pidfd has in this /proc, or -1. */
pid_t ns_pid_in_proc(const struct run *run, int pidfd);
/* One process joins the namespaces that another has made with its second level, which hands them
 * over: by its pid that would take the right to look at it. */
void ns_lead(const struct run *run, int socket);
void ns_follow(const struct run *run, int socket);
/* One of the steps: joins what a descriptor refers to; `flag` is the kind's CLONE_NEW*. */
void ns_join(const struct fd_at *fd, int flag);
/* Dies unless we are in it; "user" or "pid". */
void ns_verify_joined(const struct run *run, const struct fd_at *fd, const char *name);
/* Dies unless we are in new namespaces of these kinds. */
void ns_verify_left(const struct run *run, unsigned long flags);
/* Whether others live in a namespace that we are to join; and keeping them out of our memory. */
bool ns_joins_strangers(const struct plan *plan);
void ns_hide(void);
/* "child-pid" and the namespaces that are new (run->ns_ids), as members of a JSON object with `gap`
 * before each but the first. */
void ns_describe(const struct run *run, pid_t pid, const char *gap, struct text *text);

#endif
