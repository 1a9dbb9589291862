/* json.c - strings as JSON has them, made of bytes, which need not be text. */
#include "run/json.h"

#include "utils.h"

#include <stdio.h>
#include <string.h>

/* How many bytes from `s` on are one character of UTF-8, or plain ASCII; 0: they are neither. */
static size_t valid_length(const unsigned char *s)
{
	size_t n = 0;
	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	for (size_t length = 2; length <= 4 && !n && s[0] >= 0x80; length++) {
		/* escape_controls() leaves exactly what is valid and printable as it is. */
		char out[4 * 4 + 1];
		if (strnlen((const char *) s, length) == length &&
		    escape_controls((const char *) s, length, out) == length &&
		    memcmp(out, s, length) == 0)
			n = length;
	}
	return n;
}

void json_add_string(struct text *text, const char *string)
{
	text_add_bytes(text, "\"", 1);
	for (const unsigned char *s = (const unsigned char *) string; *s;) {
		char escaped[8];
		size_t n = valid_length(s);
		if (n)
			text_add_bytes(text, s, n);
		else if (*s == '"' || *s == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", *s);
		else
			snprintf(escaped, sizeof(escaped), *s < 0x80 ? "\\u%04x" : "\\udc%02x", *s);
		if (!n)
			text_add_bytes(text, escaped, strlen(escaped));
		s += n ? n : 1;
	}
	text_add_bytes(text, "\"", 1);
}
