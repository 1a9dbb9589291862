/* path.c: one path inside a root, by openat2 and by the walk; both must give the same answer to everything. */
#include "sys/path.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "assert_between.h"
#include "sys/kernel.h"

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

static ino_t inode_of(const char *plain_path)
{
	struct stat status;
	assert_return_code(fstatat(root_fd, plain_path, &status, AT_SYMLINK_NOFOLLOW), errno);
	return status.st_ino;
}

/* ---- path_open ---- */

enum {
	P = O_PATH,
	PD = O_PATH | O_DIRECTORY,
	PN = O_PATH | O_NOFOLLOW,
	W = O_WRONLY | O_TRUNC | O_NONBLOCK
};

static const struct {
	const char *path;
	int flags;
	int error;
	const char *found; /* without a link on the way */
} cases[] = {
	{ "usr", P, 0, "usr" },
	{ "/usr", P, 0, "usr" },
	{ "///usr///lib", P, 0, "usr/lib" },
	{ "usr/", P, 0, "usr" },
	{ "usr//", PD, 0, "usr" },
	{ "usr/.", P, 0, "usr" },
	{ "./usr/./lib/.", P, 0, "usr/lib" },
	{ ".", P, 0, "." },
	{ "/", P, 0, "." },
	{ "//", PD, 0, "." },
	{ "/.", P, 0, "." },
	{ "..", P, 0, "." },
	{ "/..", P, 0, "." },
	{ "../../..", PD, 0, "." },
	{ "/../usr", P, 0, "usr" },
	{ "usr/..", P, 0, "." },
	{ "usr/../..", P, 0, "." },
	{ "usr/lib/../../../../usr/file", P, 0, "usr/file" },
	{ "...", P, ENOENT, NULL },
	{ "", P, ENOENT, NULL },
	{ "", O_RDONLY, ENOENT, NULL },
	{ "missing", P, ENOENT, NULL },
	{ "missing/", P, ENOENT, NULL },
	{ "missing/..", P, ENOENT, NULL },
	{ "missing/file", O_RDONLY, ENOENT, NULL },

	{ "absolute", P, 0, "usr" },
	{ "absolute/file", P, 0, "usr/file" },
	{ "relative/lib", P, 0, "usr/lib" },
	{ "slashed", PD, 0, "usr" },
	{ "slashes/deep", P, 0, "usr/lib/deep" },
	{ "top", P, 0, "." },
	{ "top/usr", P, 0, "usr" },
	{ "top/../..", P, 0, "." },
	{ "up", P, 0, "." },
	{ "up/up/up/usr", P, 0, "usr" },
	{ "above", P, 0, "usr" },
	{ "here/here/usr", P, 0, "usr" },
	{ "two-links/deep", P, 0, "usr/lib/deep" },
	{ "dots", P, 0, "usr" },
	{ "dots/lib", P, 0, "usr/lib" },
	{ "escape", P, 0, "." },
	{ "escape/usr", P, 0, "usr" },
	{ "to-deep/..", P, 0, "usr/lib" },
	{ "usr/lib/up-file", P, 0, "file" },
	{ "dangling", P, ENOENT, NULL },
	{ "dangling", PN, 0, "dangling" },
	{ "dangling/", PN, ENOENT, NULL },
	{ "dangling/x", P, ENOENT, NULL },
	{ "dangling2", O_RDONLY, ENOENT, NULL },
	{ "to-dangling", W, ENOENT, NULL },
	{ "loop", P, ELOOP, NULL },
	{ "loop", PN, 0, "loop" },
	{ "loop/", PN, ELOOP, NULL },
	{ "loop-a/x", P, ELOOP, NULL },
	{ "loop-a", O_RDONLY, ELOOP, NULL },
	{ "chain39", P, 0, "usr" },
	{ "chain39/lib", P, 0, "usr/lib" },
	{ "chain40", P, ELOOP, NULL },
	{ "chain40", PN, 0, "chain40" },
	{ "chain38/../absolute", P, 0, "usr" },
	{ "chain38/../two-links", P, ELOOP, NULL },
	{ "chain39/../absolute", P, ELOOP, NULL },

	{ "file", P, 0, "file" },
	{ "file", PD, ENOTDIR, NULL },
	{ "file/", P, ENOTDIR, NULL },
	{ "file/", O_RDONLY, ENOTDIR, NULL },
	{ "file//", PN, ENOTDIR, NULL },
	{ "file/.", P, ENOTDIR, NULL },
	{ "file/..", P, ENOTDIR, NULL },
	{ "file/x", P, ENOTDIR, NULL },
	{ "file/x/y", O_RDONLY, ENOTDIR, NULL },
	{ "file-up", P, ENOTDIR, NULL },
	{ "to-file", P, 0, "file" },
	{ "to-file", PN, 0, "to-file" },
	{ "to-file", PN | O_DIRECTORY, ENOTDIR, NULL },
	{ "to-file/", P, ENOTDIR, NULL },
	{ "to-file/", PN, ENOTDIR, NULL },
	{ "to-file/x", P, ENOTDIR, NULL },
	{ "to-file-slash", P, ENOTDIR, NULL },
	{ "to-file-slash", O_RDONLY, ENOTDIR, NULL },
	{ "to-file-slash", PN, 0, "to-file-slash" },
	{ "to-link", P, 0, "file" },
	{ "to-link", PN, 0, "to-link" },
	{ "to-slashed", PD, 0, "usr" },
	{ "absolute", PN, 0, "absolute" },
	{ "absolute/", PN, 0, "usr" },
	{ "absolute/.", PN, 0, "usr" },
	{ "to-slashed/", PN, 0, "usr" },
	{ "absolute", PN | O_DIRECTORY, ENOTDIR, NULL },
	{ "top/", PN, 0, "." },

	{ "file", O_RDONLY, 0, "file" },
	{ "to-link", O_RDONLY, 0, "file" },
	{ "to-link", O_RDONLY | O_NOFOLLOW, ELOOP, NULL },
	{ "absolute", O_RDONLY | O_NOFOLLOW, ELOOP, NULL },
	{ "absolute", O_RDONLY | O_NOFOLLOW | O_DIRECTORY, ENOTDIR, NULL },
	{ "absolute", O_RDONLY | O_DIRECTORY, 0, "usr" },
	{ "absolute/", O_RDONLY | O_NOFOLLOW, 0, "usr" },
	{ "file", O_RDONLY | O_DIRECTORY, ENOTDIR, NULL },
	{ "/", O_RDONLY, 0, "." },
	{ "..", O_RDONLY | O_DIRECTORY, 0, "." },
	{ "usr", W, EISDIR, NULL },
	{ "usr/", W, EISDIR, NULL },
	{ "/", W, EISDIR, NULL },
	{ "absolute/lib/..", W, EISDIR, NULL },
	{ "unreadable", P, 0, "unreadable" },
	{ "unreadable", O_RDONLY, EACCES, NULL },
	{ "unreadable", W, EACCES, NULL },
	{ "unreadable/", P, ENOTDIR, NULL },

	{ "closed", P, 0, "closed" },
	{ "closed/", PD, 0, "closed" },
	{ "closed", O_RDONLY, EACCES, NULL },
	{ "closed/.", P, EACCES, NULL },
	{ "closed/..", P, EACCES, NULL },
	{ "closed/file", P, EACCES, NULL },
	{ "closed/missing", P, EACCES, NULL },
	{ "closed/inner/x", P, EACCES, NULL },
	{ "closed/link", P, EACCES, NULL },
	{ "into-closed", P, EACCES, NULL },
	{ "listable/x", P, EACCES, NULL },
	{ "listable", O_RDONLY, 0, "listable" },
	{ "readonly/x", P, ENOENT, NULL },
};

static void test_both_engines_find_what_the_table_says(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer answer = ask_both(root_fd, cases[i].path, cases[i].flags);
		ino_t expected = cases[i].error ? 0 : inode_of(cases[i].found);
		if (answer.error != cases[i].error || answer.inode != expected)
			fail_msg("\"%s\" with flags %#o: %s, inode %lu; expected %s, inode %lu",
				 cases[i].path, (unsigned) cases[i].flags,
				 answer.error ? errno_text(answer.error) : "opened",
				 (unsigned long) answer.inode,
				 cases[i].error ? errno_text(cases[i].error) : "opened",
				 (unsigned long) expected);
	}
}

static void test_names_and_paths_that_are_too_long(void **state)
{
	(void) state;
	const char *name = repeated("n", NAME_MAX, ""),
		   *long_name = repeated("n", NAME_MAX + 1, "");
	assert_int_equal(ask_both(root_fd, name, P).error, ENOENT);
	assert_int_equal(ask_both(root_fd, long_name, P).error, ENAMETOOLONG);
	assert_int_equal(ask_both(root_fd, long_name, O_RDONLY).error, ENAMETOOLONG);
	assert_int_equal(ask_both(root_fd, arena_printf("usr/%s/x", long_name), P).error,
			 ENAMETOOLONG);
	assert_int_equal(ask_both(root_fd, arena_printf("missing/%s", long_name), P).error, ENOENT);
	assert_int_equal(ask_both(root_fd, arena_printf("file/%s", long_name), P).error, ENOTDIR);
	assert_int_equal(ask_both(root_fd, repeated("./", 2046, "usr"), P).error,
			 0); /* 4095 bytes */
	assert_int_equal(ask_both(root_fd, repeated("./", 2046, "/usr"), P).error, ENAMETOOLONG);
	assert_int_equal(ask_both(root_fd, repeated("/", 4092, "usr"), P).error, 0);
	assert_int_equal(ask_both(root_fd, repeated("/", 100000, ""), P).error, ENAMETOOLONG);
}

static void test_a_directory_that_lets_nobody_in_comes_before_a_name_too_long(void **state)
{
	(void) state;
	const char *path = arena_printf("closed/%s", repeated("n", NAME_MAX + 1, ""));
	assert_int_equal(ask_both(root_fd, path, P).error, EACCES);
}

static void test_links_may_add_up_to_more_than_a_path_can_hold(void **state)
{
	(void) state;
	assert_int_equal(ask_both(root_fd, "wide1", P).inode, inode_of("usr"));
	assert_int_equal(ask_both(root_fd, "wide4/lib", P).inode, inode_of("usr/lib"));
}

/* What a file server may hold and symlink(2) refuses to make: a link whose text is no shorter than the buffer. In
 * place of such a server this fills the buffer for a link that says so. */
ssize_t readlinkat(int dir_fd, const char *restrict path, char *restrict text, size_t size)
{
	ssize_t length = syscall(SYS_readlinkat, dir_fd, path, text, size);
	if (length == 7 && memcmp(text, "ENDLESS", 7) == 0) {
		memset(text, 'n', size);
		return (ssize_t) size;
	}
	return length;
}

static void test_a_link_as_long_as_the_buffer_is_not_followed(void **state)
{
	(void) state;
	make_link("ENDLESS", "endless");
	static const char *const paths[] = { "endless", "endless/x", "/endless/",
					     "usr/../endless" };
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(ask(PATH_ENGINE_WALK, root_fd, paths[i], P).error, ENAMETOOLONG);
	assert_return_code(unlinkat(root_fd, "endless", 0), errno);
}

static void test_the_longest_links_are_followed(void **state)
{
	(void) state;
	make_link(repeated("n", PATH_MAX - 1, ""), "long-name");
	make_link(repeated("/", PATH_MAX - 4, "usr"), "long-way");
	assert_int_equal(ask_both(root_fd, "long-name", P).error, ENAMETOOLONG);
	assert_int_equal(ask_both(root_fd, "long-name/x", P).error, ENAMETOOLONG);
	assert_int_equal(ask_both(root_fd, "long-way/lib", P).inode, inode_of("usr/lib"));
	assert_return_code(unlinkat(root_fd, "long-name", 0), errno);
	assert_return_code(unlinkat(root_fd, "long-way", 0), errno);
}

static void test_a_root_that_may_not_be_searched(void **state)
{
	(void) state;
	AUTO_CLOSE int closed = openat(root_fd, "closed", O_PATH | O_CLOEXEC);
	static const char *const paths[] = {
		"/", "//", ".", "..", "/..", "file", "/inner", "link"
	};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		ask_both(closed, paths[i], P);
	assert_int_equal(ask_both(closed, "file", P).error, EACCES);
}

static void test_what_is_opened_for_writing_is_emptied(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		const char *name = arena_printf("victim%zu", i);
		make_file(name);
		make_link(name, arena_printf("to-victim%zu", i));
		path_engine = engines[i];
		AUTO_CLOSE int fd = path_open(root_fd, arena_printf("/to-victim%zu", i), W);
		assert_return_code(fd, errno);
		struct stat status;
		assert_return_code(fstat(fd, &status), errno);
		assert_int_equal(status.st_size, 0);
		assert_int_equal(status.st_ino, inode_of(name));
		assert_true(write_all(fd, "x", 1));
	}
}

static void test_a_root_inside_the_tree_is_the_root(void **state)
{
	(void) state;
	AUTO_CLOSE int usr = openat(root_fd, "usr", O_PATH | O_CLOEXEC);
	assert_int_equal(ask_both(usr, "..", P).inode, inode_of("usr"));
	assert_int_equal(ask_both(usr, "lib/up-file", P).inode, inode_of("usr/file"));
	assert_int_equal(ask_both(usr, "lib/../../../file", P).inode, inode_of("usr/file"));
	AUTO_CLOSE int file = openat(root_fd, "file", O_PATH | O_CLOEXEC);
	assert_int_equal(ask_both(file, "x", P).error, ENOTDIR);
	assert_int_equal(ask_both(file, ".", P).error, ENOTDIR);
	assert_int_equal(ask_both(-1, "x", P).error, EBADF);
}

static void test_magic_links_of_proc_are_refused_and_ordinary_ones_followed(void **state)
{
	(void) state;
	static const struct {
		const char *path;
		int flags, error;
	} links[] = {
		{ "self", P, 0 },
		{ "self/fd", PD, 0 },
		{ "self/fd/0", P, ELOOP },
		{ "self/fd/0", PN, 0 },
		{ "self/fd/0/", PN, ELOOP },
		{ "self/fd/0", O_RDONLY, ELOOP },
		{ "self/root", P, ELOOP },
		{ "self/root/tmp", P, ELOOP },
		{ "self/cwd", P, ELOOP },
		{ "self/cwd/..", P, ELOOP },
		{ "self/exe", O_RDONLY, ELOOP },
		{ "self/exe", PN, 0 },
		{ "self/ns/user", P, ELOOP },
		{ "self/ns/user", PN, 0 },
		{ "mounts", P, 0 },
		{ "mounts", PN, 0 },
		{ "mounts", O_RDONLY, 0 },
		{ "net", P, 0 },
		{ "net/dev", P, 0 },
		{ "thread-self", PD, 0 },
		{ "thread-self/root", P, ELOOP },
		{ "thread-self/status", P, 0 },
		{ "self/task/../fd/0", P, ELOOP },
		{ "self/..", P, 0 },
		{ "self/../../self/root", P, ELOOP },
		{ "self", PN, 0 },
		{ "nonsense", P, ENOENT },
		{ "sys/kernel/../../self", P, 0 },
	};
	AUTO_CLOSE int proc = open("/proc", O_PATH | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		struct answer answer = ask_both(proc, links[i].path, links[i].flags);
		if (answer.error != links[i].error)
			fail_msg("/proc/%s with flags %#o: %s", links[i].path,
				 (unsigned) links[i].flags,
				 answer.error ? errno_text(answer.error) : "opened");
	}
}

static void test_the_root_of_all_leads_into_proc_the_same_way(void **state)
{
	(void) state;
	AUTO_CLOSE int slash = open("/", O_PATH | O_CLOEXEC);
	static const char *const magic[] = { "proc/self/root", "proc/self/cwd/x", "/proc/self/fd/0",
					     "proc/self/exe" };
	for (size_t i = 0; i < ARRAY_SIZE(magic); i++)
		assert_int_equal(ask_both(slash, magic[i], P).error, ELOOP);
	assert_int_equal(ask_both(slash, "proc/mounts", P).error, 0);
	assert_int_equal(ask_both(slash, "/proc/../etc", PD).error, 0);
	assert_int_equal(ask_both(slash, "/proc/..", PD).error, 0);
}

static void test_the_first_call_finds_an_engine(void **state)
{
	(void) state;
	path_engine = PATH_ENGINE_UNKNOWN;
	AUTO_CLOSE int fd = path_open(root_fd, "absolute", O_PATH);
	assert_return_code(fd, errno);
	assert_int_not_equal(path_engine, PATH_ENGINE_UNKNOWN);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

/* ---- path_open_parent ---- */

/* In an empty root of its own: what was there before, the path, the answer, the names afterwards. */
static const struct {
	const char *before; /* "d:name f:name l:name=target" */
	const char *path;
	int error;
	const char *name, *parent, *after;
} parent_cases[] = {
	{ "", "a", 0, "a", ".", "" },
	{ "", "/a/", 0, "a", ".", "" },
	{ "", "a/b/c", 0, "c", "a/b", "a a/b" },
	{ "", "//a//b//c//", 0, "c", "a/b", "a a/b" },
	{ "", "./a/./b", 0, "b", "a", "a" },
	{ "", "a/../b", 0, "b", ".", "a" },
	{ "", "a/../b/c", 0, "c", "b", "a b" },
	{ "", "a/b/../../c/d", 0, "d", "c", "a a/b c" },
	{ "", "../../a/b", 0, "b", "a", "a" },
	{ "", "/", 0, ".", ".", "" },
	{ "", "///", 0, ".", ".", "" },
	{ "", ".", 0, ".", ".", "" },
	{ "d:a", "a/b", 0, "b", "a", "a" },
	{ "d:a d:a/b", "a/b/c/d", 0, "d", "a/b/c", "a a/b a/b/c" },
	{ "d:a l:link=a", "link/b/c", 0, "c", "a/b", "a a/b link" },
	{ "d:a l:link=/a", "link/b/c", 0, "c", "a/b", "a a/b link" },
	{ "d:a l:a/link=../../..", "a/link/b/c", 0, "c", "b", "a a/link b" },
	{ "d:a l:link=a", "link/x/../y/z", 0, "z", "a/y", "a a/x a/y link" },
	{ "d:a l:link=missing", "link", 0, "link", ".", "a link" },
	{ "l:link=missing", "link/x", EEXIST, NULL, NULL, "link" },
	{ "l:link=/missing", "link/x/y", EEXIST, NULL, NULL, "link" },
	{ "d:a l:a/link=../missing/far", "a/link/x", EEXIST, NULL, NULL, "a a/link" },
	{ "l:one=two l:two=missing", "one/x", EEXIST, NULL, NULL, "one two" },
	{ "l:link=missing", "new/../link/x", EEXIST, NULL, NULL, "link new" },
	{ "l:link=.", "link/a/link/b", 0, "b", "a/link", "a a/link link" },
	{ "f:file", "file/x", ENOTDIR, NULL, NULL, "file" },
	{ "f:file", "file/x/y", ENOTDIR, NULL, NULL, "file" },
	{ "f:file l:link=file", "link/x", ENOTDIR, NULL, NULL, "file link" },
	{ "f:file", "a/../file/x", ENOTDIR, NULL, NULL, "a file" },
	{ "l:loop=loop", "loop/x", ELOOP, NULL, NULL, "loop" },
	{ "d:a", "a/b", 0, "b", "a", "a" },
};

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

static void furnish(int fd, const char *what)
{
	char *words = arena_copy(what, strlen(what));
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		char *name = word + 2, *target = strchr(name, '=');
		if (target)
			*target++ = '\0';
		int result = word[0] == 'd'   ? mkdirat(fd, name, 0755)
			     : word[0] == 'f' ? mknodat(fd, name, S_IFREG | 0644, 0)
					      : symlinkat(target, fd, name);
		assert_return_code(result, errno);
	}
}

static const char *new_root(int *ret_fd)
{
	char *path = arena_printf("%s/new.XXXXXX", tree);
	assert_non_null(mkdtemp(path));
	*ret_fd = open(path, O_PATH | O_CLOEXEC);
	assert_return_code(*ret_fd, errno);
	return path;
}

static void check_parent_case(size_t i, enum path_engine engine)
{
	AUTO_CLOSE int root = -1;
	const char *path = new_root(&root), *name = NULL;
	furnish(root, parent_cases[i].before);
	path_engine = engine;
	AUTO_CLOSE int fd = path_open_parent(root, parent_cases[i].path, 0700, NULL, &name);
	int error = fd < 0 ? errno : 0;
	const char *after = names_below(path);
	if (error != parent_cases[i].error || !streq(after, parent_cases[i].after))
		fail_msg("%s by engine %d: %s, left \"%s\"", parent_cases[i].path, (int) engine,
			 error ? errno_text(error) : "opened", after);
	if (error)
		return;
	assert_string_equal(name, parent_cases[i].name);
	struct stat got, expected;
	assert_return_code(fstat(fd, &got), errno);
	assert_return_code(fstatat(root, parent_cases[i].parent, &expected, AT_SYMLINK_NOFOLLOW),
			   errno);
	assert_int_equal(got.st_ino, expected.st_ino);
}

static void test_missing_parents_are_made_and_nothing_through_dangling_links(void **state)
{
	(void) state;
	for (size_t e = 0; e < ARRAY_SIZE(engines); e++)
		for (size_t i = 0; i < ARRAY_SIZE(parent_cases); i++)
			check_parent_case(i, engines[e]);
}

static void test_missing_parents_get_the_mode_and_others_keep_theirs(void **state)
{
	(void) state;
	static const mode_t modes[] = { 0700, 0755, 0750, 0701 };
	for (size_t e = 0; e < ARRAY_SIZE(engines); e++)
		for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
			AUTO_CLOSE int root = -1;
			new_root(&root);
			furnish(root, "d:old");
			const char *name;
			path_engine = engines[e];
			AUTO_CLOSE int fd =
				path_open_parent(root, "old/new/newer/x", modes[i], NULL, &name);
			assert_return_code(fd, errno);
			struct stat old, new, newer;
			assert_return_code(fstatat(root, "old", &old, 0), errno);
			assert_return_code(fstatat(root, "old/new", &new, 0), errno);
			assert_return_code(fstatat(root, "old/new/newer", &newer, 0), errno);
			assert_int_equal(old.st_mode & 07777, 0755);
			assert_int_equal(new.st_mode & 07777, modes[i]);
			assert_int_equal(newer.st_mode & 07777, modes[i]);
		}
}

static void test_parents_below_what_may_not_be_written(void **state)
{
	(void) state;
	for (size_t e = 0; e < ARRAY_SIZE(engines); e++) {
		const char *name;
		path_engine = engines[e];
		assert_int_equal(path_open_parent(root_fd, "readonly/a/b", 0700, NULL, &name), -1);
		assert_int_equal(errno, EACCES);
		assert_int_equal(path_open_parent(root_fd, "closed/a/b", 0700, NULL, &name), -1);
		assert_int_equal(errno, EACCES);
		AUTO_CLOSE int fd = path_open_parent(root_fd, "closed/b", 0700, NULL,
						     &name); /* found, not entered */
		assert_return_code(fd, errno);
	}
}

static size_t n_open_fds(void)
{
	size_t n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fd_is_open(fd);
	return n;
}

static void test_no_descriptor_is_left_open(void **state)
{
	(void) state;
	size_t before = n_open_fds();
	for (size_t e = 0; e < ARRAY_SIZE(engines); e++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
			if (cases[i].flags != W)
				ask(engines[e], root_fd, cases[i].path, cases[i].flags);
		for (size_t i = 0; i < ARRAY_SIZE(parent_cases); i++)
			check_parent_case(i, engines[e]);
	}
	assert_int_equal(n_open_fds(), before);
}

/* ---- at random, the same each time ---- */

static uint32_t dice_state;
static uint32_t dice(uint32_t sides)
{
	dice_state = dice_state * 1664525 +
		     1013904223; /* Numerical Recipes' LCG; its high bits are the better ones */
	return (dice_state >> 8) % sides;
}

static const char *random_path(size_t most)
{
	static const char *const names[] = { "a",  "b", "c",  "d", "l", "m", "n",
					     "..", ".", "..", "",  "a", "f" };
	struct text text = { 0 };
	text_add(&text, "%s", dice(3) ? "" : "/");
	for (size_t n = 1 + dice((uint32_t) most); n; n--)
		text_add(&text, "%s%s", names[dice(ARRAY_SIZE(names))],
			 n > 1 || !dice(4) ? "/" : "");
	return text.length ? text.bytes : "/";
}

/* The same in each of two roots. */
static void grow_random(const int roots[2])
{
	static const char *const names[] = { "a", "b", "c", "d", "l", "m", "n", "f" };
	path_engine = PATH_ENGINE_OPENAT2;
	for (int i = 0; i < 60; i++) {
		struct text parent = { 0 };
		for (uint32_t depth = 1 + dice(4); depth; depth--)
			text_add(&parent, "/%s", depth > 1 ? names[dice(4)] : "");
		const char *name = names[dice(ARRAY_SIZE(names))], *target = random_path(4);
		uint32_t kind = dice(5);
		int results[2];
		for (int r = 0; r < 2; r++) {
			AUTO_CLOSE int fd = path_open(roots[r], parent.bytes, PD);
			results[r] = kind < 2   ? mkdirat(fd, name, 0755)
				     : kind < 3 ? mknodat(fd, name, S_IFREG | 0644, 0)
						: symlinkat(target, fd, name);
		}
		assert_int_equal(results[0], results[1]);
	}
}

static void assert_inside(int root, const char *path)
{
	char link[PATH_MAX], root_link[PATH_MAX];
	path_engine = PATH_ENGINE_WALK;
	AUTO_CLOSE int fd = path_open(root, path, O_PATH);
	if (fd < 0)
		return;
	ssize_t n = readlink(arena_printf("/proc/self/fd/%d", fd), link, sizeof(link));
	ssize_t n_root =
		readlink(arena_printf("/proc/self/fd/%d", root), root_link, sizeof(root_link));
	if (n < n_root || n_root <= 0 || memcmp(link, root_link, (size_t) n_root) != 0)
		fail_msg("\"%s\" leads to %.*s", path, (int) n, link);
}

static void test_random_paths_lead_to_the_same_place_inside(void **state)
{
	(void) state;
	static const int flags[] = {
		P, P, P, PD, PN, O_RDONLY, O_RDONLY | O_NOFOLLOW, O_RDONLY | O_DIRECTORY
	};
	dice_state = 20261122;
	size_t n_opened = 0;
	for (int t = 0; t < 10; t++) {
		AUTO_CLOSE int one = -1, two = -1;
		new_root(&one);
		new_root(&two);
		grow_random((int[]){ one, two });
		for (int i = 0; i < 400; i++) {
			const char *path = random_path(7);
			n_opened += !ask_both(one, path, flags[dice(ARRAY_SIZE(flags))]).error;
			assert_inside(one, path);
		}
	}
	assert_between(n_opened, 400, 3900); /* neither all nor none, or the tree is no good */
}

static void test_random_parents_are_made_the_same_way(void **state)
{
	(void) state;
	dice_state = 11222026;
	size_t n_opened = 0;
	for (int t = 0; t < 30; t++) {
		AUTO_CLOSE int one = -1, two = -1;
		const char *paths[] = { new_root(&one), new_root(&two) };
		const int roots[] = { one, two };
		grow_random(roots);
		for (int i = 0; i < 25; i++) {
			const char *path = random_path(5), *names[2], *left[2];
			int errors[2];
			for (int r = 0; r < 2; r++) {
				path_engine = engines[r];
				AUTO_CLOSE int fd = path_open_parent(
					roots[r], path, 0755, r ? &(struct path_guard){ 0 } : NULL,
					&names[r]);
				errors[r] = fd < 0 ? errno : 0;
				left[r] = names_below(paths[r]);
			}
			if (errors[0] != errors[1] || !streq(left[0], left[1]))
				fail_msg("parents of \"%s\": %s or %s; left %s or %s", path,
					 errno_text(errors[0]), errno_text(errors[1]), left[0],
					 left[1]);
			assert_string_equal(names[0], names[1]);
			n_opened += !errors[0];
		}
	}
	assert_between(n_opened, 100, 740);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_engines_find_what_the_table_says),
		cmocka_unit_test(test_names_and_paths_that_are_too_long),
		cmocka_unit_test(test_a_directory_that_lets_nobody_in_comes_before_a_name_too_long),
		cmocka_unit_test(test_links_may_add_up_to_more_than_a_path_can_hold),
		cmocka_unit_test(test_a_link_as_long_as_the_buffer_is_not_followed),
		cmocka_unit_test(test_the_longest_links_are_followed),
		cmocka_unit_test(test_a_root_that_may_not_be_searched),
		cmocka_unit_test(test_what_is_opened_for_writing_is_emptied),
		cmocka_unit_test(test_a_root_inside_the_tree_is_the_root),
		cmocka_unit_test(test_magic_links_of_proc_are_refused_and_ordinary_ones_followed),
		cmocka_unit_test(test_the_root_of_all_leads_into_proc_the_same_way),
		cmocka_unit_test(test_the_first_call_finds_an_engine),
		cmocka_unit_test(test_missing_parents_are_made_and_nothing_through_dangling_links),
		cmocka_unit_test(test_missing_parents_get_the_mode_and_others_keep_theirs),
		cmocka_unit_test(test_parents_below_what_may_not_be_written),
		cmocka_unit_test(test_no_descriptor_is_left_open),
		cmocka_unit_test(test_random_paths_lead_to_the_same_place_inside),
		cmocka_unit_test(test_random_parents_are_made_the_same_way),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
