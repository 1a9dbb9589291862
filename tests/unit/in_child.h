/* in_child.h - what a process of its own says on its standard error, and how it ends. */
#ifndef IN_CHILD_H
#define IN_CHILD_H

#include "utils.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assert_between.h"

struct ended {
	int status;
	char *said;
	size_t length;
};

static struct ended in_child(void (*act)(void))
{
	int ends[2];
	assert_return_code(pipe(ends), errno);
	pid_t pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		act();
		_exit(0);
	}
	close(ends[1]);
	struct ended ended;
	assert_true(read_all(ends[0], 1 << 20, &ended.said, &ended.length));
	close(ends[0]);
	assert_int_equal(waitpid(pid, &ended.status, 0), pid);
	return ended;
}

#endif
