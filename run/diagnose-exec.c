/* diagnose-exec.c - why COMMAND could not be executed: its file, what runs that, its words.
 *
 * In COMMAND's process, when nothing of the host is left.
 */
#include "plan/cover.h"
#include "plan/given.h"
#include "plan/lines.h"
#include "plan/operand.h"
#include "plan/options.h"
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

/* What the program at `path` needs to start; NULL: nothing. */
static const char *find_interpreter(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char name[PATH_MAX];
	return fd >= 0 && interpreter_of(fd, name, sizeof(name)) ? arena_string(name) : NULL;
}

/* And does not find, or that which runs it does not: *path, then. Or NULL. */
static const char *missing_interpreter(const char **path)
{
	struct stat status;
	const char *name = find_interpreter(*path);
	for (int n = 1; n < INTERPRETERS_MOST && name && stat(name, &status) == 0; n++) {
		*path = name;
		name = find_interpreter(name);
	}
	return name && stat(name, &status) < 0 ? name : NULL;
}

/* What stands in /lib64 for one program stands in /usr/lib64 for others, and a link makes both of it. The file itself may
 * be a link, as Debian's into /lib: each that is missing on the whole way. */
static const char *merged_usr(const char *path)
{
	struct text text = { 0 };
	struct stat status;
	text_add(&text, "%s", "");
	for (int n = 0; path && path[0] == '/' && n < DIAGNOSE_MOST_LINKS; n++) {
		const char *name = skip_slashes(path), *merged = arena_join("/usr/", name);
		const char *top = arena_copy(name, strcspn(name, "/"));
		const char *lacks = arena_printf(" --symlink usr/%s /%s", top, top);
		if (lstat(arena_join("/", top), &status) < 0 && lstat(merged, &status) == 0) {
			if (!strstr(text.bytes, lacks))
				text_add(&text, "%s%s", text.length ? "" : ", by", lacks);
			path = merged;
		}
		path = diagnose_behind_link(path);
	}
	return text.bytes;
}

static const char *name_interpreter(const struct plan *plan, const char *path,
				    const char *interpreter)
{
	if (strchr(interpreter, '\r'))
		return cause_text(CAUSE_EXEC_DOS, interpreter);
	const char *mask = diagnose_mask(plan, interpreter);
	const char *by = merged_usr(interpreter), *link = diagnose_link(AT_FDCWD, interpreter);
	if (link && !*by)
		interpreter = arena_printf("%s (the link says %s)", interpreter, link);
	return arena_printf("%s%s%s",
			    cause_text(CAUSE_EXEC_INTERPRETER,
				       arena_printf("%s exists, but %s", path, interpreter)),
			    by, mask);
}

/* The first of COMMAND's words that is an option's name; 0: there is none. */
static unsigned find_option(char *const *argv)
{
	for (unsigned i = 1; argv[i]; i++)
		if (options_find(argv[i]))
			return i;
	return 0;
}

/* Of sh and bash, which no program is called by; some systems have one for a few of them, and then it is found. */
#define SHELL_WORDS \
	". : alias bg bind cd declare eval exec exit export fg for function if jobs let local read return set shift shopt source trap type typeset ulimit umask unalias unset until wait while"

/* "", or what has become COMMAND that was hardly meant to. */
static const char *mistaken(const struct plan *plan)
{
	const char *command = plan->command.argv[0];
	unsigned argument = plan->command.argument;
	size_t n_bytes = strspn(command, "\xe2\x80\x88\x92\x93\x94"); /* U+2013, U+2014, U+2212 */
	if (command[0] == '-')
		return cause_text(CAUSE_EXEC_BEHIND_DASHES,
				  arena_printf("it stands behind -- (argument %u)", argument - 1));
	if (n_bytes)
		return cause_text(
			CAUSE_EXEC_DASH,
			arena_join("--", command + n_bytes + strspn(command + n_bytes, "-")));
	static const char in_names[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz0123456789";
	size_t length = strspn(command, in_names);
	if (length && command[length] == '=')
		return cause_text(CAUSE_EXEC_SETTING,
				  arena_printf("%s %s", arena_copy(command, length),
					       shell_word(command + length + 1)));
	if (strpbrk(command, " \t\n"))
		return strpbrk(command, "&|;<>$`")
			       ? cause_text(CAUSE_EXEC_SCRIPT, shell_word(command))
			       : cause_text(CAUSE_EXEC_WORDS, command);
	if (operand_choice(SHELL_WORDS, command) >= 0)
		return cause_text(CAUSE_EXEC_SHELL_WORD, command);
	unsigned option = plan->root.n_ops ? 0 : find_option(plan->command.argv);
	return option ? cause_text(CAUSE_EXEC_BEHIND_COMMAND,
				   arena_printf(
					   "%s (argument %u) stands behind COMMAND (argument %u)",
					   plan->command.argv[option], argument + option, argument))
		      : "";
}

static const char *not_found(const struct plan *plan, const char *path_list)
{
	const char *command = plan->command.argv[0], *mistake = mistaken(plan);
	if (!*command)
		return cause_text(CAUSE_EXEC_EMPTY_WORD, NULL);
	if (*mistake)
		return mistake;
	if (!plan->root.n_ops)
		return cause_text(CAUSE_EXEC_EMPTY_ROOT, NULL);
	bool has_path = strchr(command, '/');
	const char *mask = "";
	for (const char *start = has_path ? "/" : path_list; *start; start += strspn(start, ":")) {
		size_t length = strcspn(start, ":");
		const char *path =
			has_path ? command : arena_printf("%.*s/%s", (int) length, start, command);
		if (!*mask)
			mask = diagnose_mask(plan, path);
		const char *lacks_it = path, *missing = missing_interpreter(&lacks_it);
		struct stat status;
		if (missing)
			return name_interpreter(plan, streq(lacks_it, command) ? "it" : lacks_it,
						missing);
		if (lstat(path, &status) == 0) /* a link, then */
			return arena_join(diagnose_way(-1, path, ENOENT),
					  diagnose_mask(plan, path));
		start += length;
	}
	const char *hidden = plan_first_hidden(plan);
	if (hidden)
		return cause_text(CAUSE_EXEC_HIDDEN, hidden);
	if (!has_path && access(command, X_OK) == 0)
		return cause_text(CAUSE_EXEC_HERE, command);
	const char *why = has_path ? diagnose_way(-1, command, ENOENT)
				   : cause_text(CAUSE_EXEC_PATH, path_list);
	char *here = *why || *command == '/' ? NULL : getcwd(NULL, 0);
	if (here)
		why = cause_text(CAUSE_SOURCE_RELATIVE, arena_string(here));
	free(here);
	return arena_join(why, mask);
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
	const struct op *last = plan_find_mask(run->plan, OP_MASK, point);
	for (const struct op *op = root->ops; op < root->ops + root->n_ops; op++) {
		char *place = op->inner_path ? realpath(op->inner_path, NULL) : NULL;
		if (place && streq(place, point))
			last = op;
		free(place);
	}
	if (!last)
		return point;
	return arena_printf("that of %s%s", position_text(last->position),
			    last->mount_flags & MOUNT_ATTR_NOEXEC
				    ? ", by the --mount-flags before it"
			    : last->kind == OP_BIND ? ", whose source is one on the host"
						    : "");
}

/* The last option may have been given a word too much. */
static const char *where_command_begins(const struct plan *plan)
{
	const struct given_option *last = options_last(plan);
	return last && *last->row->words
		       ? arena_printf(
				 ", and COMMAND begins with it at argument %u, as %s takes only %s",
				 plan->command.argument, position_text(last->last),
				 last->row->words)
		       : "";
}

/* The file, or what runs it, or that. */
static const char *file_may_not(const struct run *run, const char *path)
{
	const char *what = "";
	struct statvfs fs;
	for (int n = 0; n < INTERPRETERS_MOST && path; n++, path = find_interpreter(path)) {
		if (n)
			what = cause_text(CAUSE_EXEC_INTERPRETER_CLOSED, path);
		if (statvfs(path, &fs) == 0 && fs.f_flag & ST_NOEXEC)
			return arena_join(
				what, cause_text(CAUSE_EXEC_NOEXEC,
						 who_made_it_noexec(run, mount_point_of(path))));
		if (access(path, X_OK) < 0)
			break;
	}
	const char *label = run->plan->command.exec_label;
	return !path && label ? cause_text(CAUSE_EXEC_LABEL, label)
			      : arena_join(what, cause_text(CAUSE_EXEC_MODE, NULL));
}

static const char *not_permitted(const struct run *run, const char *path_list)
{
	struct stat status;
	const char *command = run->plan->command.argv[0], *path = command, *closed = NULL;
	bool has_path = strchr(command, '/');
	for (const char *start = has_path ? "" : path_list; *start; start += strspn(start, ":")) {
		size_t length = strcspn(start, ":");
		path = arena_printf("%.*s/%s", (int) length, start, command);
		if (stat(path, &status) == 0)
			break;
		if (errno == EACCES && !closed)
			closed = arena_copy(start, length);
		start += length;
	}
	const char *mistake = mistaken(run->plan);
	if (stat(path, &status) < 0)
		return *mistake   ? mistake
		       : has_path ? diagnose_way(-1, command, EACCES)
		       : closed   ? cause_text(CAUSE_EXEC_PATH_CLOSED, closed)
				  : "";
	if (S_ISDIR(status.st_mode))
		return cause_text(CAUSE_EXEC_DIRECTORY, where_command_begins(run->plan));
	return file_may_not(run, path);
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
	if (run->plan->report.denied.fd >= 0) { /* looking would be told as COMMAND's own calls */
		const char *mistake = mistaken(run->plan);
		return *mistake ? mistake
				: "; what --trace-denied has written says what is missing";
	}
	if (!path_list)
		path_list = "/bin:/usr/bin"; /* execvp(3) of glibc 2.24 and later */
	const char *label = run->plan->command.exec_label;
	return error == ENOENT           ? not_found(run->plan, path_list)
	       : error == EACCES         ? not_permitted(run, path_list)
	       : error == E2BIG          ? too_long(run)
	       : error == EPERM && label ? cause_text(CAUSE_EXEC_LABEL, label)
					 : "";
}
