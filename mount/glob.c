/* glob.c - what a pattern matches in the new root as it is now.
 *
 * All is found before the first of it is covered. What is below a match goes with it, and is not looked at.
 *
 * Must not: follow a link behind the pattern's first wildcard; look up a path in any other way than name by name from
 * a descriptor.
 */
#include "mount/glob.h"

#include "mount/mask-walk.h"
#include "mount/mask.h"
#include "mount/state.h"
#include "plan/pattern.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "utils.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_MATCHES = 10000, MOST_NAMES = 5000000 };

/* A directory that is still to be looked into. */
struct branch {
	const char *name;
	pattern_set at;
};
/* A directory that was looked into, and what is left to do below it. */
struct level {
	int fd;
	const char *way;
	struct branch *branches;
	size_t n, capacity;
};
struct search {
	const struct run *run;
	const struct op *op;
	uint64_t mount_id; /* of the base */
	struct level *levels;
	size_t n_levels, capacity_levels;
	const char **matches;
	size_t n_matches, capacity_matches;
	size_t n_names, n_closed, n_mounts;
	const char *first_mount;
};

static _Noreturn void die_at(const struct search *search, const char *way, int error)
{
	die("%s: Can't look into %s: %s%s", position_text(search->op->position), *way ? way : "/",
	    errno_text(error),
	    error == EMFILE ? "; so many directories deep takes a descriptor each (ulimit -n)"
			    : "");
}

/* What setup, which has every capability over the caller's files, may not look into, COMMAND may not either. */
static void note_failure(struct search *search, const char *way, int error)
{
	if (error == EACCES || error == EPERM)
		search->n_closed++;
	else if (error != ENOENT && error != ENOTDIR && error != ELOOP) /* just changed */
		die_at(search, way, error);
}

static void add_match(struct search *search, const char *path)
{
	if (search->n_matches == MOST_MATCHES)
		die("%s: %s matches more than %d names: mask or protect a directory above them",
		    position_text(search->op->position), search->op->inner_path, MOST_MATCHES);
	search->matches = arena_grow(search->matches, search->n_matches, &search->capacity_matches,
				     sizeof(*search->matches));
	search->matches[search->n_matches++] = path;
}

static void take_name(struct search *search, struct level *level, pattern_set at, const char *name,
		      unsigned char type)
{
	const struct pattern *pattern = search->op->pattern;
	bool is_match;
	struct stat status;
	if (++search->n_names > MOST_NAMES)
		die("%s: There are more than %d names to look at: name a directory further down",
		    position_text(search->op->position), MOST_NAMES);
	pattern_set next = pattern_step(pattern, at, name, &is_match);
	if (!is_match && !next)
		return;
	if (type == DT_UNKNOWN) {
		if (fstatat(level->fd, name, &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
			note_failure(search, level->way, errno);
			return;
		}
		type = S_ISDIR(status.st_mode) ? DT_DIR : DT_REG;
	}
	if (is_match && (type == DT_DIR || !pattern->wants_directory)) {
		add_match(search, arena_printf("%s/%s", level->way, name));
	} else if (next && type == DT_DIR) {
		level->branches = arena_grow(level->branches, level->n, &level->capacity,
					     sizeof(*level->branches));
		level->branches[level->n++] =
			(struct branch){ .name = arena_string(name), .at = next };
	}
}

/* The name, where only one can match: such a directory need not be readable. */
static const char *only_name(const struct pattern *pattern, pattern_set at)
{
	for (size_t i = 0; i < pattern->n; i++)
		if (at == UINT64_C(1) << i && pattern->components[i].kind == PATTERN_LITERAL)
			return pattern->components[i].text;
	return NULL;
}

static void list_names(struct search *search, struct level *level, pattern_set at)
{
	int fd = openat(level->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		note_failure(search, level->way, errno);
		close_fd(&fd);
		return;
	}
	errno = 0;
	for (const struct dirent *entry; (entry = readdir(directory)); errno = 0)
		if (!streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
			take_name(search, level, at, entry->d_name, entry->d_type);
	if (errno)
		die_at(search, level->way, errno);
	closedir(directory);
}

/* Takes fd over. */
static void look_into(struct search *search, int fd, const char *way, pattern_set at)
{
	struct level level = { .fd = fd, .way = way };
	struct kernel_statx status;
	const char *name = only_name(search->op->pattern, at);
	if (!name)
		list_names(search, &level, at);
	else if (sys_statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
			   STATX_TYPE, &status) == 0)
		take_name(search, &level, at, name, S_ISDIR(status.stx_mode) ? DT_DIR : DT_REG);
	else
		note_failure(search, way, errno);
	if (!level.n) {
		close(fd);
		return;
	}
	search->levels = arena_grow(search->levels, search->n_levels, &search->capacity_levels,
				    sizeof(*search->levels));
	search->levels[search->n_levels++] = level;
}

static bool is_on_other_mount(struct search *search, const struct level *level, const char *name,
			      const char *way)
{
	struct kernel_statx status;
	if (sys_statx(level->fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		      STATX_MNT_ID, &status) < 0 ||
	    status.stx_mnt_id == search->mount_id || search->run->plan->root.glob_across_mounts ||
	    mask_shows_what_was_there(search->run, status.stx_mnt_id))
		return false;
	if (!search->n_mounts++)
		search->first_mount = way;
	return true;
}

/* The last directory below a level takes its place: a chain of them takes one descriptor. */
static void go_down(struct search *search)
{
	struct level level = search->levels[search->n_levels - 1];
	const struct branch *branch = &level.branches[--search->levels[search->n_levels - 1].n];
	const char *way = arena_printf("%s/%s", level.way, branch->name);
	int fd = -1;
	/* No path leads there in one step, to be covered, and ways would fill the memory that grow with each. */
	if (strlen(way) >= PATH_MAX)
		die_at(search, arena_copy(way, NAME_MAX), ENAMETOOLONG);
	bool is_other = is_on_other_mount(search, &level, branch->name, way);
	if (!is_other)
		fd = openat(level.fd, branch->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int error = errno;
	if (level.n == 1) {
		close(level.fd);
		search->n_levels--;
	}
	if (fd >= 0)
		look_into(search, fd, way, branch->at);
	else if (!is_other)
		note_failure(search, way, error);
}

static void find_matches(struct search *search)
{
	const struct pattern *pattern = search->op->pattern;
	const char *base = *pattern->base ? pattern->base : "/";
	struct kernel_statx status;
	int fd = path_open(search->run->root.fd, base, O_PATH | O_DIRECTORY);
	if (fd < 0) {
		note_failure(search, base, errno);
		return;
	}
	if (sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &status) < 0)
		die_at(search, base, errno);
	search->mount_id = status.stx_mnt_id;
	look_into(search, fd, pattern->base, pattern_start(pattern));
	while (search->n_levels)
		go_down(search);
}

static void tell(const struct search *search)
{
	const char *position = position_text(search->op->position);
	run_tell(search->run, "%s: matches: %zu, names looked at: %zu, closed directories: %zu",
		 position, search->n_matches, search->n_names, search->n_closed);
	if (search->n_mounts)
		say_warning(
			"%s: %s was not looked into%s, being another mount: --glob-across-mounts does",
			position, search->first_mount,
			search->n_mounts > 1 ? arena_printf(", nor %zu more", search->n_mounts - 1)
					     : "");
}

/* A name with wildcards in it, as that of a directory which the shell put there for a variable, does not match itself. */
static void warn_of_names(const struct search *search)
{
	const struct pattern *pattern = search->op->pattern;
	const char *way = pattern->base;
	for (size_t i = 0; i < pattern->n && pattern->components[i].kind != PATTERN_ANY_DEPTH;
	     i++) {
		const char *text = pattern->components[i].text;
		way = arena_printf("%s/%s", way, text);
		AUTO_CLOSE int fd = pattern->components[i].kind == PATTERN_LITERAL ||
						    pattern_matches_name(text, text)
					    ? -1
					    : path_open(search->run->root.fd, way, O_PATH);
		if (fd >= 0)
			say_warning(
				"%s: %s exists, and is not what PATTERN means: write a \\ before each [ * ? of its name",
				position_text(search->op->position), way);
	}
}

/* Wildcards that other shells have; "": there are none. */
static const char *foreign_wildcard(const char *text)
{
	for (; *text; text++) {
		const char *end = *text == '{'                               ? strchr(text, '}')
				  : strchr("@+!?*", *text) && text[1] == '(' ? strchr(text, ')')
									     : NULL;
		if (end)
			return arena_copy(text, (size_t) (end + 1 - text));
		text += *text == '\\';
	}
	return "";
}

static void warn_of_pattern(const struct search *search)
{
	const char *foreign = foreign_wildcard(search->op->inner_path);
	warn_of_names(search);
	if (!search->n_matches && *foreign)
		say_warning(
			"%s: nothing matches: %s is no wildcard here, but the characters themselves: give a PATTERN for each",
			position_text(search->op->position), foreign);
}

void glob_mask(struct run *run, const struct op *op)
{
	struct search search = { .run = run, .op = op };
	find_matches(&search);
	tell(&search);
	warn_of_pattern(&search);
	for (size_t i = 0; i < search.n_matches; i++) {
		/* A link that leads nowhere hides nothing, and what is gone appears later if at all. */
		AUTO_CLOSE int fd = path_open(run->root.fd, search.matches[i], O_PATH);
		if (fd < 0 && errno == ENOENT)
			run_tell(run, "%s: %s leads nowhere", position_text(op->position),
				 search.matches[i]);
		else
			mask_one(run, op, search.matches[i]);
	}
}
