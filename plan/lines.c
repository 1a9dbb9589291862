/* lines.c - lines of --dry-run and --verbose. */
#include "plan/lines.h"

#include "utils.h"

#include <string.h>

void explain_line(struct text *text, const char *stage, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *words = arena_vprintf(fmt, args);
	va_end(args);
	char *shown = arena_alloc(4 * strlen(words) + 1);
	escape_controls(words, strlen(words), shown);
	text_add(text, " %-9s %s\n", stage, shown);
}

const char *shell_word(const char *word)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
	if (*word && word[strspn(word, plain)] == '\0')
		return word;
	struct text text = { 0 };
	text_add(&text, "'");
	for (; *word; word++)
		text_add(&text, *word == '\'' ? "'\\%c'" : "%c", *word);
	text_add(&text, "'");
	return text.bytes;
}
