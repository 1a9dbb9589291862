/* run.c - what every room may ask of the run: to tell what happens (--verbose), to close what an option
 * consumed, to end as setup has ended. Decides nothing.
 */
#include "run/run.h"

#include "plan/explain.h"
#include "plan/plan.h"
#include "utils.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void run_tell_stage(struct run *run, enum stage stage)
{
	struct text text = { 0 };
	const char number = (char) stage;
	run->stage = stage;
	if (run->plan->rehearses && !write_all(STDERR_FILENO, &number, sizeof(number)))
		die_errno(errno, "Can't tell of a stage");
	if (!run->plan->verbose || stage == STAGE_BUILD) /* each operation is told when it comes */
		return;
	plan_explain_stage(run->plan, &run->shape, &run->host->caller, stage, &text);
	for (char *line = text.bytes, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		say_note("%s", line + strspn(line, " "));
	}
}

void run_end_with_setup(const struct run *run, int status)
{
	bool as_env = run->plan->command.exit_codes == EXIT_CODES_ENV;
	if (WIFSIGNALED(status))
		die_as(as_env ? EXIT_SETUP : 128 + WTERMSIG(status), "Setup was ended by signal %d",
		       WTERMSIG(status));
	/* It has said why. */
	int code = WEXITSTATUS(status);
	bool tells = as_env ? code == EXIT_NOT_EXECUTABLE || code == EXIT_NOT_FOUND
			    : code > 128; /* of the signal that ended yet another one */
	_exit(tells ? code : die_status());
}

/* A standard number stays taken: the next descriptor of ours must not get it. */
void close_consumed(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
}
