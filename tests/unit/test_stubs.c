/* What a stub looks like, and where a file is looked at once more before it is removed. */
#include "mount/stub-mark.h"

#include "utils.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_only_what_nobody_makes_otherwise_is_taken_for_a_stub(void **state)
{
	(void) state;
	static const struct {
		mode_t mode;
		off_t size;
		nlink_t n_links;
		bool is_marked;
	} rows[] = {
		{ S_IFREG | STUB_FILE_MODE, 0, 1, true },
		{ S_IFREG | 01440, 0, 1, true }, /* below a default ACL */
		{ S_IFREG | STUB_FILE_MODE, 1, 1, false },
		{ S_IFREG | STUB_FILE_MODE, 0, 2, false },
		{ S_IFREG | 0444, 0, 1, false },
		{ S_IFREG | 01644, 0, 1, false },
		{ S_IFREG | 01555, 0, 1, false },
		{ S_IFREG | 03444, 0, 1, false },
		{ S_IFREG | 05444, 0, 1, false },
		{ S_IFDIR | STUB_DIRECTORY_MODE, 4096, 2, true },
		{ S_IFDIR | 03555, 0, 1, true }, /* below a directory with S_ISGID */
		{ S_IFDIR | 01777, 4096, 2, false },
		{ S_IFDIR | 0555, 4096, 2, false },
		{ S_IFLNK | STUB_FILE_MODE, 0, 1, false },
		{ S_IFIFO | STUB_FILE_MODE, 0, 1, false },
		{ S_IFCHR | STUB_FILE_MODE, 0, 1, false },
		{ S_IFSOCK | STUB_FILE_MODE, 0, 1, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stat status = { .st_mode = rows[i].mode,
				       .st_size = rows[i].size,
				       .st_nlink = rows[i].n_links };
		if (stub_is_marked(&status) != rows[i].is_marked)
			fail_msg("mode %o, row %zu", (unsigned) rows[i].mode, i);
	}
}

static void test_a_hidden_name_is_a_name_whatever_is_hidden(void **state)
{
	(void) state;
	char name[NAME_MAX + 1];
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	assert_string_equal(stub_hidden_name(".env"), ".bwrapish-stub-.env");
	assert_int_equal(strlen(stub_hidden_name(name)), NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_nobody_makes_otherwise_is_taken_for_a_stub),
		cmocka_unit_test(test_a_hidden_name_is_a_name_whatever_is_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
