/* libraries.c - the libraries that COMMAND may lack, looked for as the usual loaders do: ld.so(8).
 *
 * In COMMAND's process, when nothing of the host is left, and for --check alone. A library that is said to be missing and is
 * not would mislead more than silence, so whoever names places, by RPATH, RUNPATH or LD_LIBRARY_PATH, is not followed, and what
 * lies where any loader looks counts as found.
 */
#include "run/libraries.h"

#include "sys/elf.h"
#include "sys/interpreter.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LIBRARIES = 256, MOST_CACHE_BYTES = 1 << 22 };

struct search {
	struct {
		const char *name, *needed_by;
	} items[MOST_LIBRARIES];
	size_t n;
	struct elf_libraries libraries; /* of the file at hand */
	char *cache;
	size_t cache_length;
};

/* A device may act as soon as it is opened, and is no program: EACCES. */
static int open_file(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0)
		return -1;
	errno = EACCES;
	return S_ISREG(status.st_mode) ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
}

const char *libraries_find_program(const char *name, const char *path_list)
{
	if (strchr(name, '/'))
		return name;
	for (const char *start = path_list ? path_list : "/bin:/usr/bin"; *start;) {
		size_t length = strcspn(start, ":");
		const char *path = arena_printf("%.*s/%s", (int) length, start, name);
		if (length && access(path, X_OK) == 0)
			return path;
		start += length + (start[length] == ':');
	}
	return NULL;
}

/* ---- where a library is ---- */

/* The paths in glibc's cache end in a NUL each; before each is that of another, or of a name. */
static int open_by_cache(const struct search *search, const char *name)
{
	const char *wanted = arena_join("/", name), *end = search->cache + search->cache_length;
	size_t length = strlen(wanted) + 1;
	for (const char *at = search->cache;
	     at && (at = memmem(at, (size_t) (end - at), wanted, length)); at += length) {
		const char *start = at;
		while (start > search->cache && start[-1])
			start--;
		int fd = open_file(start);
		if (fd >= 0)
			return fd;
	}
	errno = ENOENT;
	return -1;
}

static int open_library(const struct search *search, const char *name)
{
	static const char prefixes[][12] = { "", "/usr", "/usr/local" };
	static const char places[][24] = { "lib64",
					   "lib",
					   "lib32",
					   "lib/x86_64-linux-gnu",
					   "lib/i386-linux-gnu",
					   "lib/aarch64-linux-gnu",
					   "lib/arm-linux-gnueabihf",
					   "lib/riscv64-linux-gnu" };
	if (strchr(name, '/'))
		return open_file(name);
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
			int fd = open_file(arena_printf("%s/%s/%s", prefixes[i], places[j], name));
			if (fd >= 0 || errno == EACCES)
				return fd;
		}
	return open_by_cache(search, name);
}

/* ---- what is needed ---- */

static void add_needed(struct search *search, int fd, const char *path)
{
	if (!elf_libraries(fd, &search->libraries))
		return;
	for (size_t i = 0; i < search->libraries.n; i++) {
		const char *name = search->libraries.names[i];
		size_t known = 0;
		while (known < search->n && !streq(search->items[known].name, name))
			known++;
		if (known < search->n || search->n == MOST_LIBRARIES)
			continue;
		search->items[search->n].name = arena_string(name);
		search->items[search->n++].needed_by = path;
	}
}

/* And of what runs it, where it is a script. */
static void add_program(struct search *search, const char *program, const char *path_list)
{
	char name[PATH_MAX];
	for (int i = 0; program && i < INTERPRETERS_MOST; i++) {
		AUTO_CLOSE int fd = open_file(program);
		if (fd < 0)
			return;
		add_needed(search, fd, program);
		if (!interpreter_of(fd, name, sizeof(name)))
			return;
		const char *script = program;
		program = arena_string(name);
		if (!interpreter_sought_by_env(fd, name, sizeof(name)))
			continue;
		AUTO_CLOSE int env_fd = open_file(program);
		if (env_fd >= 0)
			add_needed(search, env_fd, program);
		program = libraries_find_program(name, path_list);
		if (!program)
			say_note(
				"the program %s, which %s has env look for, may be missing: it is in no directory of PATH (%s)",
				name, script, path_list ? path_list : "unset");
	}
}

void libraries_foresee(const char *program, const char *path_list)
{
	struct search *search = arena_alloc(sizeof(*search));
	add_program(search, program, path_list);
	AUTO_CLOSE int cache_fd = open_file("/etc/ld.so.cache");
	if (search->n && cache_fd >= 0)
		read_all(cache_fd, MOST_CACHE_BYTES, &search->cache, &search->cache_length);
	for (size_t i = 0; i < search->n; i++) {
		const char *library = search->items[i].name;
		AUTO_CLOSE int library_fd = open_library(search, library);
		int error = errno;
		struct stat status;
		if (library_fd >= 0 && fstat(library_fd, &status) == 0 && !status.st_size)
			say_note(
				"the library %s, which %s needs, is an empty file, as --mask shows one",
				library, search->items[i].needed_by);
		else if (library_fd >= 0)
			add_needed(search, library_fd, library);
		else if (error == ENOENT || error == ENOTDIR)
			say_note(
				"the library %s, which %s needs, may be missing: it is in none of the sandbox's usual directories, like /lib and /usr/lib",
				library, search->items[i].needed_by);
	}
}
