/* pasta.c - a network for the new network namespace, carried by a program outside: pasta(1), or slirp4netns(1) where that is
 * missing. What setup does for it, and what its process does. Who starts and who ends that is process/helpers.c's business.
 *
 * It is executed in the host's namespaces, as the caller, and enters the sandbox's by descriptors; what it does then to
 * confine itself is its own. It is started as soon as the namespace is there, and gets ready while setup works; before it has
 * said so COMMAND does not start. It has a session of its own, and dies with the supervisor.
 *
 * Must not: take anything but a ready network for one.
 */
#include "ns/pasta.h"

#include "ns/loopback.h"
#include "plan/given.h"
#include "plan/pasta-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/helper.h"
#include "run/run.h"
#include "sys/program.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The descriptors of its job, and the numbers under which the program finds them. */
enum { NETNS, USERNS, REPORT, N_FDS };

static const char *position(const struct run *run)
{
	return position_text(options_position(run->plan, "--net-pasta"));
}

/* ---- in the helper ---- */

void pasta_be(const struct run *run, int socket, pid_t supervisor)
{
	const struct caller *caller = &run->host->caller;
	struct helper_job job;
	helper_receive_job(socket, &job);
	if (job.n_fds != N_FDS || !program_take_stdio(job.fds[REPORT]))
		_exit(1);
	const char *pasta = program_find("pasta"),
		   *program = pasta ? pasta : program_find("slirp4netns");
	say_set_prefix(pasta ? "pasta" : "slirp4netns"); /* setup reads one kind of message */
	say_set_levels(false);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup2(job.fds[NETNS], NETNS) < 0 ||
	    dup2(job.fds[USERNS], USERNS) < 0)
		die_errno(errno, "Can't prepare to run it");
	if (getppid() != supervisor)
		_exit(1);
	char **words = pasta ? pasta_options_words(run->plan, &run->shape, caller)
			     : pasta_options_slirp_words(run->plan, &run->shape, caller);
	char *const no_environment[] = { NULL };
	const char *undone = program_leave_caller(NULL, 0);
	if (undone)
		die_errno(errno, "Can't %s", undone);
	/* Nobody reads its later words. pasta ignores the signal itself, and a version of it fails where that is done. */
	if (!pasta)
		signal(SIGPIPE, SIG_IGN);
	execve(program ? program : "", words, no_environment);
	die_errno(errno, "Can't run it");
}

/* ---- in setup ---- */

/* Both would fail of it, at a time when the host cannot be looked at any more. */
static void check_device(const struct run *run)
{
	AUTO_CLOSE int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die_because(errno, "%s: There would be no network: Can't open /dev/net/tun: %s%s",
			    position(run), errno_text(errno), diagnose_tun(errno));
}

static void choose_program(struct run *run)
{
	run->resolver = PASTA_RESOLVER;
	if (program_find("pasta"))
		return;
	const struct position *not_for_slirp = pasta_options_not_for_slirp(run->plan);
	run->resolver = SLIRP_RESOLVER;
	if (!program_find("slirp4netns"))
		die("%s: There would be no network%s", position(run),
		    cause_text(CAUSE_PASTA_MISSING, NULL));
	if (not_for_slirp)
		die("%s: There would be no such network%s", position_text(*not_for_slirp),
		    cause_text(CAUSE_PASTA_WANTED, NULL));
	run_tell(run, "%s: by slirp4netns, since pasta is not installed", position(run));
}

void pasta_start(struct run *run)
{
	int report[2];
	if (!run->plan->net.pasta)
		return;
	choose_program(run);
	check_device(run);
	if (pipe2(report, O_CLOEXEC) < 0)
		die_errno(errno, "%s: Can't make a pipe", position(run));
	AUTO_CLOSE int net_fd = openat(run->host->proc_fd, "self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int user_fd = openat(run->host->proc_fd, "self/ns/user", O_RDONLY | O_CLOEXEC);
	if (net_fd < 0 || user_fd < 0)
		die_errno(errno, "%s: Can't open the namespaces", position(run));
	int fds[] = { [NETNS] = net_fd, [USERNS] = user_fd, [REPORT] = report[1] };
	struct helper_job job = { .fds = fds, .n_fds = N_FDS };
	close(helper_start(run, HELPER_PASTA, &job));
	close(report[1]);
	run->pasta_fd = report[0];
}

static bool is_pasta(const struct run *run)
{
	return streq(run->resolver, PASTA_RESOLVER);
}

static const char *program_name(const struct run *run)
{
	return is_pasta(run) ? "pasta" : "slirp4netns";
}

/* A whole line that is a number, that of pasta's process; or slirp4netns's 1, which ends no line. A part of a line is no number:
 * the rest of what went wrong may be on its way. */
static bool says_ready(const struct run *run, const char *said)
{
	for (;;) {
		size_t length = strcspn(said, "\n");
		if (!said[length])
			return streq(said, "1") && !is_pasta(run);
		if (length && strspn(said, "0123456789") == length)
			return true;
		said += length + 1;
	}
}

/* What it said, in one line: its help, and that there is no syslog, say nothing. */
static const char *last_words(const char *said)
{
	enum { MOST = 500 };
	struct text text = { 0 };
	while (*said && text.length < MOST) {
		size_t length = strcspn(said, "\n");
		if (strncmp(said, "Usage:", strlen("Usage:")) == 0)
			break;
		if (length && strncmp(said, "Failed to send ", strlen("Failed to send ")) != 0)
			text_add(&text, "%s%.*s", text.length ? "; " : ": ", (int) length, said);
		said += length + (said[length] == '\n');
	}
	return text.length ? text.bytes : " without a word";
}

static const char *cause_of(const char *said)
{
	return strstr(said, "Failed to bind any port") || strstr(said, "Listen failed")
		       ? cause_text(CAUSE_PORT_TAKEN, NULL)
		       : "";
}

void pasta_await(struct run *run)
{
	enum { PATIENCE_MS = 10000, MOST_BYTES = 65536 };
	const int64_t end_ms = now_ms() + PATIENCE_MS;
	struct text said = { 0 };
	if (run->pasta_fd < 0)
		return;
	text_add(&said, "%s", "");
	while (!says_ready(run, said.bytes)) {
		struct pollfd ready = { .fd = run->pasta_fd, .events = POLLIN };
		int64_t left_ms = end_ms - now_ms();
		int n_ready = poll(&ready, 1, left_ms > 0 ? (int) left_ms : 0);
		char bytes[4096];
		ssize_t n = n_ready > 0 ? read(run->pasta_fd, bytes, sizeof(bytes)) : -1;
		if (n_ready == 0)
			die("%s: There is no network: %s is not ready after %d s, and ended%s",
			    position(run), program_name(run), PATIENCE_MS / 1000,
			    last_words(said.bytes));
		if (n == 0 || said.length > MOST_BYTES)
			die("%s: There is no network: %s has ended%s%s", position(run),
			    program_name(run), last_words(said.bytes), cause_of(said.bytes));
		if (n > 0)
			text_add_bytes(&said, bytes, strnlen(bytes, (size_t) n));
	}
	close_fd(&run->pasta_fd);
	if (!loopback_keep_inside())
		die_errno(errno, "%s: Can't keep it from the host's loopback device",
			  position(run));
}
