/* signals.c - the signals that come to the supervisor: which end it, which go on to COMMAND, and that none
 * keeps it from its work.
 *
 * The supervisor is in the caller's process group, as COMMAND is unless it has a session of its own:
 * so the terminal's signals come to both, and so does what COMMAND sends to its own group, since
 * process groups reach through pid namespaces (kill(2) with 0).
 */
#include "process/signals.h"

#include "plan/plan.h"
#include "run/run.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

struct signals {
	int fd;                   /* they are blocked, and read from here */
	sigset_t ignored;         /* of those forwarded, by the caller */
	sigset_t marked;          /* wait at pid 1 since one went to the whole group */
	int64_t marked_ms[NSIG];  /* when that was noticed */
	uint32_t marked_by[NSIG]; /* who had sent it to us */
};

static const struct {
	int number;
	bool ends; /* what a process does that has not arranged for it */
} forwarded[] = {
	{ SIGHUP, true },  { SIGINT, true },    { SIGQUIT, true }, { SIGUSR1, true },
	{ SIGUSR2, true }, { SIGALRM, true },   { SIGTERM, true }, { SIGIO, true },
	{ SIGPWR, true },  { SIGWINCH, false }, { SIGURG, false },
};

/* What a terminal stops jobs with. */
static const int stopping[] = { SIGTSTP, SIGTTIN, SIGTTOU };

bool signals_end_us(const struct signals *signals, int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		if (forwarded[i].number == number)
			return forwarded[i].ends && !sigismember(&signals->ignored, number);
	return false;
}

bool signals_stop_us(int number)
{
	for (size_t i = 0; i < ARRAY_SIZE(stopping); i++)
		if (stopping[i] == number)
			return true;
	return false;
}

struct signals *signals_block(const struct run *run)
{
	struct signals *signals = arena_alloc(sizeof(*signals));
	sigset_t set;
	sigemptyset(&set);
	sigemptyset(&signals->ignored);
	sigemptyset(&signals->marked);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++) {
		struct sigaction now;
		sigaddset(&set, forwarded[i].number);
		if (sigaction(forwarded[i].number, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			sigaddset(&signals->ignored, forwarded[i].number);
	}
	/* Otherwise the supervisor stops together with COMMAND by itself, which is what job control
	 * wants to see. */
	bool takes_stops = run->plan->limit.timeout_ms || run->shape.new_session;
	for (size_t i = 0; i < ARRAY_SIZE(stopping) && takes_stops; i++)
		sigaddset(&set, stopping[i]);
	signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals->fd < 0)
		die_errno(errno, "Can't receive signals");
	sigaddset(&set, SIGPIPE); /* of our own writes, which are looked at */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		die_errno(errno, "Can't block signals");
	return signals;
}

void signals_leave_to_supervisor(struct signals *signals)
{
	close_fd(&signals->fd);
}

int signals_fd(const struct signals *signals)
{
	return signals->fd;
}

bool signals_next(const struct signals *signals, struct signalfd_siginfo *ret_info)
{
	return read(signals->fd, ret_info, sizeof(*ret_info)) == (ssize_t) sizeof(*ret_info);
}

int signals_take(const struct signals *signals)
{
	struct signalfd_siginfo info;
	int ending = 0;
	/* Of each number one waits at most, but they may come as fast as they are taken. */
	for (int n = 0; n < NSIG && signals_next(signals, &info); n++)
		if (signals_end_us(signals, (int) info.ssi_signo))
			ending = (int) info.ssi_signo;
	return ending;
}

bool signals_ask_for_the_end(const struct signals *signals)
{
	sigset_t pending;
	bool any = false;
	if (sigpending(&pending) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		any |= sigismember(&pending, forwarded[i].number) &&
		       signals_end_us(signals, forwarded[i].number);
	return any;
}

void signals_stop(int number)
{
	sigset_t only;
	sigemptyset(&only);
	sigaddset(&only, number);
	/* By its own default action, which leaves alone a process group that nobody could continue,
	 * and by none where the caller ignores it. */
	raise(number);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	sigprocmask(SIG_BLOCK, &only, NULL);
}

static struct timespec timespec_of(int64_t ms)
{
	return (struct timespec){ .tv_sec = (time_t) (ms / 1000),
				  .tv_nsec = (long) (ms % 1000 * 1000000) };
}

bool signals_wake_at(int64_t time_ms, int64_t then_every_ms)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT };
	struct itimerspec when = { .it_value = timespec_of(time_ms),
				   .it_interval = timespec_of(then_every_ms) };
	timer_t timer;
	/* The kernel continues a process that gets it before it looks at what the process does with
	 * it. */
	return timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
	       timer_settime(timer, TIMER_ABSTIME, &when, NULL) == 0;
}

/* ---- one that went to all of us ---- */

void signals_note_group(struct signals *signals, int number)
{
	sigaddset(&signals->marked, number);
}

/* Our pid 1 is in the same process group, control group and unit as COMMAND; it has the signals
 * blocked and never takes one, so that the first of each kind waits there for good. */
bool signals_went_to_group(struct signals *signals, const struct run *run, pid_t pid_1,
			   const struct signalfd_siginfo *info)
{
	int number = (int) info->ssi_signo;
	enum { ONE_CALL_MS = 100 }; /* timeout(1) sends one to us, and one to all */
	static const char label[] = "\nShdPnd:";
	char text[16384], path[32];
	if (sigismember(&signals->marked, number)) /* what waits there may be an earlier one */
		return now_ms() - signals->marked_ms[number] < ONE_CALL_MS &&
		       info->ssi_pid == signals->marked_by[number];
	snprintf(path, sizeof(path), "%d/status", pid_1);
	if (!procfile_read_into(run->host->proc_fd, path, text, sizeof(text)))
		return false;
	const char *line = strstr(text, label);
	if (!line || !(strtoull(line + strlen(label), NULL, 16) >> (number - 1) & 1))
		return false;
	signals_note_group(signals, number);
	signals->marked_ms[number] = now_ms();
	signals->marked_by[number] = info->ssi_pid;
	return true;
}
