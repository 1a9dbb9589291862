/* path_tree.h - a tree of links and directories to look paths up in, and both engines' answers. */
#ifndef PATH_TREE_H
#define PATH_TREE_H

#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assert_between.h"

static char *tree;       /* a temporary directory, on the host */
static int root_fd = -1; /* its "root", the new root of these tests */

static const enum path_engine engines[] = { PATH_ENGINE_OPENAT2, PATH_ENGINE_WALK };

/* ---- answers ---- */

struct answer {
	int error; /* 0: opened */
	dev_t device;
	ino_t inode;
	int flags; /* how it is open: O_ACCMODE and O_PATH */
};

static struct answer ask_guarded(enum path_engine engine, int root, const char *path, int flags,
				 struct path_guard *guard)
{
	path_engine = engine;
	errno = 0;
	AUTO_CLOSE int fd = path_open_to_change(root, path, flags, guard);
	if (fd < 0)
		return (struct answer){ .error = errno };
	struct stat status;
	assert_return_code(fstat(fd, &status), errno);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	return (struct answer){ 0, status.st_dev, status.st_ino,
				fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH) };
}

static struct answer ask(enum path_engine engine, int root, const char *path, int flags)
{
	return ask_guarded(engine, root, path, flags, NULL);
}

static bool same(struct answer a, struct answer b)
{
	return a.error == b.error && a.device == b.device && a.inode == b.inode &&
	       a.flags == b.flags;
}

static void fail_differing(const char *path, int flags, struct answer a, struct answer b)
{
	fail_msg(
		"\"%.200s\" with flags %#o: openat2 says %s (inode %lu, flags %#o), the walk %s (inode %lu, flags %#o)",
		path, (unsigned) flags, a.error ? errno_text(a.error) : "open",
		(unsigned long) a.inode, (unsigned) a.flags, b.error ? errno_text(b.error) : "open",
		(unsigned long) b.inode, (unsigned) b.flags);
}

static struct answer ask_both(int root, const char *path, int flags)
{
	struct answer a, b = ask(PATH_ENGINE_WALK, root, path, flags);
	int tries = 0;
	/* When somebody mounts or renames elsewhere the kernel begins anew, and counts the links that it has
	 * met so far once more (path_openat() after ECHILD; nd->total_link_count). */
	do
		a = ask(PATH_ENGINE_OPENAT2, root, path, flags);
	while (a.error == ELOOP && b.error != ELOOP && ++tries < 100);
	if (!same(a, b))
		fail_differing(path, flags, a, b);
	/* With nobody's tree in sight a guard changes no answer. */
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		struct path_guard guard = { .link.name = "stale" };
		b = ask_guarded(engines[i], root, path, flags, &guard);
		if (!same(a, b))
			fail_differing(path, flags, a, b);
		assert_null(guard.link.name);
	}
	return a;
}

enum {
	P = O_PATH,
	PD = O_PATH | O_DIRECTORY,
	PN = O_PATH | O_NOFOLLOW,
	W = O_WRONLY | O_TRUNC | O_NONBLOCK
};

/* ---- the tree ---- */

static void make_dir(const char *path, mode_t mode)
{
	assert_return_code(mkdirat(root_fd, path, mode), errno);
}

static void make_file(const char *path)
{
	AUTO_CLOSE int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_return_code(fd, errno);
	assert_true(write_all(fd, path, strlen(path)));
}

static void make_link(const char *target, const char *path)
{
	assert_return_code(symlinkat(target, root_fd, path), errno);
}

static const char *repeated(const char *bit, size_t n, const char *end)
{
	struct text text = { 0 };
	while (n--)
		text_add_bytes(&text, bit, strlen(bit));
	text_add_bytes(&text, end, strlen(end));
	return text.bytes;
}

static void make_links(void)
{
	static const char *const links[][2] = {
		{ "/usr", "absolute" },
		{ "usr", "relative" },
		{ "usr/", "slashed" },
		{ "//usr//lib//", "slashes" },
		{ "/", "top" },
		{ "..", "up" },
		{ "../../../usr", "above" },
		{ ".", "here" },
		{ "nowhere", "dangling" },
		{ "/usr/lib/nowhere", "dangling2" },
		{ "file", "to-file" },
		{ "file/", "to-file-slash" },
		{ "loop", "loop" },
		{ "loop-b", "loop-a" },
		{ "loop-a", "loop-b" },
		{ "relative/lib", "two-links" },
		{ "dangling", "to-dangling" },
		{ "to-file", "to-link" },
		{ "usr/../usr/./lib/..", "dots" },
		{ "closed/file", "into-closed" },
		{ "/usr/lib/../../..", "escape" },
		{ "usr/lib/deep", "to-deep" },
		{ "slashed", "to-slashed" },
		{ "file/..", "file-up" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		make_link(links[i][0], links[i][1]);
	make_link("../../../../file", "usr/lib/up-file");
	make_link("usr", "chain0");
	for (int i = 1; i <= 45; i++)
		make_link(arena_printf("chain%d", i - 1), arena_printf("chain%d", i));
	/* What is left of the way grows with each of these. */
	make_link(repeated("./", 2000, "usr"), "wide0");
	for (int i = 1; i < 5; i++)
		make_link(arena_printf("wide%d%s", i - 1, repeated("/.", 2000, "")),
			  arena_printf("wide%d", i));
}

static int make_tree(void **state)
{
	(void) state;
	umask(0);
	if (geteuid() == 0) { /* root may search every directory */
		const gid_t nobody = 65534;
		assert_return_code(setgroups(0, NULL), errno);
		assert_return_code(setresgid(nobody, nobody, nobody), errno);
		assert_return_code(setresuid(nobody, nobody, nobody), errno);
		assert_return_code(prctl(PR_SET_DUMPABLE, 1), errno); /* or /proc/self is root's */
	}
	tree = arena_printf("/tmp/test-paths.XXXXXX");
	assert_non_null(mkdtemp(tree));
	AUTO_CLOSE int tree_fd = open(tree, O_PATH | O_CLOEXEC);
	assert_return_code(mkdirat(tree_fd, "root", 0755), errno);
	assert_return_code(mkdirat(tree_fd, "usr", 0755),
			   errno); /* what must not be found in place of root/usr */
	root_fd = openat(tree_fd, "root", O_PATH | O_CLOEXEC);
	assert_return_code(root_fd, errno);

	make_dir("usr", 0755);
	make_dir("usr/lib", 0755);
	make_dir("usr/lib/deep", 0755);
	make_file("file");
	make_file("usr/file");
	make_dir("listable", 0444);
	make_dir("closed", 0755);
	make_dir("closed/inner", 0755);
	make_file("closed/file");
	make_link("/usr/file", "closed/link");
	make_dir("readonly", 0755);
	make_file("unreadable");
	assert_return_code(fchmodat(root_fd, "closed", 0, 0), errno);
	assert_return_code(fchmodat(root_fd, "readonly", 0555, 0), errno);
	assert_return_code(fchmodat(root_fd, "unreadable", 0, 0), errno);
	make_links();
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void) status;
	(void) type;
	(void) where;
	return remove(path);
}

static int remove_tree(void **state)
{
	(void) state;
	static const char *const shut[] = { "closed", "listable", "readonly" };
	for (size_t i = 0; i < ARRAY_SIZE(shut); i++)
		assert_return_code(fchmodat(root_fd, shut[i], 0755, 0), errno);
	close_fd(&root_fd);
	return nftw(tree, remove_one, 20, FTW_DEPTH | FTW_PHYS);
}

static struct text listed;
static size_t list_skip;

static int list_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void) status;
	(void) type;
	if (where->level)
		text_add(&listed, "%s%s", listed.length ? "\n" : "", path + list_skip + 1);
	return 0;
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* The names below `path`, sorted, a blank between. */
static const char *names_below(const char *path)
{
	listed = (struct text){ 0 };
	list_skip = strlen(path);
	assert_int_equal(nftw(path, list_one, 20, FTW_PHYS), 0);
	char *words[200];
	size_t n = 0;
	for (char *word = listed.bytes ? strtok(listed.bytes, "\n") : NULL; word;
	     word = strtok(NULL, "\n"))
		words[n++] = word;
	qsort(words, n, sizeof(*words), compare_words);
	struct text sorted = { 0 };
	text_add(&sorted, "%s", "");
	for (size_t i = 0; i < n; i++)
		text_add(&sorted, "%s%s", i ? " " : "", words[i]);
	return sorted.bytes;
}

static const char *new_root(int *ret_fd)
{
	char *path = arena_printf("%s/new.XXXXXX", tree);
	assert_non_null(mkdtemp(path));
	*ret_fd = open(path, O_PATH | O_CLOEXEC);
	assert_return_code(*ret_fd, errno);
	return path;
}

#endif
