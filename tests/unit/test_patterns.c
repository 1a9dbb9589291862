/* Patterns of paths: which names they match, and what is refused. */
#include "plan/pattern.h"

#include "utils.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct position here = { .option = "--mask-glob", .argument = 1 };

static void test_a_name_matches_as_in_a_shell(void **state)
{
	(void) state;
	static const struct {
		const char *text, *name;
		bool matches;
	} rows[] = {
		{ "*", "a", true },
		{ "*", "", true },
		{ "*", ".env",
		  true }, /* unlike a shell: what is hidden there is to be hidden here */
		{ ".env*", ".env", true },
		{ ".env*", ".env.local", true },
		{ ".env*", "a.env", false },
		{ "*.pem", "a.pem", true },
		{ "*.pem", ".pem", true },
		{ "*.pem", "a.pem.bak", false },
		{ "a*b*c", "aXbYbZc", true },
		{ "a*b*c", "aXbYbZ", false },
		{ "?", "", false },
		{ "?", "\xc3\xa4", true },
		{ "??", "\xc3\xa4", false },
		{ "?", "\xff", true },
		{ "[\xc3\xa4\xc3\xb6]", "\xc3\xb6", true },
		{ "[\xc3\xa4\xc3\xb6]", "\xc3\xbc", false },
		{ "[abc]", "b", true },
		{ "[abc]", "d", false },
		{ "[a-c]x", "bx", true },
		{ "[!a-c]", "b", false },
		{ "[^a-c]", "d", true },
		{ "[]]", "]", true },
		{ "[!]]", "]", false },
		{ "[a-]", "-", true },
		{ "[\\]]", "]", true },
		{ "[c-a]", "b", false },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "\\a", "a", true },
		{ "A", "a", false },
		{ "a", "ab", false },
		{ "ab", "a", false },
		{ "", "", true },
		{ "", "a", false },
		{ "a\\", "a", false },
		{ "[a", "a", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (pattern_matches_name(rows[i].text, rows[i].name) != rows[i].matches)
			fail_msg("%s and %s", rows[i].text, rows[i].name);
}

/* Whether the pattern matches the path, which begins below its base, or something above it. */
static bool matches(const char *word, const char *path)
{
	struct pattern pattern;
	char copy[256], *rest = copy;
	bool is_match = false;
	assert_null(pattern_read(here, word, "--mask", &pattern));
	snprintf(copy, sizeof(copy), "%s", path);
	pattern_set at = pattern_start(&pattern);
	for (char *name; !is_match && (name = strsep(&rest, "/"));)
		at = pattern_step(&pattern, at, name, &is_match);
	return is_match;
}

static void test_two_stars_stand_for_any_number_of_directories(void **state)
{
	(void) state;
	assert_true(matches("/p/**/.env", ".env"));
	assert_true(matches("/p/**/.env", "a/.git/c/.env"));
	assert_false(matches("/p/**/.env", "a/env"));
	assert_true(matches("/p/**/a/**/b", "a/b"));
	assert_true(matches("/p/**/a/**/b", "x/a/y/z/b"));
	assert_false(matches("/p/**/a/**/b", "x/b"));
	assert_true(matches("/p/**", "x")); /* and what is below goes with it */
	assert_true(matches("/p/*/b", "x/b"));
	assert_false(matches("/p/*/b", "x/y/b"));
	assert_true(matches("/p/a**/b", "ax/b"));
	assert_false(matches("/p/a**/b", "ax/y/b"));
	assert_true(matches("/p/**/**/**/b", "b"));
}

static void test_what_is_before_the_first_wildcard_is_the_base(void **state)
{
	(void) state;
	static const struct {
		const char *word, *base, *first;
		size_t n;
		bool wants_directory;
	} rows[] = {
		{ "/home/u/**/.env", "/home/u", "**", 2, false },
		{ "//home/./u//*/", "/home/u", "*", 1, true },
		{ "/a\\*b/[x]/c", "/a*b", "[x]", 2, false },
		{ "*", "", "*", 1, false },
		{ "a/**/**/b", "/a", "**", 2, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pattern pattern;
		assert_null(pattern_read(here, rows[i].word, "--mask", &pattern));
		assert_string_equal(pattern.base, rows[i].base);
		assert_string_equal(pattern.components[0].text, rows[i].first);
		assert_int_equal(pattern.n, rows[i].n);
		assert_int_equal(pattern.wants_directory, rows[i].wants_directory);
	}
}

static void test_a_pattern_that_is_none_is_refused(void **state)
{
	(void) state;
	static const char *const rows[][2] = {
		{ "/a/b",
		  "--mask-glob (argument 1): PATTERN has no wildcard (* ? [): for a path give --mask" },
		{ "/a/\\*",
		  "--mask-glob (argument 1): PATTERN has no wildcard (* ? [): for a path give --mask" },
		{ "/",
		  "--mask-glob (argument 1): PATTERN has no wildcard (* ? [): for a path give --mask" },
		{ "/a/../*", "--mask-glob (argument 1): PATTERN has .. as a component" },
		{ "/*/..", "--mask-glob (argument 1): PATTERN has .. as a component" },
		{ "/*/a\\", "--mask-glob (argument 1): PATTERN has a backslash before nothing" },
		{ "/[a/b]",
		  "--mask-glob (argument 1): PATTERN has a [ without its ]: to mean the character, write \\[" },
		{ "/[]",
		  "--mask-glob (argument 1): PATTERN has a [ without its ]: to mean the character, write \\[" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pattern pattern;
		problem bad = pattern_read(here, rows[i][0], "--mask", &pattern);
		assert_non_null(bad);
		assert_string_equal(bad, rows[i][1]);
	}
	char word[2 * (PATTERN_MOST_COMPONENTS + 1) + 1] = "";
	struct pattern pattern;
	for (size_t i = 0; i <= PATTERN_MOST_COMPONENTS; i++)
		strcat(word, "/*");
	assert_non_null(pattern_read(here, word, "--mask", &pattern));
	word[2 * PATTERN_MOST_COMPONENTS] = '\0';
	assert_null(pattern_read(here, word, "--mask", &pattern));
}

/* By backtracking this would not end. */
static void test_no_pattern_takes_more_than_a_product_of_lengths(void **state)
{
	(void) state;
	char text[120] = "", name[256], path[256] = "";
	for (size_t i = 0; i < 40; i++)
		strcat(text, "a*");
	strcat(text, "b");
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(pattern_matches_name(text, name));
	for (size_t i = 0; i < 60; i++)
		strcat(path, "a/");
	assert_false(matches("/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b", path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_matches_as_in_a_shell),
		cmocka_unit_test(test_two_stars_stand_for_any_number_of_directories),
		cmocka_unit_test(test_what_is_before_the_first_wildcard_is_the_base),
		cmocka_unit_test(test_a_pattern_that_is_none_is_refused),
		cmocka_unit_test(test_no_pattern_takes_more_than_a_product_of_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
