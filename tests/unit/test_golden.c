/* explain.c: how a plan is told.
 *
 * tests/golden/NAME.args is a command line, a word a line (lines that begin with # are for the reader; with a NUL in
 * it: words that each end in one); NAME.fdN is what descriptor N holds, a word a line; NAME.plan is what --dry-run
 * tells, or the problem. UPDATE_GOLDEN=1 rewrites the .plan files. */
#include "plan/explain.h"
#include "plan_line.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#ifndef GOLDEN_DIR
#define GOLDEN_DIR "../tests/golden" /* as seen from a build directory in the tree */
#endif

static const char *golden_name; /* without its ending */

/* Arena memory; NULL when there is no such file. */
static char *read_golden(const char *ending, size_t *ret_length)
{
	AUTO_CLOSE int fd =
		open(arena_printf(GOLDEN_DIR "/%s.%s", golden_name, ending), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	char *bytes;
	assert_true(read_all(fd, 1 << 20, &bytes, ret_length));
	return bytes;
}

static bool is_any(int fd)
{
	return fd >= 0;
}

static bool read_golden_fd(int fd, char **ret_bytes, size_t *ret_length)
{
	*ret_bytes = read_golden(arena_printf("fd%d", fd), ret_length);
	if (!*ret_bytes) {
		*ret_bytes = arena_alloc(8);
		*ret_length = 8;
	} else if (!memchr(*ret_bytes, 0, *ret_length)) {
		for (size_t i = 0; i < *ret_length; i++)
			if ((*ret_bytes)[i] == '\n')
				(*ret_bytes)[i] = '\0';
	}
	return true;
}

static const struct option_io golden_io = { is_any, is_any, is_any, read_golden_fd };

/* The words of the golden command line, "bwrapish" before them. */
static char **golden_words(void)
{
	size_t length, n = 1;
	char *bytes = read_golden("args", &length);
	assert_non_null(bytes);
	char **words = arena_alloc((length + 2) * sizeof(*words)),
	     separator = memchr(bytes, 0, length) ? '\0' : '\n';
	words[0] = "bwrapish";
	for (char *end = bytes + length; bytes < end;) {
		char *behind = memchr(bytes, separator, (size_t) (end - bytes));
		assert_non_null(behind); /* the last word ends like the others */
		*behind = '\0';
		if (separator == '\0' || bytes[0] != '#')
			words[n++] = bytes;
		bytes = behind + 1;
	}
	return words;
}

static const char *golden_answer(void)
{
	struct text text = { 0 };
	problem bad = read_line(golden_words(), &golden_io);
	for (size_t i = 0; i < plan.n_warnings; i++)
		text_add(&text, "warning: %s\n", plan.warnings[i]);
	if (!bad)
		bad = plan_check(&plan, &user, &shape);
	if (bad)
		text_add(&text, "problem: %s\n", bad);
	else
		plan_explain(&plan, &shape, &user, &text);
	return text.bytes;
}

static void write_golden(const char *text)
{
	AUTO_CLOSE int fd = open(arena_printf(GOLDEN_DIR "/%s.plan", golden_name),
				 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_return_code(fd, errno);
	assert_true(write_all(fd, text, strlen(text)));
}

static bool seen_in_golden[MOST_ROWS]; /* for each row of the option table */

static void compare_golden(size_t *n_wrong)
{
	size_t length;
	const char *answer = golden_answer(), *expected = read_golden("plan", &length);
	for (size_t i = 0; i < n_option_rows; i++)
		seen_in_golden[i] |= options_given(&plan, option_rows[i]->name);
	if (getenv("UPDATE_GOLDEN"))
		write_golden(answer);
	else if (!expected || !streq(answer, expected)) {
		print_error(
			"%s.plan is %s:\n%s\nnow it would be (UPDATE_GOLDEN=1 writes it):\n%s\n",
			golden_name, expected ? "different" : "missing", expected ? expected : "",
			answer);
		++*n_wrong;
	}
}

/* Whether `file` has a command line; sets golden_name when it is one itself. */
static bool belongs_to_args(const char *file)
{
	const char *dot = strrchr(file, '.');
	golden_name = dot ? arena_copy(file, (size_t) (dot - file)) : file;
	size_t length;
	bool known =
		dot && (streq(dot, ".args") || streq(dot, ".plan") || strncmp(dot, ".fd", 3) == 0);
	return known && read_golden("args", &length);
}

static void test_golden_plans_are_told_as_written(void **state)
{
	(void) state;
	DIR *directory = opendir(GOLDEN_DIR);
	assert_non_null(directory);
	size_t n_wrong = 0, n_compared = 0;
	for (const struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.' || streq(entry->d_name, "check")) /* test_check.py's */
			continue;
		if (!belongs_to_args(entry->d_name)) {
			print_error("%s belongs to no command line\n", entry->d_name);
			n_wrong++;
		} else if (streq(strrchr(entry->d_name, '.'), ".args")) {
			compare_golden(&n_wrong);
			n_compared++;
		}
	}
	closedir(directory);
	assert_int_equal(n_wrong, 0);
	assert_between(n_compared, 35, 1000);
}

static void test_golden_plans_have_every_option(void **state)
{
	(void) state;
	for (size_t i = 0; i < n_option_rows; i++)
		if (!seen_in_golden[i] && !streq(option_rows[i]->name, "--help") &&
		    !streq(option_rows[i]->name, "--version"))
			fail_msg("no file in tests/golden has %s", option_rows[i]->name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_plans_are_told_as_written),
		cmocka_unit_test(test_golden_plans_have_every_option),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
