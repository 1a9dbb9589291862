/* trial.c - a line carried out as far as COMMAND, in a process of its own, and what was heard of it.
 *
 * What a trial says comes over its standard error, since everything in it may speak there: each line with its level
 * before it, and each stage as one byte when it begins, which no line has in it (escape_controls()).
 */
#include "check/trial.h"

#include "filter/filters.h"
#include "plan/plan.h"
#include "process/tell.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define PREFIX "check"

/* In a sandbox without --dev /dev/null may be there and cannot be opened. */
int trial_open_nothing(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fd = memfd_create("nothing", MFD_CLOEXEC);
	if (fd < 0)
		die_errno(errno, "Can't open /dev/null");
	return fd;
}

/* Whoever is asked to read a terminal, or to take it over, is not to find one. */
static void leave_terminal(void)
{
	AUTO_CLOSE int null_fd = trial_open_nothing();
	for (int fd = STDIN_FILENO; fd <= STDOUT_FILENO; fd++)
		if (isatty(fd) && dup2(null_fd, fd) < 0)
			die_errno(errno, "Can't leave the terminal");
}

bool trial_begin(struct trial *trial)
{
	int ends[2];
	*trial = (struct trial){ .pid = -1, .fd = -1, .stage = STAGE_CHECK };
	bool piped = pipe2(ends, O_CLOEXEC) == 0;
	if (piped)
		trial->pid = sys_clone_process(0);
	if (trial->pid < 0)
		trial->error = errno;
	if (piped && trial->pid < 0)
		close(ends[0]);
	if (piped && trial->pid)
		close(ends[1]);
	if (trial->pid > 0)
		trial->fd = ends[0];
	if (trial->pid)
		return false;
	die_first_call(NULL, NULL);
	say_set_prefix(PREFIX);
	say_set_levels(true);
	close(ends[0]);
	if (dup2(ends[1], STDERR_FILENO) < 0)
		_exit(1);
	close(ends[1]);
	leave_terminal();
	return true;
}

/* ---- hearing ---- */

static bool hear(struct trial *trial)
{
	char bytes[4096];
	ssize_t n = read(trial->fd, bytes, sizeof(bytes));
	if (n < 0)
		return errno == EINTR;
	text_add_bytes(&trial->heard, bytes, (size_t) n);
	return n > 0;
}

static void take_line(struct trial *trial, char *line)
{
	static const char prefix[] = PREFIX ": ";
	char *words = strstr(line, prefix);
	if (!words)
		return;
	words += strlen(prefix);
	if (line[1] == '3' && !trial->message) { /* others follow from the first */
		trial->message = words;
		return;
	}
	trial->notes = arena_grow(trial->notes, trial->n_notes, &trial->capacity_notes,
				  sizeof(*trial->notes));
	trial->notes[trial->n_notes++] = words;
}

/* Between lines only: each is written at once. */
static char *take_stages(struct trial *trial, char *next)
{
	for (; *next >= STAGE_SPLIT && *next <= STAGE_GO; next++)
		trial->stage = (enum stage) * next;
	return next;
}

static void finish(struct trial *trial)
{
	int status = 0;
	close_fd(&trial->fd);
	while (waitpid(trial->pid, &status, 0) < 0 && errno == EINTR)
		;
	char *next = trial->heard.length ? trial->heard.bytes : NULL;
	while (next && *(next = take_stages(trial, next))) {
		char *end = strchrnul(next, '\n');
		char *following = end + (*end != '\0');
		*end = '\0';
		take_line(trial, next);
		next = following;
	}
	trial->works = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!trial->works && !trial->message && WIFSIGNALED(status))
		trial->message = arena_printf("it was ended by signal %d", WTERMSIG(status));
	else if (!trial->works && !trial->message)
		trial->message = arena_printf("it ended with status %d", WEXITSTATUS(status));
}

void trials_hear(struct trial *trials, size_t n)
{
	/* Of those alone that could be started: it takes no more than RLIMIT_NOFILE (poll(2)). */
	struct pollfd *watched = arena_alloc(n * sizeof(*watched));
	struct trial **heard = arena_alloc(n * sizeof(*heard));
	size_t n_open = 0;
	for (size_t i = 0; i < n; i++)
		if (trials[i].fd >= 0) {
			watched[n_open] = (struct pollfd){ trials[i].fd, POLLIN, 0 };
			heard[n_open++] = &trials[i];
		}
	while (n_open) {
		if (poll(watched, n_open, -1) < 0 && errno != EINTR)
			die_errno(errno, "Can't wait for a trial");
		for (size_t i = n_open; i-- > 0;)
			if (watched[i].revents && !hear(heard[i])) {
				watched[i] = watched[--n_open];
				heard[i] = heard[n_open];
			}
	}
	for (size_t i = 0; i < n; i++)
		if (trials[i].pid > 0)
			finish(&trials[i]);
}

/* ---- exec ---- */

/* A process that is traced stops when it has executed a program, before its first instruction (ptrace(2)). It stops for
 * each signal, too, as whoever resizes the terminal sends one, and must not go on untraced: it ends with us. False:
 * it has ended. */
static bool follow_to_exec(pid_t pid, int *ret_status)
{
	for (;;) {
		while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
			;
		int number = WSTOPSIG(*ret_status);
		if (!WIFSTOPPED(*ret_status) || number == SIGTRAP)
			return WIFSTOPPED(*ret_status);
		if (number == SIGSTOP) /* its own, from which on it is followed */
			number = 0;
		if (ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL) < 0 ||
		    ptrace(PTRACE_CONT, pid, NULL, (long) number) < 0)
			kill(pid, SIGKILL);
	}
}

static bool is_followed(pid_t parent)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
	       ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0;
}

void trial_rehearse_exec(struct run *run)
{
	int status = 0;
	if (!run->plan->command.argv[0]) {
		run_tell_stage(run, STAGE_GO);
		if (run->shape.topology == RUN_SUPERVISED)
			tell_starting(run, -1);
		filters_load(run, FILTER_COMMAND);
		_exit(0);
	}
	pid_t parent = getpid(), pid = sys_clone_process(0);
	if (pid == 0) {
		if (is_followed(parent))
			return;
		say_note("COMMAND is not looked for: it can't be traced (%s)", errno_text(errno));
		_exit(0);
	}
	if (pid < 0)
		die_errno(errno, "Can't start a process for COMMAND");
	if (follow_to_exec(pid, &status)) {
		kill(pid, SIGKILL);
		_exit(0);
	}
	if (WIFSIGNALED(status))
		die("COMMAND is ended by signal %d when it is executed", WTERMSIG(status));
	_exit(WEXITSTATUS(status));
}
