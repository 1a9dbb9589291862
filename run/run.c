/* run.c - what every room may ask of the run: to tell what happens (--verbose), to close what an option
 * consumed, to end as setup has ended. Decides nothing.
 */
#include "run/run.h"

#include "plan/explain.h"
#include "utils.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void run_tell_stage(struct run *run, enum stage stage)
{
	struct text text = { 0 };
	run->stage = stage;
	if (!run->plan->verbose)
		return;
	plan_explain_stage(run->plan, &run->shape, &run->host->caller, stage, &text);
	for (char *line = text.bytes, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		say_note("%s", line + strspn(line, " "));
	}
}

void run_end_with_setup(int status)
{
	if (WIFSIGNALED(status))
		die_as(128 + WTERMSIG(status), "Setup was ended by signal %d", WTERMSIG(status));
	/* It has said why; above 128 it was the signal that ended yet another one. */
	_exit(WEXITSTATUS(status) > 128 ? WEXITSTATUS(status) : 1);
}

/* A standard number stays taken: the next descriptor of ours must not get it. */
void close_consumed(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
}
