/* helpers.h - the processes beside COMMAND that work for the sandbox: started, urged, waited for. */
#ifndef PROCESS_HELPERS_H
#define PROCESS_HELPERS_H

#include "run/helper.h"

struct look_memory;

/* In setup: who starts them when a room asks. */
void helpers_choose_starter(struct run *run);
/* Whether one may ask. */
bool helpers_may_be_asked_for(const struct plan *plan);

/* ---- in the supervisor ---- */

/* Starts what setup asks for, and takes its end of the socket over. */
void helpers_start(const struct run *run, enum helper_kind kind, int socket);
/* The guard, where the shape wants it or the kernel gives no timers: COMMAND can stop us by its process group
 * (kill(2) with 0) or have the terminal stop or kill us, with a session of its own, too; and as pid 1 it can take
 * back that it dies with us. */
void helpers_start_guard(const struct run *run);
/* Ends the run where it was killed. */
void helpers_require_guard(const struct run *run);
void helpers_end_guard(const struct run *run);
/* The relay of --pty, whose end of the socket to it is closed here. */
void helpers_start_relay(const struct run *run, int socket);
/* --trace-denied's, whose end of the socket to it is closed here. */
void helpers_start_looker(const struct run *run, int socket, int listener,
			  struct look_memory *memory);
void helpers_start_carrier(const struct run *run, enum direction direction);
enum helper_kind helpers_carrier(enum direction direction);
/* The helper of this kind; 0: there is none, or no more. */
pid_t helpers_find(const struct run *run, enum helper_kind kind);
/* Those that the supervisor has to keep open; arena memory. */
int *helpers_fds(const struct run *run, size_t *ret_n);
/* After everything in the sandbox has ended: waits for fuse-overlayfs to have written everything. It
 * may be still there afterwards. wait() waits for a while for a child's end; false: there is no more
 * time. */
void helpers_wait_for_fuse(const struct run *run, bool (*wait)(const struct run *run));
/* Then: has the changes listed. False when a list is not whole; then somebody has said why. */
bool helpers_list_changes(const struct run *run, bool (*wait)(const struct run *run));
/* Whether pid is a helper that ends by itself. */
bool helpers_include(const struct run *run, pid_t pid);
/* A child's status was taken: if it is a helper, its number names it no longer. */
void helpers_note_end(const struct run *run, pid_t pid, int status);
/* Without a pid namespace COMMAND can stop a helper, and who waits for an answer of
 * fuse-overlayfs's cannot be killed: the helpers go on; `kill_fuse`: kills fuse-overlayfs, too, which answers
 * all. */
void helpers_urge(const struct run *run, bool kill_fuse);

#endif
