/* The table of causes: what a message is made of it is found in the message again. */
#include "run/causes.h"

#include "utils.h"

#include <string.h>

#include "assert_between.h"

static size_t n_places(const char *text)
{
	size_t n = 0;
	for (; (text = strstr(text, "%s")); text++)
		n++;
	return n;
}

static void test_each_row_is_whole(void **state)
{
	(void) state;
	for (enum cause cause = 0; cause < N_CAUSES; cause++) {
		const struct cause_row *row = &causes[cause];
		assert_true(*row->id && *row->symptom && *row->why);
		assert_int_equal(strspn(row->id, "abcdefghijklmnopqrstuvwxyz-1"), strlen(row->id));
		assert_true(n_places(row->why) + n_places(row->cure) <= 1);
		assert_null(strchr(row->why, '\n'));
		for (enum cause other = 0; other < cause; other++)
			assert_string_not_equal(causes[other].id, row->id);
	}
}

static void test_the_cause_of_a_message_is_found(void **state)
{
	(void) state;
	for (enum cause cause = 0; cause < N_CAUSES; cause++) {
		const char *message = arena_printf("%s: %s%s", causes[cause].symptom, errno_text(1),
						   cause_text(cause, "a name"));
		assert_null(strstr(message, "%s"));
		if (cause_find(message) != cause)
			print_error("%s: found as number %d\n", causes[cause].id,
				    cause_find(message));
		assert_int_equal(cause_find(message), cause);
	}
}

static void test_a_message_without_a_cause_has_none(void **state)
{
	(void) state;
	assert_int_equal(cause_find("Can't bind /x: Operation not permitted"), N_CAUSES);
	assert_int_equal(cause_find(""), N_CAUSES);
	/* it is not what stands behind the cause's semicolon */
	assert_int_equal(cause_find("it is a directory"), N_CAUSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_row_is_whole),
		cmocka_unit_test(test_the_cause_of_a_message_is_found),
		cmocka_unit_test(test_a_message_without_a_cause_has_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
