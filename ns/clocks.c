/* clocks.c - the time namespace, and what its clocks show.
 *
 * A process that clone3(2) makes in a new one finds its clocks fixed: they can be set only while nobody is in it
 * (time_namespaces(7)). unshare(2) makes it for the children, its clocks are set, and setns(2) enters it without one.
 * Offsets are to the caller's clocks, and the kernel's to those of the machine: the former are added to what is there.
 *
 * Must not: let anybody take a clock for a secret. Who may make namespaces inside makes one with others.
 */
#include "ns/clocks.h"

#include "plan/given.h"
#include "plan/operand.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "utils.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct clock {
	clockid_t id;
	const char *name;
	const char *option;
	int64_t more_ns;
	int64_t offset_ns; /* as the kernel counts it */
};
enum { N_CLOCKS = 2 };

static void list_clocks(const struct ns_plan *ns, struct clock ret_clocks[N_CLOCKS])
{
	ret_clocks[0] = (struct clock){ CLOCK_MONOTONIC, "CLOCK_MONOTONIC", "--monotonic-offset",
					ns->monotonic_offset_ns, 0 };
	ret_clocks[1] = (struct clock){ CLOCK_BOOTTIME, "CLOCK_BOOTTIME", "--boottime-offset",
					ns->boottime_offset_ns, 0 };
}

int clocks_open_offsets(const struct run *run)
{
	const struct ns_plan *ns = &run->plan->ns;
	if (!ns->monotonic_offset_ns && !ns->boottime_offset_ns)
		return -1;
	return openat(run->host->proc_fd, "self/timens_offsets", O_WRONLY | O_CLOEXEC);
}

/* The offsets of the namespace that is for our children, a line for each clock in this order. */
static void read_offsets(const struct run *run, int64_t ret_ns[N_CLOCKS])
{
	const char *line = procfile_read_lines(run->host->proc_fd, "self/timens_offsets");
	for (size_t i = 0; i < N_CLOCKS; i++) {
		long long seconds, ns;
		if (!line || sscanf(line, "%*s %lld %lld", &seconds, &ns) != 2)
			die("Can't read /proc/self/timens_offsets; nothing was run");
		ret_ns[i] = seconds * NS_PER_SECOND + ns;
		line = strchrnul(line, '\n');
		line += *line == '\n';
	}
}

int64_t clocks_offset_ms(const struct run *run)
{
	int64_t offsets_ns[N_CLOCKS];
	read_offsets(run, offsets_ns);
	return offsets_ns[0] / 1000000;
}

static const char *why_not_set(const struct run *run, const struct clock *clock, int error)
{
	struct timespec now = { 0 };
	clock_gettime(clock->id, &now);
	if (error == ERANGE)
		return arena_printf(
			"; it shows %lld s here, and inside it may show from 0 to 4611686018 s",
			(long long) now.tv_sec);
	if (error == EPERM || error == EACCES)
		return "; it takes CAP_SYS_TIME, or --unshare-user";
	return diagnose_id_map(run, error); /* the same /proc is needed for these */
}

static _Noreturn void die_of_clock(const struct run *run, const struct clock *clock, int error)
{
	die_because(error, "%s: Can't set %s: %s%s",
		    position_text(options_position(run->plan, clock->option)), clock->name,
		    errno_text(error), why_not_set(run, clock, error));
}

static void set_clock(const struct run *run, int fd, const struct clock *clock)
{
	int64_t seconds = clock->offset_ns / NS_PER_SECOND, ns = clock->offset_ns % NS_PER_SECOND;
	if (ns < 0) {
		seconds--;
		ns += NS_PER_SECOND;
	}
	const char *line = arena_printf("%d %lld %lld\n", (int) clock->id, (long long) seconds,
					(long long) ns);
	/* One write for each: the kernel says which of them it does not take only so. */
	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t) strlen(line))
		die_of_clock(run, clock, errno);
}

static uint64_t id_of(const struct run *run, const char *path)
{
	struct stat status;
	if (fstatat(run->host->proc_fd, path, &status, 0) < 0) {
		int error = errno;
		die_because(error, "Can't read /proc/%s: %s%s", path, errno_text(error),
			    diagnose_missing_kind(run, CLONE_NEWTIME));
	}
	return status.st_ino;
}

static void verify(const struct run *run, uint64_t left_id, const struct clock clocks[N_CLOCKS])
{
	uint64_t id = id_of(run, "self/ns/time");
	int64_t offsets_ns[N_CLOCKS];
	read_offsets(run, offsets_ns);
	bool same = id != left_id && id == id_of(run, "self/ns/time_for_children");
	for (size_t i = 0; i < N_CLOCKS; i++)
		same &= offsets_ns[i] == clocks[i].offset_ns;
	if (!same)
		die("%s: The kernel reported a new time namespace, but the clocks are not as they were set; nothing was run",
		    position_text(options_position(run->plan, "--unshare-time")));
}

static _Noreturn void die_of_new(const struct run *run, int error)
{
	die_because(error, "%s: Creating new namespace failed: %s%s",
		    position_text(options_position(run->plan, "--unshare-time")),
		    error == ENOSPC ? "a limit was reached" : errno_text(error),
		    diagnose_new_namespace(run, CLONE_NEWTIME, error));
}

void clocks_enter(struct run *run, int offsets_fd)
{
	const struct ns_plan *ns = &run->plan->ns;
	if (!ns->unshare_time)
		return;
	uint64_t left_id = id_of(run, "self/ns/time");
	if (unshare(CLONE_NEWTIME) < 0)
		die_of_new(run, errno);
	struct clock clocks[N_CLOCKS];
	int64_t inherited_ns[N_CLOCKS];
	list_clocks(ns, clocks);
	read_offsets(run, inherited_ns);
	AUTO_CLOSE int own_fd = offsets_fd < 0 ? clocks_open_offsets(run) : -1;
	for (size_t i = 0; i < N_CLOCKS; i++) {
		clocks[i].offset_ns = inherited_ns[i] + clocks[i].more_ns;
		if (clocks[i].more_ns)
			set_clock(run, offsets_fd < 0 ? own_fd : offsets_fd, &clocks[i]);
	}
	AUTO_CLOSE int fd =
		openat(run->host->proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
		die_errno(errno, "%s: Can't enter the new time namespace",
			  position_text(options_position(run->plan, "--unshare-time")));
	verify(run, left_id, clocks);
	if (run->last_resort_ms)
		run->last_resort_ms += ns->monotonic_offset_ns / 1000000;
}
