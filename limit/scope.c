/* scope.c - a delegated control group from systemd: the user manager is asked to put this process
 * into a transient scope, where nobody has given the caller a group to write to.
 *
 * The supervisor runs busctl for the one D-Bus call. A D-Bus library cannot be loaded by a static
 * program, nor would it belong into this process. systemd-run --scope makes the same call, but for
 * itself, and then has to become the program: it would have to come before bwrapish on the line, or
 * bwrapish run itself again, having consumed descriptors already.
 *
 * busctl gets three descriptors, none of them the caller's, and one variable. Nothing it says or
 * does not say is relied upon: we are in the scope when /proc/self/cgroup says so. The scope is the
 * manager's to remove, which it does as soon as the last process in it has ended, however that did.
 */
#include "limit/scope.h"

#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/program.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* For busctl, however often it has to ask, and until the manager has moved us. */
enum { MOST_SECONDS = 5 };

/* Whether the manager behind `directory` is one of our own user, who knows this process by the pid
 * that we know: a bus that was bound into a container would move a stranger. Its socket was made by
 * the manager itself, so the kernel tells who that is; a pid that has no number here is 0. */
static problem check_manager(const char *directory)
{
	AUTO_CLOSE int directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred manager;
	socklen_t length = sizeof(manager);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/systemd/private",
		 directory_fd); /* the path itself may be too long */
	if (directory_fd < 0 || socket_fd < 0 ||
	    connect(socket_fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
	    getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &manager, &length) < 0)
		return arena_printf("nobody answers at %s/systemd/private (%s)", directory,
				    errno_text(errno));
	if (manager.uid != geteuid())
		return arena_printf("the systemd at %s is another user's", directory);
	if (manager.pid == 0)
		return arena_printf("the systemd at %s is in another pid namespace", directory);
	return NULL;
}

static _Noreturn void be_busctl(const char *program, const char *directory, const char *name,
				pid_t supervisor, int report_fd)
{
	char *words[] = { arena_string("busctl"),
			  arena_string("--user"),
			  arena_string("--quiet"),
			  arena_string("--auto-start=no"),
			  arena_string("call"),
			  arena_string("org.freedesktop.systemd1"),
			  arena_string("/org/freedesktop/systemd1"),
			  arena_string("org.freedesktop.systemd1.Manager"),
			  arena_string("StartTransientUnit"),
			  arena_string("ssa(sv)a(sa(sv))"),
			  arena_string(name),
			  arena_string("fail"), /* if there is a unit of that name */
			  arena_string("3"),
			  arena_string("PIDs"),
			  arena_string("au"),
			  arena_string("1"),
			  arena_printf("%d", supervisor),
			  arena_string("Delegate"),
			  arena_string("b"),
			  arena_string("true"),
			  arena_string("CollectMode"), /* nothing is remembered of it either */
			  arena_string("s"),
			  arena_string("inactive-or-failed"),
			  arena_string("0"), /* no auxiliary units */
			  NULL };
	/* Without the address of another bus, which would make it run a program of that name's. */
	char *environment[] = { arena_printf("XDG_RUNTIME_DIR=%s", directory), NULL };
	die_first_call(NULL, NULL);
	if (!program_take_stdio(report_fd) || program_leave_caller(NULL, 0))
		_exit(1);
	caps_drop_all();
	if (program_limit_life(supervisor, MOST_SECONDS))
		execve(program, words, environment);
	_exit(1);
}

static int ms_until(int64_t end_ms)
{
	int64_t left = end_ms - now_ms();
	return left > 0 ? (int) left : 0;
}

/* What it says, until it has ended; the rest of what does not fit is let go. False: the time is up. */
static bool hear_busctl(const struct run *run, scope_await await, int fd, int pidfd, int64_t end_ms,
			char *said, size_t capacity)
{
	size_t length = 0;
	char rest[256];
	for (ssize_t n = 1; n > 0 && now_ms() < end_ms;) {
		await(run, fd, ms_until(end_ms));
		bool fits = length + 1 < capacity;
		n = read(fd, fits ? said + length : rest,
			 fits ? capacity - 1 - length : sizeof(rest));
		length += fits && n > 0 ? (size_t) n : 0;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			n = 1;
	}
	said[length] = '\0';
	await(run, pidfd, ms_until(end_ms));
	return now_ms() < end_ms;
}

static problem call_manager(const struct run *run, scope_await await, const char *program,
			    const char *directory, const char *name, int64_t end_ms)
{
	enum { KILLED_MS = 1000 };
	int report[2], status;
	char said[1024];
	if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0)
		die_errno(errno, "Can't make a pipe");
	pid_t supervisor = getpid(), pid = sys_clone_process(0);
	if (pid < 0)
		return arena_printf("can't start %s: %s", program, errno_text(errno));
	if (pid == 0)
		be_busctl(program, directory, name, supervisor, report[1]);
	close(report[1]);
	AUTO_CLOSE int pidfd = sys_pidfd_open(pid, 0);
	if (pidfd < 0)
		die_errno(errno, "Can't watch %s", program);
	bool in_time = hear_busctl(run, await, report[0], pidfd, end_ms, said, sizeof(said));
	close(report[0]);
	if (!in_time) {
		kill(pid, SIGKILL);
		await(run, pidfd, KILLED_MS);
	}
	if (waitpid(pid, &status, WNOHANG) != pid) /* it does not even die */
		status = SIGKILL;
	if (status == 0)
		return NULL;
	if (!in_time || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM))
		return arena_printf("no answer within %d seconds", MOST_SECONDS);
	if (!*said)
		return arena_printf("%s failed without a word", program);
	return arena_copy(said, strcspn(said, "\n"));
}

static bool is_in(const struct run *run, const char *name)
{
	char groups[8192]; /* version 2 is the last line: cgroups(7) */
	if (!procfile_read_into(run->host->proc_fd, "self/cgroup", groups, sizeof(groups)))
		return false;
	const char *found = strstr(groups, name);
	return found && found[strlen(name)] == '\n';
}

problem scope_find(const struct run *run, const char **ret_directory, const char **ret_program)
{
	*ret_directory = get_variable(run->host->envp, "XDG_RUNTIME_DIR");
	if (!*ret_directory || **ret_directory != '/')
		return "XDG_RUNTIME_DIR is not set";
	problem bad = check_manager(*ret_directory);
	if (bad)
		return bad;
	*ret_program = program_find("busctl");
	return *ret_program ? NULL : "busctl, which asks it, is not installed (package systemd)";
}

problem scope_enter(const struct run *run, scope_await await)
{
	enum { MOST_CALLS = 10, RETRY_MS = 100 };
	int n_calls = 0;
	const char *directory, *program;
	problem bad = scope_find(run, &directory, &program);
	if (bad)
		return bad;

	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const char *name = arena_printf("bwrapish-%d-%lld%09ld.scope", getpid(),
					(long long) now.tv_sec, now.tv_nsec);
	/* The first one to ask in a session starts the bus, and the manager itself is not on it yet:
	 * "Name does not exist". */
	int64_t end_ms = now_ms() + MOST_SECONDS * 1000;
	while ((bad = call_manager(run, await, program, directory, name, end_ms))) {
		if (now_ms() + RETRY_MS >= end_ms || ++n_calls == MOST_CALLS)
			return bad;
		await(run, -1, RETRY_MS);
	}
	/* The answer was that the move is planned. */
	while (!is_in(run, name)) {
		if (now_ms() >= end_ms)
			return arena_printf(
				"it did not move this process into %s within %d seconds", name,
				MOST_SECONDS);
		await(run, -1, 1);
	}
	run_tell(run, "systemd's user manager has put bwrapish into %s", name);
	return NULL;
}
