/* command.h - environment, directory, session, exec. */
#ifndef PROCESS_COMMAND_H
#define PROCESS_COMMAND_H

#include "run/run.h"

/* A session keyring of the sandbox's own, unless the caller's is to be kept. */
void command_new_keyring(const struct run *run);
/* COMMAND's environment, without PWD. */
void command_make_environment(struct run *run);
/* Copies every word of the caller's that is still needed, so that the caller's own can be scrubbed. */
void command_keep_words(struct run *run);
/* Waits for --block-fd. */
void command_wait(const struct run *run);
/* Dies unless this system has SELinux; while the host can be seen. */
void command_check_labels(const struct plan *plan);
/* Dies unless --pidfd-socket is a socket that a descriptor can be sent over. */
void command_check_pidfd_socket(const struct plan *plan);
/* The label of what this process creates or executes next: "fscreate" or "exec". */
void command_set_label(const struct run *run, const char *attribute, const char *option,
		       const char *label);
/* Makes the rules for whom COMMAND may reach; after the build, while there is a root to look paths up in. */
void command_make_rules(struct run *run);
/* Everything between the finished root and the filters. */
void command_prepare(struct run *run);
/* Filters and exec. */
_Noreturn void command_go(struct run *run);

#endif
