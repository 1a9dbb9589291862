/* program.c - another program, run for the sandbox's sake and not as COMMAND: nothing of the caller's is left to it. */
#include "sys/program.h"

#include "sys/self.h"
#include "utils.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

const char *program_find(const char *name)
{
	static const char *const places[] = { "/usr/bin", "/usr/local/bin", "/bin" };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *path = arena_printf("%s/%s", places[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

bool program_take_stdio(int said_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
	       dup2(null_fd, STDOUT_FILENO) >= 0 && dup2(said_fd, STDERR_FILENO) >= 0;
}

const char *program_leave_caller(int *keep, size_t n_keep)
{
	sigset_t none;
	sigemptyset(&none);
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* two cannot be set, and two are the C library's */
	if (!close_all_except(keep, n_keep))
		return "close the descriptors that it must not have";
	if (setsid() < 0 || chdir("/") < 0)
		return "leave the caller's session";
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? "unblock its signals" : NULL;
}

bool program_limit_life(pid_t parent, unsigned seconds)
{
	if (signal(SIGALRM, SIG_DFL) == SIG_ERR || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return false;
	alarm(seconds);
	return getppid() == parent;
}
