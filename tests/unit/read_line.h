/* read_line.h - a line that options_read() reads through the fake io: good, or bad and why. */
#ifndef READ_LINE_H
#define READ_LINE_H

#include "fake_io.h"

#include "assert_between.h"

static struct plan plan;
static enum reading reading;

static problem read_line(char *const *argv)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	reading = READ_NOTHING;
	return options_read(argc, argv, &fake_io, &plan, &reading);
}
#define LINE(...) ((char *[]){ "bwrapish", __VA_ARGS__, NULL })

/* Descriptor 3 holds these words, each with its NUL but the last. */
#define ARGS(text) fake_fd_holds(3, text, sizeof(text) - 1)

static void assert_good(char *const *argv)
{
	problem bad = read_line(argv);
	if (bad)
		fail_msg("%s", bad);
}
#define GOOD(...) assert_good(LINE(__VA_ARGS__))

static void assert_bad(const char *expected, char *const *argv)
{
	problem bad = read_line(argv);
	if (!bad)
		fail_msg("no problem, but expected: %s", expected);
	assert_string_equal(bad, expected);
}
#define BAD(expected, ...) assert_bad(expected, LINE(__VA_ARGS__))

static int set_up(void **state)
{
	(void) state;
	fake_reset();
	fake_fd_holds(4, "ABC\0EFGHabc\0efgh",
		      16); /* two instructions, for all that the reader can tell */
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

#endif
