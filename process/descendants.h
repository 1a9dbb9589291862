/* descendants.h - what COMMAND leaves behind. */
#ifndef PROCESS_DESCENDANTS_H
#define PROCESS_DESCENDANTS_H

#include "utils.h"

struct relatives;

/* Before the split: whatever descends from this process already is the caller's (a shell's background
 * jobs, when the shell has become us by exec) and never killed below, nor is what they leave
 * behind later. */
struct relatives *descendants_find(int proc_fd);

struct descendants_search {
	int proc_fd; /* the /proc of our own pid namespace */
	const struct relatives *earlier;
	const void *argument; /* of both functions */
	bool (*is_spared)(const void *argument, pid_t pid);
	/* Takes the status of any child that has ended, or waits for a while for one: its pid; 0: none; -1: there
	 * are no children. */
	pid_t (*reap)(const void *argument, bool wait);
};
/* Ends every process below this one, which has to be a child subreaper: then also those that left
 * their session, their process group or their parent. Returns when all are gone but children that
 * are spared: 0; or, when patience is over, one that is not. */
pid_t descendants_kill(const struct descendants_search *search);
/* What was killed ends by itself, but not before what it waits for in the kernel comes: a file system
 * that does not answer, for instance. It never runs again, so that nobody need wait for ever. */
enum { DESCENDANTS_PATIENCE_MS = 30000 };

#endif
