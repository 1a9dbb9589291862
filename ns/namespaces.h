/* namespaces.h - the first user namespace and the kinds that it owns: made, joined, verified, furnished. */
#ifndef NS_NAMESPACES_H
#define NS_NAMESPACES_H

#include "run/run.h"
#include "sys/kernel.h"

/* Those that are made together. The time namespace is made behind them: ns/clocks.h. */
static inline unsigned long ns_first(const struct run *run)
{
	return run->shape.namespaces & ~(unsigned long) CLONE_NEWTIME;
}
/* Joins what descriptors name, but the pid namespace: first that of --userns, with a time namespace made in it. */
void ns_join_given(struct run *run);
/* Joins or makes the first namespaces without a new process. */
void ns_enter_in_place(struct run *run);
/* In the process that has entered: dies unless it is where it was told to go. */
void ns_verify(const struct run *run);
/* Brings up what new namespaces (CLONE_NEW*) need before anything can use them: host name, loopback. */
void ns_furnish(const struct run *run, unsigned long namespaces);
/* Keeps what will be mounted from showing up on the host, and learns whether / is a chroot. */
void ns_part_from_host(struct run *run);
/* Reads run->ns_ids of the sandbox's namespaces, for a report. */
void ns_learn_ids(struct run *run);
/* One process joins the namespaces that another has made with its second user namespace, which hands them
 * over: by its pid that would take the right to look at it. Both count them in the same order, from 0. */
bool ns_has_second(const struct run *run, int which);
int ns_open_second(const struct run *run, int which);
void ns_join_second(const struct run *run, int which, int fd);
/* Makes the first namespaces. Whoever makes them in another way goes by the next functions. */
void ns_unshare_first(struct run *run);
/* The kernel has refused some: takes out of the shape what a -try option asked for and this kernel does not
 * have; dies where that is not the reason. */
void ns_go_on_without(struct run *run, int error);
/* The same before it was asked. False: nothing was taken out. */
bool ns_drop_missing(struct run *run);
_Noreturn void ns_die_of_new(const struct run *run, int error);
/* Dies unless we are in new namespaces of these kinds; before, the mount at / had this id. */
void ns_verify_left(uint64_t left_mount_id, unsigned long flags);
/* "child-pid" and the namespaces that are new (run->ns_ids), as members of a JSON object with `gap`
 * before each but the first. */
void ns_describe(const struct run *run, pid_t pid, const char *gap, struct text *text);

#endif
