/* diagnose-path.c - where on the way to a path it went wrong, on the host or inside.
 *
 * Asked only when something has failed already. Must not: change anything; look for a path of the sandbox in any
 * other way than through path.c.
 */
#include "plan/cover.h"
#include "plan/lines.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "run/run.h"
#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_there(int root_fd, const char *path)
{
	return root_fd < 0 ? open(path, O_PATH | O_CLOEXEC) : path_open(root_fd, path, O_PATH);
}

const char *diagnose_link(int dir_fd, const char *name)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(dir_fd, name, text, sizeof(text));
	return length > 0 ? arena_copy(text, (size_t) length) : NULL;
}

struct step {
	const char *above, *here; /* the way to it, and with it */
	const char *link;         /* what it says; NULL: it is none */
	const char *last_link;    /* of those before it, in words */
	bool is_last;
};

/* error: of the call that failed; stop: of this step. */
static const char *why_it_stops(const struct step *step, int error, int stop)
{
	const char *above = arena_join(step->above, step->last_link);
	if (stop == EACCES)
		return cause_text(CAUSE_WAY_CLOSED, above);
	if (stop == ENOTDIR)
		return cause_text(CAUSE_WAY_FILE, above);
	if (stop != ENOENT)
		return "";
	if (step->link)
		return cause_text(CAUSE_WAY_LINK,
				  arena_printf("%s, which says %s,", step->here, step->link));
	if (error == EACCES)
		return cause_text(CAUSE_WAY_NOT_WRITABLE, above);
	return step->is_last ? "" : cause_text(CAUSE_WAY_MISSING, step->here);
}

const char *diagnose_way(int root_fd, const char *path, int error)
{
	struct step step = { .here = *path == '/' || root_fd >= 0 ? "/" : ".", .last_link = "" };
	int at = open_there(root_fd, step.here);
	const char *why = NULL, *name = path;
	while (!why && at >= 0 && *(name = skip_slashes(name))) {
		size_t length = strcspn(name, "/");
		step.above = step.here;
		step.here = arena_copy(path, (size_t) (name - path) + length);
		step.link = diagnose_link(at, arena_copy(name, length));
		name += length;
		step.is_last = !*skip_slashes(name);
		int fd = open_there(root_fd, step.here);
		if (fd < 0)
			why = why_it_stops(&step, error, errno);
		else if (step.link)
			step.last_link =
				arena_printf(" (the link %s says %s)", step.here, step.link);
		close(at);
		at = fd;
	}
	close_fd(&at);
	return why ? why : "";
}

/* The last operation before `op` that makes what is at the path inside; NULL: none. */
static const struct op *who_makes(const struct plan *plan, const struct op *op, const char *path)
{
	while (op-- > plan->root.ops)
		if (op->kind != OP_BIND && !op->pattern && plan_path_below(path, op->inner_path))
			return op;
	return NULL;
}

const char *diagnose_source(const struct run *run, const struct op *op, const char *path, int error)
{
	const char *colon = strchr(path, ':');
	const struct op *maker = error == ENOENT ? who_makes(run->plan, op, path) : NULL;
	if (error == ENOENT && path[0] == '~')
		return cause_text(CAUSE_SOURCE_TILDE, NULL);
	if (error == ENOENT && strchr(path, '$'))
		return cause_text(CAUSE_SOURCE_VARIABLE, NULL);
	if (error == ENOENT && colon)
		return cause_text(
			CAUSE_SOURCE_COLON,
			arena_printf("%s %s", shell_word(arena_copy(path, (size_t) (colon - path))),
				     shell_word(colon + 1)));
	if (maker)
		return cause_text(CAUSE_SOURCE_INSIDE, position_text(maker->position));
	const char *why = diagnose_way(-1, path, error);
	if (!*why && error == ENOENT && path[0] != '/' && run->host->caller.directory)
		return cause_text(CAUSE_SOURCE_RELATIVE, run->host->caller.directory);
	return why;
}

const char *diagnose_behind_link(const char *path)
{
	for (const char *end = skip_slashes(path); *end; end = skip_slashes(end)) {
		const char *name = end;
		end += strcspn(end, "/");
		const char *link = diagnose_link(AT_FDCWD, arena_copy(path, (size_t) (end - path)));
		if (link)
			return arena_printf("%s%s%s",
					    *link == '/' ? ""
							 : arena_copy(path, (size_t) (name - path)),
					    link, end);
	}
	return NULL;
}

const char *diagnose_mask(const struct plan *plan, const char *path)
{
	const struct op *mask = NULL;
	char *here = *path == '/' ? NULL : realpath(".", NULL);
	if (here)
		path = arena_printf("%s/%s", here, path);
	free(here);
	for (int n = 0; !mask && path && n < DIAGNOSE_MOST_LINKS; n++) {
		mask = plan_find_mask(plan, OP_MASK, path);
		path = diagnose_behind_link(path);
	}
	return mask ? cause_text(CAUSE_WAY_MASKED, position_text(mask->position)) : "";
}
