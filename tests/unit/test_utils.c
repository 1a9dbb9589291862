/* Memory, numbers and words. */
#include "plan/nearest.h"
#include "utils.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "assert_between.h"

/* ---- memory ---- */

static void test_arena_memory_is_zeroed_aligned_and_apart(void **state)
{
	(void) state;
	static const size_t sizes[] = { 1, 15, 16, 17, 4000, 65535, 65536, 65537, 200000, 3 };
	char *blocks[20 * ARRAY_SIZE(sizes)];
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];
		blocks[i] = arena_alloc(size);
		assert_int_equal((uintptr_t) blocks[i] % 16, 0);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(blocks[i][j], 0);
		memset(blocks[i], (int) i + 1, size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
		for (size_t j = 0; j < sizes[i % ARRAY_SIZE(sizes)]; j++)
			assert_int_equal((unsigned char) blocks[i][j], (i + 1) & 255);
}

static void test_arena_of_no_bytes_is_an_address(void **state)
{
	(void) state;
	assert_ptr_not_equal(arena_alloc(0), NULL);
	assert_string_equal(arena_copy("", 0), "");
}

static void test_arena_copy_ends_where_it_was_told(void **state)
{
	(void) state;
	assert_string_equal(arena_copy("abcdef", 3), "abc");
}

static void test_arena_printf_is_as_long_as_its_text(void **state)
{
	(void) state;
	assert_string_equal(arena_printf("%s-%d", "x", 7), "x-7");
	assert_int_equal(strlen(arena_printf("%*d", 100000, 1)), 100000);
}

static void test_a_grown_array_keeps_its_items(void **state)
{
	(void) state;
	size_t *items = NULL, n_items = 0, capacity = 0, n_moves = 0;
	while (n_items < 5000) {
		size_t *grown = arena_grow(items, n_items, &capacity, sizeof(*items));
		n_moves += grown != items;
		items = grown;
		items[n_items] = n_items;
		n_items++;
	}
	for (size_t i = 0; i < n_items; i++)
		assert_int_equal(items[i], i);
	assert_between(n_moves, 1, 12); /* by doubling */
}

static void test_text_grows_by_words_and_bytes(void **state)
{
	(void) state;
	struct text text = { 0 };
	text_add(&text, "%s", "");
	assert_string_equal(text.bytes, "");
	for (int i = 0; i < 1000; i++)
		text_add(&text, "%03d,", i);
	text_add_bytes(&text, "a\0b", 3);
	assert_int_equal(text.length, 4003);
	assert_memory_equal(text.bytes, "000,001,", 8);
	assert_memory_equal(text.bytes + 3996, "999,a\0b", 8);
}

/* ---- numbers ---- */

struct number_case {
	const char *word;
	uint64_t max;
	bool decimal, any_base;
	uint64_t value;
};

static const struct number_case number_cases[] = {
	{ "0", 0, true, true, 0 },
	{ "7", 7, true, true, 7 },
	{ "8", 7, false, false, 0 },
	{ "18446744073709551615", UINT64_MAX, true, true, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, false, false, 0 },
	{ "99999999999999999999999999", UINT64_MAX, false, false, 0 },
	{ "0x10", 100, false, true, 16 },
	{ "0XfF", 255, false, true, 255 },
	{ "0xffffffffffffffff", UINT64_MAX, false, true, UINT64_MAX },
	{ "0x10000000000000000", UINT64_MAX, false, false, 0 },
	{ "0x", 100, false, false, 0 },
	{ "0xg", 100, false, false, 0 },
	{ "0x-1", 100, false, false, 0 },
	{ "08", 100, true, false, 8 },
	{ "0b11", 100, false, false, 0 },
	{ "", 100, false, false, 0 },
	{ "-1", UINT64_MAX, false, false, 0 },
	{ "-0", 100, false, false, 0 },
	{ "+1", 100, false, false, 0 },
	{ " 1", 100, false, false, 0 },
	{ "\t1", 100, false, false, 0 },
	{ "1 ", 100, false, false, 0 },
	{ "1\n", 100, false, false, 0 },
	{ "1k", 10000, false, false, 0 },
	{ "1.0", 100, false, false, 0 },
	{ "1e2", 100, false, false, 0 },
	{ "x", 100, false, false, 0 },
};

static void test_decimal_numbers_are_digits_and_nothing_else(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(number_cases); i++) {
		const struct number_case *c = &number_cases[i];
		uint64_t value = 4711;
		bool ok = parse_decimal(c->word, c->max, &value);
		if (ok != c->decimal || value != (ok ? c->value : 4711))
			fail_msg("\"%s\": %d, %llu", c->word, ok, (unsigned long long) value);
	}
}

static void test_sizes_may_be_hexadecimal_or_octal(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(number_cases); i++) {
		const struct number_case *c = &number_cases[i];
		uint64_t value = 4711;
		bool ok = parse_any_base(c->word, c->max, &value);
		if (ok != c->any_base || value != (ok ? c->value : 4711))
			fail_msg("\"%s\": %d, %llu", c->word, ok, (unsigned long long) value);
	}
	uint64_t value;
	assert_true(parse_any_base("0777", 511, &value));
	assert_int_equal(value, 511);
	assert_true(parse_decimal("0777", 777, &value));
	assert_int_equal(value, 777);
}

static void test_sizes_take_a_unit_and_never_wrap(void **state)
{
	(void) state;
	static const struct {
		const char *word;
		bool ok;
		uint64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "7M", true, 7 << 20 },
		{ "1k", true, 1024 },
		{ "2T", true, UINT64_C(2) << 40 },
		{ "", false, 0 },
		{ "K", false, 0 },
		{ "1KK", false, 0 },
		{ "1 K", false, 0 },
		{ "-1", false, 0 },
		{ "1.5K", false, 0 },
		{ "20000000T", false, 0 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "00000000000000000000000001", false, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = 4711;
		assert_int_equal(parse_size(cases[i].word, UINT64_MAX, &value), cases[i].ok);
		if (cases[i].ok)
			assert_true(value == cases[i].value);
	}
	uint64_t value;
	assert_false(parse_size("2K", 2047, &value));
}

static void test_seconds_take_fractions_and_round_up(void **state)
{
	(void) state;
	static const struct {
		const char *word;
		int64_t ms; /* -1: refused */
	} cases[] = {
		{ "2", 2000 },   { "0.5", 500 },        { "1.25", 1250 },
		{ "0.0001", 1 }, { "3.", -1 },          { "0", 0 },
		{ "", -1 },      { ".", -1 },           { ".5", -1 },
		{ "1.x", -1 },   { "-1", -1 },          { "1e3", -1 },
		{ "1s", -1 },    { "99999999999", -1 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ms = -1;
		bool ok = parse_seconds(cases[i].word, &ms);
		assert_int_equal(ok, cases[i].ms >= 0);
		if (ok)
			assert_true(ms == cases[i].ms);
	}
}

static void test_octal_modes_end_at_7777(void **state)
{
	(void) state;
	static const struct {
		const char *word;
		mode_t mode;
	} good[] = {
		{ "0", 0 }, { "7", 07 }, { "755", 0755 }, { "0755", 0755 }, { "7777", 07777 }
	};
	static const char *const bad[] = { "",      "8",   "758", "10000",
					   "77777", "-1",  "+7",  " 7",
					   "7 ",    "0x7", "u=r", "777777777777777777777777" };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		mode_t mode = 1;
		assert_true(parse_octal_mode(good[i].word, &mode));
		assert_int_equal(mode, good[i].mode);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		mode_t mode = 4711;
		if (parse_octal_mode(bad[i], &mode) || mode != 4711)
			fail_msg("\"%s\" is taken for a mode", bad[i]);
	}
}

/* ---- words ---- */

static const char *const words[] = {
	"--bind",        "--ro-bind", "--unshare-user",
	"--unshare-uts", "--chdir",   "--a-very-long-word-that-is-longer-than-any-option-we-have"
};
static const char *nth_word(size_t i)
{
	return words[i];
}

static const char *nearest(const char *word)
{
	const char *found = nearest_word(word, nth_word, ARRAY_SIZE(words));
	return found ? found : "none";
}

static void test_the_nearest_word_is_a_slip_of_the_finger_away(void **state)
{
	(void) state;
	assert_string_equal(nearest("--bind"), "--bind");
	assert_string_equal(nearest("--bnd"), "--bind");   /* missing */
	assert_string_equal(nearest("--bindd"), "--bind"); /* one too many */
	assert_string_equal(nearest("--bimd"), "--bind");  /* wrong */
	assert_string_equal(nearest("--bidn"), "--bind");  /* swapped */
	assert_string_equal(nearest("-bind"), "--bind");
	assert_string_equal(nearest("--robind"), "--ro-bind");
	assert_string_equal(nearest("--unshare-usre"), "--unshare-user");
	assert_string_equal(nearest("--cd"), "none");
	assert_string_equal(nearest("--frobnicate"), "none");
	assert_string_equal(nearest(""), "none");
	assert_string_equal(nearest("-"), "none");
}

static void test_the_nearest_word_to_a_very_long_one_is_none(void **state)
{
	(void) state;
	char longest[200];
	memset(longest, 'a', sizeof(longest));
	for (size_t length = 35; length < sizeof(longest); length++) {
		longest[length] = '\0';
		assert_string_equal(nearest(longest), "none");
		longest[length] = 'a';
	}
	assert_string_equal(nearest(words[5]), "none"); /* longer than what is compared */
}

static void assert_escaped(const char *raw, size_t length, const char *expected)
{
	char out[256];
	memset(out, 'X', sizeof(out));
	size_t n = escape_controls(raw, length, out);
	assert_string_equal(out, expected);
	assert_int_equal(n, strlen(expected));
	assert_int_equal(out[n + 1], 'X');
}
#define ESCAPED(raw, expected) assert_escaped(raw, sizeof(raw) - 1, expected)

static void test_control_characters_are_shown_as_hex(void **state)
{
	(void) state;
	ESCAPED("", "");
	ESCAPED("plain ~ words", "plain ~ words");
	ESCAPED("a\nb\r\tc", "a\\x0ab\\x0d\\x09c");
	ESCAPED("\x1b[31m", "\\x1b[31m");
	ESCAPED("a\0b", "a\\x00b");
	ESCAPED("\x7f\x1f\x20", "\\x7f\\x1f ");
	for (int c = 0; c < 0x20; c++) {
		char raw = (char) c, expected[8];
		snprintf(expected, sizeof(expected), "\\x%02x", (unsigned) c);
		assert_escaped(&raw, 1, expected);
	}
}

static void test_c1_controls_are_shown_as_hex_in_utf8_too(void **state)
{
	(void) state;
	ESCAPED("\xc2\x80", "\\xc2\\x80");
	ESCAPED("\xc2\x9b"
		"31m",
		"\\xc2\\x9b31m"); /* CSI */
	ESCAPED("\xc2\x9f", "\\xc2\\x9f");
	ESCAPED("\xc2\xa0", "\xc2\xa0");
	ESCAPED("\x9b"
		"31m",
		"\\x9b31m"); /* alone it is no UTF-8 */
}

static void test_utf8_is_left_as_it_is(void **state)
{
	(void) state;
	ESCAPED("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	ESCAPED("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80", "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80");
	ESCAPED("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
	ESCAPED("\xe2\x80\xae\xe2\x81\xa6",
		"\xe2\x80\xae\xe2\x81\xa6"); /* bidi: no control character */
}

static void test_what_only_looks_like_utf8_is_shown_as_hex(void **state)
{
	(void) state;
	ESCAPED("\x80", "\\x80");
	ESCAPED("\xff\xfe", "\\xff\\xfe");
	ESCAPED("\xc0\x8a", "\\xc0\\x8a");                   /* overlong newline */
	ESCAPED("\xc1\xbf", "\\xc1\\xbf");                   /* overlong DEL */
	ESCAPED("\xe0\x80\x8a", "\\xe0\\x80\\x8a");          /* the same in three */
	ESCAPED("\xe0\x82\x9b", "\\xe0\\x82\\x9b");          /* overlong C1 */
	ESCAPED("\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a"); /* and in four */
	ESCAPED("\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf");
	ESCAPED("\xed\xa0\x80", "\\xed\\xa0\\x80"); /* surrogates */
	ESCAPED("\xed\xbf\xbf", "\\xed\\xbf\\xbf");
	ESCAPED("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* beyond the last code point */
	ESCAPED("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
	ESCAPED("\xe2\x82", "\\xe2\\x82"); /* cut off */
	ESCAPED("\xe2\x82z", "\\xe2\\x82z");
	ESCAPED("\xc3", "\\xc3");
	ESCAPED("\xc3\n", "\\xc3\\x0a"); /* must not swallow the newline */
	ESCAPED("\xf0\x9f\x98\x1b", "\\xf0\\x9f\\x98\\x1b");
	ESCAPED("\xe2\xc3\xa9", "\\xe2\xc3\xa9");
}

static void test_a_sequence_does_not_reach_beyond_the_length(void **state)
{
	(void) state;
	assert_escaped("\xe2\x82\xac", 2, "\\xe2\\x82");
	assert_escaped("ab", 1, "a");
}

static void test_errno_texts_are_the_usual_english_ones(void **state)
{
	(void) state;
	assert_string_equal(errno_text(ENOENT), "No such file or directory");
	assert_string_equal(errno_text(EPERM), "Operation not permitted");
	assert_string_equal(errno_text(EINVAL), "Invalid argument");
	assert_non_null(errno_text(99999));
	assert_non_null(errno_text(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena_memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(test_arena_of_no_bytes_is_an_address),
		cmocka_unit_test(test_arena_copy_ends_where_it_was_told),
		cmocka_unit_test(test_arena_printf_is_as_long_as_its_text),
		cmocka_unit_test(test_a_grown_array_keeps_its_items),
		cmocka_unit_test(test_text_grows_by_words_and_bytes),
		cmocka_unit_test(test_decimal_numbers_are_digits_and_nothing_else),
		cmocka_unit_test(test_sizes_may_be_hexadecimal_or_octal),
		cmocka_unit_test(test_sizes_take_a_unit_and_never_wrap),
		cmocka_unit_test(test_seconds_take_fractions_and_round_up),
		cmocka_unit_test(test_octal_modes_end_at_7777),
		cmocka_unit_test(test_the_nearest_word_is_a_slip_of_the_finger_away),
		cmocka_unit_test(test_the_nearest_word_to_a_very_long_one_is_none),
		cmocka_unit_test(test_control_characters_are_shown_as_hex),
		cmocka_unit_test(test_c1_controls_are_shown_as_hex_in_utf8_too),
		cmocka_unit_test(test_utf8_is_left_as_it_is),
		cmocka_unit_test(test_what_only_looks_like_utf8_is_shown_as_hex),
		cmocka_unit_test(test_a_sequence_does_not_reach_beyond_the_length),
		cmocka_unit_test(test_errno_texts_are_the_usual_english_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
