/* diagnose-exec.c - why COMMAND could not be executed: its file, what runs that, its words.
 *
 * In COMMAND's process, when nothing of the host is left.
 */
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/interpreter.h"
#include "sys/kernel.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

/* What the program at `path` needs to start and does not find, or NULL. */
static const char *missing_interpreter(const char *path)
{
	struct stat status;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char name[PATH_MAX];
	return fd >= 0 && interpreter_of(fd, name, sizeof(name)) && stat(name, &status) < 0
		       ? arena_string(name)
		       : NULL;
}

static const char *name_interpreter(const char *path, const char *interpreter)
{
	return arena_join(cause_text(CAUSE_EXEC_INTERPRETER,
				     arena_printf("%s exists, but %s", path, interpreter)),
			  strchr(interpreter, '\r') ? " (its lines end as in DOS)" : "");
}

static const char *not_found(const char *command, const char *path_list)
{
	if (!*command)
		return cause_text(CAUSE_EXEC_EMPTY_WORD, NULL);
	if (strchr(command, '/')) {
		const char *missing = missing_interpreter(command);
		return missing ? name_interpreter("it", missing) : "";
	}
	for (const char *start = path_list; *start; start += strspn(start, ":")) {
		size_t length = strcspn(start, ":");
		const char *path = arena_printf("%.*s/%s", (int) length, start, command);
		const char *missing = missing_interpreter(path);
		if (missing)
			return name_interpreter(path, missing);
		start += length;
	}
	return cause_text(CAUSE_EXEC_PATH, path_list);
}

/* ---- it may not ---- */

static uint64_t mount_id_of(const char *path)
{
	struct kernel_statx status;
	return sys_statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) < 0
		       ? 0
		       : status.stx_mnt_id;
}

/* Where the mount that has `path` begins. */
static const char *mount_point_of(const char *path)
{
	char *point = realpath(path, NULL);
	uint64_t id = point ? mount_id_of(point) : 0;
	if (!id)
		return path;
	for (;;) {
		char *end = strrchr(point, '/');
		char *above = end == point ? "/" : arena_copy(point, (size_t) (end - point));
		if (streq(point, "/") || mount_id_of(above) != id)
			return point;
		point = above;
	}
}

static const char *who_made_it_noexec(const struct run *run, const char *point)
{
	const struct root_plan *root = &run->plan->root;
	const struct op *last = NULL;
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++)
		if (op->inner_path && streq(op->inner_path, point))
			last = op;
	if (!last)
		return point;
	return arena_printf("that of %s%s", position_text(last->position),
			    last->mount_flags & MOUNT_ATTR_NOEXEC
				    ? ", by the --mount-flags before it"
			    : last->kind == OP_BIND ? ", whose source is one on the host"
						    : "");
}

static const char *not_permitted(const struct run *run, const char *command, const char *path_list)
{
	struct stat status;
	struct statvfs fs;
	const char *path = command;
	for (const char *start = strchr(command, '/') ? "" : path_list; *start;
	     start += strspn(start, ":")) {
		size_t length = strcspn(start, ":");
		path = arena_printf("%.*s/%s", (int) length, start, command);
		if (stat(path, &status) == 0)
			break;
		start += length;
	}
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return cause_text(CAUSE_EXEC_DIRECTORY, NULL);
	if (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOEXEC)
		return cause_text(CAUSE_EXEC_NOEXEC, who_made_it_noexec(run, mount_point_of(path)));
	return cause_text(CAUSE_EXEC_MODE, NULL);
}

/* ---- it is too long ---- */

enum { LONGEST_WORD = 32 * 4096 }; /* MAX_ARG_STRLEN, where pages have 4 KB */

static size_t bytes_of(char *const *words)
{
	size_t bytes = 0;
	for (; *words; words++)
		bytes += strlen(*words) + 1 + sizeof(*words);
	return bytes;
}

/* No argument can be too long alone: ours were started with it. */
static const char *too_long(const struct run *run)
{
	char *const *entries = run->environment;
	size_t n_arguments = bytes_of(run->plan->command.argv), n_entries = bytes_of(entries);
	for (; *entries; entries++)
		if (strlen(*entries) >= LONGEST_WORD)
			return cause_text(CAUSE_VARIABLE_TOO_LONG,
					  arena_copy(*entries, strcspn(*entries, "=")));
	return n_arguments >= n_entries
		       ? cause_text(CAUSE_ARGUMENTS_TOO_LONG, arena_number(n_arguments, 10))
		       : cause_text(CAUSE_ENVIRONMENT_TOO_LONG, arena_number(n_entries, 10));
}

const char *diagnose_exec(const struct run *run, const char *path_list, int error)
{
	const char *command = run->plan->command.argv[0];
	if (!path_list)
		path_list = "/bin:/usr/bin"; /* execvp(3) of glibc 2.24 and later */
	if (error == ENOENT && !run->plan->root.n_ops && *command)
		return cause_text(CAUSE_EXEC_EMPTY_ROOT, NULL);
	return error == ENOENT   ? not_found(command, path_list)
	       : error == EACCES ? not_permitted(run, command, path_list)
	       : error == E2BIG  ? too_long(run)
				 : "";
}
