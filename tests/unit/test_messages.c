/* Messages and last words: each is one line. */
#include "in_child.h"

#include <signal.h>
#include <string.h>

static void say_things(void)
{
	say_warning("one\ntwo %s", "\xe2\x82\xac");
	say_set_prefix("bwrap");
	say_set_levels(true);
	say_warning("w");
	say_note("n");
	die_errno(EACCES, "Can't %s", "go on");
}

static void test_each_message_is_one_line_with_prefix_and_level(void **state)
{
	(void) state;
	struct ended ended = in_child(say_things);
	assert_string_equal(ended.said,
			    "bwrapish: one\\x0atwo \xe2\x82\xac\n"
			    "<4>bwrap: w\n<6>bwrap: n\n<3>bwrap: Can't go on: Permission denied\n");
	assert_true(WIFEXITED(ended.status));
	assert_int_equal(WEXITSTATUS(ended.status), 1);
}

static void tell_first(void *text, const struct failure *failure)
{
	(void) failure;
	write_all(STDERR_FILENO, text, 5);
}

static void die_with_hook(void)
{
	char text[] = "hook\n";
	die_first_call(tell_first, text);
	die("end");
}

static void test_the_hook_comes_before_the_last_words(void **state)
{
	(void) state;
	assert_string_equal(in_child(die_with_hook).said, "hook\nbwrapish: end\n");
}

static void die_in_turn(void *none, const struct failure *failure)
{
	(void) none, (void) failure;
	die("the hook's end");
}

static void die_with_dying_hook(void)
{
	die_first_call(die_in_turn, NULL);
	die("end");
}

static void test_a_hook_may_die_itself(void **state)
{
	(void) state;
	assert_string_equal(in_child(die_with_dying_hook).said, "bwrapish: the hook's end\n");
}

static void tell_as_data(void *none, const struct failure *failure)
{
	(void) none;
	say_warning("%s|%s|%s|%d", failure->sentence ? failure->sentence : "",
		    failure->path ? failure->path : "",
		    failure->error ? errno_name(failure->error) : "", failure->exit_status);
}

static void die_in_detail(void)
{
	die_first_call(tell_as_data, NULL);
	die_errno(ENOENT, "Can't open %s", failing_path("/x"));
}

static void die_with_the_errno_inside(void)
{
	die_first_call(tell_as_data, NULL);
	die_because(EPERM, "%s; ask root", errno_text(EPERM));
}

static void die_without_words(void)
{
	die_first_call(tell_as_data, NULL);
	die_silently(&(struct failure){ .exit_status = 143 });
}

static void test_the_hook_is_told_what_is_known_and_no_more(void **state)
{
	(void) state;
	assert_string_equal(in_child(die_in_detail).said,
			    "bwrapish: Can't open /x: No such file or directory|/x|ENOENT|1\n"
			    "bwrapish: Can't open /x: No such file or directory\n");
	assert_string_equal(in_child(die_with_the_errno_inside).said,
			    "bwrapish: Operation not permitted; ask root||EPERM|1\n"
			    "bwrapish: Operation not permitted; ask root\n");
	assert_string_equal(in_child(die_without_words).said, "bwrapish: |||143\n");
}

static void say_too_much(void)
{
	char *much = arena_alloc(50001);
	memset(much, '\n', 50000);
	say_set_prefix(arena_printf("%01000d", 0));
	die_errno(EACCES, "Can't open %s", much);
}

static void test_of_a_message_too_long_the_beginning_and_the_end_are_said(void **state)
{
	(void) state;
	struct ended ended = in_child(say_too_much);
	assert_between(ended.length, 4 * 1000, 4 * 3072 + 200);
	assert_non_null(strstr(ended.said, "0: Can't open \\x0a\\x0a"));
	assert_non_null(strstr(ended.said, "\\x0a...\\x0a"));
	assert_string_equal(strrchr(ended.said, ':'), ": Permission denied\n");
	assert_ptr_equal(strchr(ended.said, '\n'), ended.said + ended.length - 1);
}

static void say_far_too_much(void)
{
	char *much = arena_alloc(1000001);
	memset(much, '\x1b', 1000000);
	die("%s", much);
}

static void test_a_message_of_a_million_bytes_is_one_short_line(void **state)
{
	(void) state;
	struct ended ended = in_child(say_far_too_much);
	assert_between(ended.length, 4 * 1000, 4 * 3072 + 200);
	assert_ptr_equal(strchr(ended.said, '\n'), ended.said + ended.length - 1);
	assert_null(strchr(ended.said, '\x1b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_message_is_one_line_with_prefix_and_level),
		cmocka_unit_test(test_the_hook_comes_before_the_last_words),
		cmocka_unit_test(test_a_hook_may_die_itself),
		cmocka_unit_test(test_the_hook_is_told_what_is_known_and_no_more),
		cmocka_unit_test(test_of_a_message_too_long_the_beginning_and_the_end_are_said),
		cmocka_unit_test(test_a_message_of_a_million_bytes_is_one_short_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
