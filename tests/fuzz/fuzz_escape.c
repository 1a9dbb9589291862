/* Whatever bytes come in, escape_controls() lets nothing out that steers a terminal, and numbers and nearest words
 * are found without a step beyond the text. */
#include "fuzz_arena.h"
#include "plan/nearest.h"

#include <string.h>

static const char *nth_word(size_t i)
{
	static const char *const words[] = { "--bind", "--unshare-user", "", "a" };
	return words[i];
}

/* The code point at `s`, strictly; returns its length. What escape_controls() lets out must be UTF-8. */
static size_t decode(const unsigned char *s, size_t left, uint32_t *ret_code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80       ? 1
		   : s[0] >> 5 == 6  ? 2
		   : s[0] >> 4 == 14 ? 3
		   : s[0] >> 3 == 30 ? 4
				     : 0;
	MUST(n > 0 && n <= left);
	uint32_t code = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		MUST(s[i] >> 6 == 2);
		code = code << 6 | (s[i] & 0x3f);
	}
	MUST(n == 1 || code >= least[n]);
	*ret_code = code;
	return n;
}

static void check_escaped(const uint8_t *data, size_t size)
{
	char *text = arena_copy((const char *) data, size), *out = arena_alloc(4 * size + 1);
	size_t length = escape_controls(text, size, out);
	MUST(length >= size && length <= 4 * size && strlen(out) == length);
	for (size_t i = 0; i < length;) {
		uint32_t code;
		i += decode((const unsigned char *) out + i, length - i, &code);
		MUST(code >= 0x20 && !(code >= 0x7f && code < 0xa0) &&
		     !(code >= 0xd800 && code < 0xe000) && code <= 0x10ffff);
	}
	char *again = arena_alloc(4 * length + 1);
	MUST(escape_controls(out, length, again) == length && memcmp(out, again, length) == 0);
}

static void check_numbers(const char *word)
{
	uint64_t decimal, any_base, max = 1000;
	mode_t mode;
	if (parse_decimal(word, max, &decimal)) {
		MUST(decimal <= max && strspn(word, "0123456789") == strlen(word));
		if (word[0] != '0')
			MUST(parse_any_base(word, max, &any_base) && any_base == decimal);
	}
	MUST(!parse_octal_mode(word, &mode) ||
	     (mode <= 07777 && strspn(word, "01234567") == strlen(word)));
	const char *near = nearest_word(word, nth_word, 4);
	MUST(!near || strlen(near) + strlen(word) < 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_escaped(data, size);
	check_numbers(arena_copy((const char *) data, size));
	fuzz_free_arena();
	return 0;
}
