/* namespaces.h - making, joining, id maps, closing further user namespaces. */
#ifndef NS_NAMESPACES_H
#define NS_NAMESPACES_H

#include "run/run.h"

/* A new process in the first level's namespaces (joined or made). Returns 0 in it, its pid in the
 * caller, which gets the other end of run->supervisor_fd in ret_socket. */
pid_t ns_split(struct run *run, int *ret_socket);
/* The same without a new process. */
void ns_enter_in_place(struct run *run);
/* In the process that has entered: dies unless it has. */
void ns_verify(const struct run *run);
/* Then writes the id maps unless the caller does, and brings up what a new namespace needs (ids, host
 * name, loopback). */
void ns_become(struct run *run);
/* Remembers where we are, so that leaving can be verified. */
void ns_remember(struct run *run);
/* Reads run->ns_ids of the sandbox's namespaces, for a report. */
void ns_learn_ids(struct run *run);
/* COMMAND's second user namespace, or --userns2; false where a level that was not required cannot
 * be had. */
bool ns_enter_inner(struct run *run);
/* Starts a process in a second level of its caller's only id, which runs `live` in the caller's own
 * memory, on a stack of its own; the caller sleeps until it has executed a program or ended
 * (vfork(2)). Returns its pid, or -1 with errno. No file descriptor is shared. */
pid_t ns_start_inner(struct run *run, void (*live)(struct run *run));
/* Dies where --disable-userns or --assert-userns-disabled was given and one more can be made. */
void ns_assert_userns_disabled(const struct run *run);
/* Whether /proc is that of the pid namespace that we are in: then numbers there are ours, too. */
bool ns_has_own_proc(const struct run *run);
/* The number that the process behind pidfd has in this /proc, or -1. */
pid_t ns_pid_in_proc(const struct run *run, int pidfd);
/* One process joins the namespaces that another has made with its second level, which hands them
 * over: by its pid that would take the right to look at it. */
void ns_lead(const struct run *run, int socket);
void ns_follow(const struct run *run, int socket);
/* "child-pid" and the namespaces that are new (run->ns_ids), as members of a JSON object with `gap`
 * before each but the first. */
void ns_describe(const struct run *run, pid_t pid, const char *gap, struct text *text);

#endif
