/* subids.c - the subordinate ids that the system's administrator gave to the caller: subuid(5), subgid(5).
 *
 * Runs while nothing is entered yet. It reads the files itself; only where the system says that they come from
 * elsewhere (a line "subid:" in nsswitch.conf(5)) it asks getsubids(1), and for a name that is in no /etc/passwd
 * id(1). Must not: look up anything through the C library's NSS, which would load modules into this process.
 */
#include "ns/subids.h"

#include "plan/plan.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/program.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

/* Takes the next field off a line. NULL: there is none. */
static char *take_field(char **rest, const char *separators)
{
	char *field = *rest;
	if (!field)
		return NULL;
	size_t length = strcspn(field, separators);
	*rest = field[length] ? field + length + 1 : NULL;
	field[length] = '\0';
	return field;
}

/* ---- other programs ---- */

/* What it says on standard output, at most so much; "" where that cannot be had. */
static char *output_of(char *const *words)
{
	enum { MOST_BYTES = 1 << 20, MOST_SECONDS = 10 };
	int ends[2];
	const char *program = program_find(words[0]);
	if (!program)
		return arena_string("");
	if (pipe2(ends, O_CLOEXEC) < 0)
		die_errno(errno, "Can't make a pipe");
	pid_t parent = getpid(), pid = sys_clone_process(0);
	if (pid < 0)
		die_errno(errno, "Can't start %s", program);
	if (pid == 0) {
		char *const no_environment[] = { NULL };
		AUTO_CLOSE int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (program_take_stdio(null_fd) && dup2(ends[1], STDOUT_FILENO) >= 0 &&
		    !program_leave_caller(NULL, 0) && program_limit_life(parent, MOST_SECONDS))
			execve(program, words, no_environment);
		_exit(1);
	}
	close(ends[1]);
	char *bytes;
	size_t length;
	int status = 0;
	bool is_whole = read_all(ends[0], MOST_BYTES, &bytes, &length);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return is_whole && status == 0 ? bytes : arena_string("");
}

static bool come_from_elsewhere(void)
{
	static const char source[] = "subid:";
	char *rest = procfile_read_lines(AT_FDCWD, "/etc/nsswitch.conf");
	for (const char *line; (line = take_field(&rest, "\n"));)
		if (strncasecmp(line, source, strlen(source)) == 0)
			return true;
	return false;
}

/* ---- the caller's name ---- */

const char *subids_owner(const struct run *run)
{
	char *number = arena_number(run->host->caller.uid, 10);
	char *rest = procfile_read_lines(AT_FDCWD, "/etc/passwd");
	for (char *line; (line = take_field(&rest, "\n"));) {
		const char *name = take_field(&line, ":");
		take_field(&line, ":"); /* the password */
		const char *uid = take_field(&line, ":");
		if (uid && streq(uid, number))
			return name;
	}
	char program[] = "id", option[] = "-un", end[] = "--";
	char *name = output_of((char *[]){ program, option, end, number, NULL });
	name[strcspn(name, "\n")] = '\0';
	return *name ? name : number;
}

/* ---- their ranges ---- */

/* Leaves out what is there already: the kernel refuses a map that has an id twice. */
static void add_range(struct id_ranges *ranges, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < ranges->n; i++) {
		uint64_t from = ranges->items[i].outer, to = from + ranges->items[i].count;
		if (start >= to || end <= from)
			continue;
		if (start < from)
			add_range(ranges, start, from);
		if (end > to)
			add_range(ranges, to, end);
		return;
	}
	ranges->items =
		arena_grow(ranges->items, ranges->n, &ranges->capacity, sizeof(*ranges->items));
	ranges->items[ranges->n++] =
		(struct id_range){ .outer = (uint32_t) start, .count = (uint32_t) (end - start) };
}

static void add_words(struct id_ranges *ranges, const char *start_word, const char *count_word)
{
	uint64_t start, count;
	if (start_word && count_word && parse_decimal(start_word, UINT32_MAX - 1, &start) &&
	    parse_decimal(count_word, UINT32_MAX - start, &count) && count)
		add_range(ranges, start, start + count);
}

/* "0: NAME START COUNT" */
static void ask_getsubids(const char *owner, enum id_kind kind, struct id_ranges *ranges)
{
	char program[] = "getsubids", option[] = "-g", *name = arena_string(owner);
	char *rest = output_of(kind == ID_GID ? (char *[]){ program, option, name, NULL }
					      : (char *[]){ program, name, NULL });
	for (char *line; (line = take_field(&rest, "\n"));) {
		take_field(&line, " ");
		take_field(&line, " ");
		const char *start = take_field(&line, " ");
		add_words(ranges, start, take_field(&line, " "));
	}
}

void subids_find(const struct run *run, enum id_kind kind, struct id_ranges *ret_ranges)
{
	const char *owner = subids_owner(run), *number = arena_number(run->host->caller.uid, 10);
	if (come_from_elsewhere() && program_find("getsubids")) {
		ask_getsubids(owner, kind, ret_ranges);
		return;
	}
	char *rest = procfile_read_lines(AT_FDCWD, kind == ID_GID ? "/etc/subgid" : "/etc/subuid");
	for (char *line; (line = take_field(&rest, "\n"));) {
		const char *name = take_field(&line, ":"), *start = take_field(&line, ":");
		if (streq(name, owner) || streq(name, number))
			add_words(ret_ranges, start, take_field(&line, ":"));
	}
}
