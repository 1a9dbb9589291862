/* filters.h - filters in force, the guards of keys and terminal; the prefix is filters_, for libseccomp has taken
 * the other. */
#ifndef FILTER_FILTERS_H
#define FILTER_FILTERS_H

#include "plan/policy.h"
#include "run/run.h"

/* Composes what the --seccomp-* options said and writes --seccomp-dump; before any split. */
void filters_compose(struct run *run);
/* Makes room for --seccomp's program that children made later share. */
void filters_prepare(struct run *run);
/* Reads --seccomp's program. */
void filters_read(struct run *run);
/* Whether anything is to be loaded beside the guards. */
bool filters_are_asked_for(const struct run *run);
/* Loads the guards of keys and terminal, for this process and its children, unless they are loaded
 * already or come as part of what filters_load() loads. Setup goes on as before. */
void filters_load_guards(struct run *run);
/* Loads the guard that Landlock's rules of TCP need, for COMMAND's process. */
void filters_guard_tcp(const struct run *run);
/* Loads that of btrfs's snapshots for COMMAND's process, where it is due. */
void filters_guard_subvolumes(const struct run *run);
/* Loads the guards, the caller's programs, and what the lists and profiles come to. After this
 * only write, exit and, for COMMAND, exec are sure; for pid 1 also waiting. */
void filters_load(struct run *run, enum filtered whom);

#endif
