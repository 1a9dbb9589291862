/* helpers.h - the processes beside COMMAND that work for the sandbox: started, urged, waited for. */
#ifndef PROCESS_HELPERS_H
#define PROCESS_HELPERS_H

#include "run/helper.h"

/* In setup: who starts them when a room asks. */
void helpers_choose_starter(struct run *run);

/* ---- in the supervisor ---- */

/* Starts what `socket` asks for and takes `socket` over. `child` is in the sandbox's user namespace. */
void helpers_start(struct run *run, pid_t child, int socket, enum helper_kind kind);
/* Those that the supervisor has to keep open; arena memory. */
int *helpers_fds(size_t *ret_n);
/* After everything in the sandbox has ended: waits for fuse-overlayfs to have written everything. It
 * may be still there afterwards. wait() waits for a while for a child's end; false: there is no more
 * time. */
void helpers_wait_for_fuse(bool (*wait)(void));
/* Then: has the changes listed. False when a list is not whole; then somebody has said why. */
bool helpers_list_changes(bool (*wait)(void));
/* Whether pid is a helper that ends by itself. */
bool helpers_include(pid_t pid);
/* A child's status was taken: if it is a helper, its number names it no longer. */
void helpers_note_end(pid_t pid, int status);
/* Without a pid namespace COMMAND can stop a helper, and who waits for an answer of
 * fuse-overlayfs's cannot be killed: the helpers go on; `kill`: fuse-overlayfs ends, which answers
 * all. */
void helpers_urge(bool kill);

#endif
