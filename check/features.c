/* features.c - --features: what this machine offers, without a verdict: all that --check tries, and what no line depends
 * on alone.
 */
#include "check/features.h"

#include "check/machine.h"
#include "mount/fs.h"
#include "run/json.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>

static void add_call(struct findings *features, const char *name, long result)
{
	bool is_there = result >= 0 || (errno != ENOSYS && errno != EPERM);
	finding_add(features, name, is_there ? WORKS : ABSENT, NULL,
		    is_there ? NULL : arena_string(errno_text(errno)));
}

/* Before Linux 7.2 a procfs of the processes alone wants a whole one to be seen, as any does. */
static _Noreturn void try_proc_below_covers(void)
{
	const char *const options[] = { "subset", "pid", NULL };
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0)
		_exit(1);
	pid_t pid = sys_clone_process(0);
	if (pid == 0) {
		int cover = sys_open_tree(AT_FDCWD, "/proc/version", OPEN_TREE_CLONE);
		bool done = cover >= 0 && sys_move_mount(cover, "", AT_FDCWD, "/proc/version",
							 MOVE_MOUNT_F_EMPTY_PATH) == 0;
		_exit(done && fs_try_make("proc", 0, options) >= 0 ? 0 : 1);
	}
	int status = 1;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(pid > 0 && status == 0 ? 0 : 1);
}

void features_find(const struct run *run, check_story story, struct findings *ret_findings)
{
	struct utsname system;
	struct trial trial;
	if (uname(&system) == 0)
		finding_add(ret_findings, "kernel", WORKS, NULL, arena_string(system.release));
	machine_check(run, story, ret_findings);
	if (trial_begin(&trial))
		try_proc_below_covers();
	trials_hear(&trial, 1);
	finding_add(ret_findings, "proc-pid-below-covers", trial.works ? WORKS : ABSENT,
		    "--proc-pid", NULL);
	struct open_how how = { .flags = O_PATH, .resolve = RESOLVE_IN_ROOT };
	AUTO_CLOSE int fd = sys_openat2(AT_FDCWD, "/", &how);
	add_call(ret_findings, "openat2", fd);
	/* with what the kernel refuses: this process is to stay as it is */
	add_call(ret_findings, "clone3", syscall(SYS_clone3, NULL, 0));
	add_call(ret_findings, "statmount", sys_statmount(0, 0, NULL));
}

static bool is_there(const struct finding *feature)
{
	return feature->verdict == WORKS;
}

const char *features_as_lines(const struct findings *features)
{
	struct text text = { 0 };
	for (size_t i = 0; i < features->n; i++) {
		const struct finding *feature = &features->items[i];
		text_add(&text, "%s: %s%s%s%s\n", feature->name, is_there(feature) ? "yes" : "no",
			 feature->words ? " (" : "", feature->words ? feature->words : "",
			 feature->words ? ")" : "");
	}
	return text.bytes;
}

const char *features_as_json(const struct findings *features)
{
	struct text json = { 0 };
	text_add(&json, "{ \"version\": \"" BWRAPISH_VERSION "\", \"features\": {");
	for (size_t i = 0; i < features->n; i++) {
		const struct finding *feature = &features->items[i];
		text_add(&json, "%s\n  \"%s\": { \"there\": %s", i ? "," : "", feature->name,
			 is_there(feature) ? "true" : "false");
		if (feature->words) {
			text_add(&json, ", \"words\": ");
			json_add_string(&json, feature->words);
		}
		text_add(&json, " }");
	}
	text_add(&json, "\n} }\n");
	return json.bytes;
}
