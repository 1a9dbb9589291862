/* path.c: one path inside a root, by openat2 and by the walk; both must give the same answer to everything. */
#include "path_tree.h"
#include "sys/self.h"

#include <limits.h>
#include <string.h>
#include <sys/syscall.h>

static ino_t inode_of(const char *plain_path)
{
	struct stat status;
	assert_return_code(fstatat(root_fd, plain_path, &status, AT_SYMLINK_NOFOLLOW), errno);
	return status.st_ino;
}

/* ---- path_open ---- */

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
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
