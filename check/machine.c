/* machine.c - what a sandbox may need, each tried on this machine: a short line for each, carried out by the code that
 * carries out any, side by side. Of other programs it is looked whether they are there.
 */
#include "check/machine.h"

#include "check/facts.h"
#include "plan/options.h"
#include "plan/plan.h"
#include "plan/shape.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Those of a group are tried as one line, and each alone only where that fails. There is a group for each topology:
 * what a process makes for itself a filter may refuse, and let it make the same for another. Nothing of the host is shown but what a
 * layer of the overlay shows. Descriptor 1 leads nowhere. */
enum try {
	TRY_USERNS,
	TRY_PROC,
	TRY_DEV,
	TRY_NET,
	TRY_IPC,
	TRY_UTS,
	TRY_CGROUP,
	TRY_TIME,
	TRY_NO_MORE,
	TRY_MOUNTS,
	TRY_PROC_PID,
	TRY_OVERLAY,
	TRY_FILTER,
	TRY_TRACE,
	N_TRIES
};
enum { N_GROUPS = 4 };
static const struct {
	char line[72];
	uint8_t group;
} tries[N_TRIES] = {
	[TRY_USERNS] = { "--unshare-user", 1 },
	[TRY_PROC] = { "--unshare-pid --proc /proc", 0 },
	[TRY_DEV] = { "--dev /dev", 0 },
	[TRY_NET] = { "--unshare-net", 0 },
	[TRY_IPC] = { "--unshare-ipc", 0 },
	[TRY_UTS] = { "--unshare-uts", 0 },
	[TRY_CGROUP] = { "--unshare-cgroup", 0 },
	[TRY_TIME] = { "--unshare-time", 0 },
	[TRY_NO_MORE] = { "--unshare-user --disable-userns", 0 },
	[TRY_MOUNTS] = { "", 3 }, /* root's needs no user namespace */
	[TRY_PROC_PID] = { "--unshare-pid --proc-pid /proc-pid", 0 },
	[TRY_OVERLAY] = { "--overlay-src /usr --overlay-backend kernel --tmp-overlay /x", 1 },
	[TRY_FILTER] = { "--seccomp-deny acct", 2 },
	[TRY_TRACE] = { "--seccomp-deny acct --seccomp-trace 1", 2 },
};

/* What is said of them, in the order of importance. One may show several things, each of which is there as soon as a
 * stage begins. */
static const struct row {
	char name[24];
	uint8_t number;   /* of the try */
	uint8_t there_at; /* the stage; 0: only once all of it went well */
	char good_for[40];
} rows[] = {
	{ "user-namespace", TRY_USERNS, STAGE_BECOME, "a normal user's sandbox" },
	{ "id-map", TRY_USERNS, STAGE_PIN, "--uid, --gid" },
	{ "mounts", TRY_MOUNTS, 0, "the new root" },
	{ "pid-namespace", TRY_PROC, STAGE_BECOME, "--unshare-pid" },
	{ "proc", TRY_PROC, 0, "--proc" },
	{ "dev", TRY_DEV, 0, "--dev, --pty" },
	{ "network-namespace", TRY_NET, 0, "--unshare-net" },
	{ "ipc-namespace", TRY_IPC, 0, "--unshare-ipc" },
	{ "uts-namespace", TRY_UTS, 0, "--unshare-uts, --hostname" },
	{ "cgroup-namespace", TRY_CGROUP, 0, "--unshare-cgroup" },
	{ "filters", TRY_FILTER, 0, "--seccomp-profile, --seccomp-deny" },
	{ "no-more-user-namespaces", TRY_NO_MORE, 0, "--disable-userns, --mask" },
	{ "proc-pid", TRY_PROC_PID, 0, "--proc-pid" },
	{ "overlay-kernel", TRY_OVERLAY, 0, "--overlay, --tmp-overlay" },
	{ "time-namespace", TRY_TIME, 0, "--unshare-time" },
	{ "notification", TRY_TRACE, 0, "--seccomp-trace" },
};

static bool is_open(int fd)
{
	return fd >= STDIN_FILENO;
}

static bool read_nothing(int fd, char **ret_bytes, size_t *ret_length)
{
	(void) fd, (void) ret_bytes, (void) ret_length;
	errno = EBADF;
	return false;
}

static void carry_out(const struct run *outer, const char *line, check_story story)
{
	static const struct option_io io = { is_open, is_open, is_open, read_nothing };
	struct host host = *outer->host;
	struct plan plan;
	struct run run = *outer;
	enum reading reading;
	char *words[40] = { arena_string("check") }, *save = NULL;
	int n = 1, null_fd = trial_open_nothing();
	for (char *word = strtok_r(arena_string(line), " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0)
		die_errno(errno, "Can't open /dev/null");
	close(null_fd);
	close_fd(&host.proc_fd); /* the story opens its own */
	host.caller.n_listen_fds = 0;
	run.plan = &plan;
	run.host = &host;
	problem bad = options_read(n, words, &io, &plan, &reading);
	plan.rehearses = true;
	plan.verbose = outer->plan->verbose;
	if (!bad)
		bad = plan_check(&plan, &host.caller, &run.shape);
	if (bad)
		die("%s", bad);
	story(&host, &plan, &run);
}

/* Whoever reads it has written no line, and knows no places on it. */
static const char *without_position(const char *message)
{
	const char *at = strstr(message, " (argument "), *end = at ? strchr(at, ')') : NULL;
	if (!end)
		return message;
	return arena_join(arena_copy(message, (size_t) (at - message)), end + 1);
}

static void hear(const struct run *run, struct trial *trials, size_t n)
{
	trials_hear(trials, n);
	for (size_t i = 0; i < n; i++)
		if (trials[i].pid < 0)
			trials[i].message = arena_printf(
				"Can't start a process: %s%s", errno_text(trials[i].error),
				diagnose_new_namespace(run, 0, trials[i].error));
}

static void try_all(const struct run *run, check_story story, struct trial trials[N_TRIES])
{
	struct trial groups[N_GROUPS], alone[N_TRIES];
	size_t n_alone = 0;
	for (size_t i = 0; i < N_GROUPS; i++) {
		struct text line = { 0 };
		for (size_t j = 0; j < N_TRIES; j++)
			if (tries[j].group == i)
				text_add(&line, " %s", tries[j].line);
		if (trial_begin(&groups[i]))
			carry_out(run, line.bytes, story);
	}
	hear(run, groups, N_GROUPS);
	for (size_t i = 0; i < N_TRIES; i++)
		if (!groups[tries[i].group].works && trial_begin(&alone[n_alone++]))
			carry_out(run, tries[i].line, story);
	hear(run, alone, n_alone);
	n_alone = 0;
	for (size_t i = 0; i < N_TRIES; i++)
		trials[i] =
			groups[tries[i].group].works ? groups[tries[i].group] : alone[n_alone++];
}

/* Which finding has said the same already; NULL: none. */
static const struct finding *find_same(const struct findings *findings, const char *message)
{
	for (size_t i = 0; i < findings->n; i++)
		if (findings->items[i].verdict == FAILS && streq(findings->items[i].words, message))
			return &findings->items[i];
	return NULL;
}

static void add_row(struct findings *findings, const struct row *row, const struct trial *trial)
{
	if (trial->works || (row->there_at && trial->stage >= row->there_at)) {
		finding_add(findings, row->name, WORKS, row->good_for, NULL);
		return;
	}
	const char *message = without_position(trial->message);
	const struct finding *same = find_same(findings, message);
	if (same) {
		finding_add(findings, row->name, UNTRIED, row->good_for,
			    arena_printf("for the same reason as %s", same->name));
		return;
	}
	struct finding *finding = finding_add(findings, row->name, FAILS, row->good_for, message);
	finding->notes = trial->notes;
	finding->n_notes = trial->n_notes;
}

enum sandbox machine_check(const struct run *run, check_story story, struct findings *ret_findings)
{
	struct trial trials[N_TRIES];
	try_all(run, story, trials);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		add_row(ret_findings, &rows[i], &trials[rows[i].number]);
	facts_add_fuse(ret_findings);
	facts_add_landlock(ret_findings);
	facts_add_newuidmap(run, ret_findings);
	facts_add_groups(run, ret_findings);
	facts_add_pasta(ret_findings);
	/* Root's need no user namespace; for anybody else neither goes without. */
	return !trials[TRY_MOUNTS].works ? NO_SANDBOX
	       : !trials[TRY_PROC].works ? SANDBOX_WITHOUT_PROC
					 : WHOLE_SANDBOX;
}
