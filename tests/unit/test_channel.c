/* What is no whole message is neither one nor the end of the other side. */
#include "sys/channel.h"

#include "utils.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];

static int make_ends(void **state)
{
	(void) state;
	channel_make_pair(ends);
	return 0;
}

static int close_ends(void **state)
{
	(void) state;
	close_fd(&ends[0]);
	close_fd(&ends[1]);
	return 0;
}

static int receive(struct message *ret_message, int *ret_fd)
{
	memset(ret_message, 0xff, sizeof(*ret_message));
	return channel_receive(ends[0], false, ret_message, ret_fd);
}

static void test_what_is_shorter_than_a_message_is_one_of_no_kind(void **state)
{
	(void) state;
	static const struct message whole = { .kind = 7, .value = 8 };
	for (size_t length = 0; length <= sizeof(whole); length++) {
		struct message message;
		assert_int_equal(write(ends[1], &whole, length), (ssize_t) length);
		assert_int_equal(receive(&message, NULL), 1);
		assert_int_equal(message.kind, length == sizeof(whole) ? 7 : 0);
	}
	struct message none;
	assert_int_equal(receive(&none, NULL), -1);
}

static void test_the_end_of_the_other_side_is_told(void **state)
{
	(void) state;
	struct message message;
	assert_true(channel_try_send(ends[1], 7, 0));
	close_fd(&ends[1]);
	assert_int_equal(receive(&message, NULL), 1);
	assert_int_equal(message.kind, 7);
	assert_int_equal(receive(&message, NULL), 0);
}

static void test_words_of_what_is_no_message_are_none(void **state)
{
	(void) state;
	struct message message;
	char words[WORDS_CAPACITY + 2];
	memset(words, 'x', sizeof(words));
	assert_int_equal(write(ends[1], "short", 5), 5);
	assert_int_equal(channel_receive_words(ends[0], false, &message, NULL, words), 1);
	assert_string_equal(words, "");
}

static void test_a_message_with_two_descriptors_is_of_no_kind_and_brings_one(void **state)
{
	(void) state;
	struct fd_letter letter;
	struct message message;
	const int both[] = { ends[0], ends[1] };
	channel_write_letter(&letter, 7);
	/* as many as the space for one, which is aligned, holds */
	CMSG_FIRSTHDR(&letter.envelope)->cmsg_len = CMSG_LEN(sizeof(both));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&letter.envelope)), both, sizeof(both));
	assert_int_equal(sendmsg(ends[1], &letter.envelope, 0), sizeof(message));
	int next = dup(ends[0]), attached_fd;
	close(next);
	assert_int_equal(receive(&message, &attached_fd), 1);
	assert_int_equal(message.kind, 0);
	assert_int_equal(attached_fd, next);
	close(attached_fd);
	assert_int_equal(dup(ends[0]), next);
	close(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_what_is_shorter_than_a_message_is_one_of_no_kind, make_ends,
			close_ends),
		cmocka_unit_test_setup_teardown(test_the_end_of_the_other_side_is_told, make_ends,
						close_ends),
		cmocka_unit_test_setup_teardown(test_words_of_what_is_no_message_are_none,
						make_ends, close_ends),
		cmocka_unit_test_setup_teardown(
			test_a_message_with_two_descriptors_is_of_no_kind_and_brings_one, make_ends,
			close_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
