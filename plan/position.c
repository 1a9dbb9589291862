/* position.c - where on the line something stands, in words. Pure. */
#include "plan/position.h"

#include "utils.h"

#include <string.h>

const char *position_text(struct position position)
{
	if (!position.argument)
		return position.option;
	if (position.args_word)
		return arena_printf("%s (argument %u, word %u)", position.option, position.argument,
				    position.args_word);
	return arena_printf("%s (argument %u)", position.option, position.argument);
}

problem problem_at(struct position position, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *text = arena_vprintf(fmt, args);
	va_end(args);
	return arena_printf("%s: %s", position_text(position), text);
}

/* ---- the way back ---- */

/* Behind `before`, which stands at `text`, and behind the number there; NULL: they are not there. */
static const char *skip_number(const char *text, const char *before, unsigned *ret_number)
{
	uint64_t number;
	size_t length = strlen(before);
	if (strncmp(text, before, length) != 0)
		return NULL;
	size_t n_digits = strspn(text + length, "0123456789");
	if (!parse_decimal(arena_copy(text + length, n_digits), UINT32_MAX, &number))
		return NULL;
	*ret_number = (unsigned) number;
	return text + length + n_digits;
}

/* Behind what position_text() has made, of which `name_length` bytes are the option; or NULL. */
static const char *read_position(const char *text, size_t name_length,
				 struct position *ret_position)
{
	struct position found = { 0 };
	const char *next = skip_number(text + name_length, " (argument ", &found.argument);
	const char *word = next ? skip_number(next, ", word ", &found.args_word) : NULL;
	next = word ? word : next;
	if (!next || *next != ')')
		return NULL;
	found.option = arena_copy(text, name_length);
	*ret_position = found;
	return next + 1;
}

static const char *read_option_position(const char *text, struct position *ret_position)
{
	bool is_option = strncmp(text, "--", 2) == 0;
	size_t length = strspn(text, "-abcdefghijklmnopqrstuvwxyz0123456789");
	return is_option ? read_position(text, length, ret_position) : NULL;
}

bool position_find(const char *sentence, struct position *ret_position)
{
	static const char unknown[] = "Unknown option ", at[] = ", at ",
			  none[] = "no COMMAND: ", exec[] = "execvp ";
	if (strncmp(sentence, exec, strlen(exec)) == 0)
		return false; /* of COMMAND, which is no option's and may look like one's place */
	const char *end = read_option_position(sentence, ret_position);
	if (end)
		return *end == ':';
	if (strncmp(sentence, none, strlen(none)) == 0)
		return read_option_position(sentence + strlen(none), ret_position);
	bool found = false;
	/* The word is the user's, and what stands behind it is not: so the last place is the one. */
	if (strncmp(sentence, unknown, strlen(unknown)) == 0) {
		const char *word = sentence + strlen(unknown), *next = word;
		for (; (next = strstr(next, " (argument ")); next++)
			found |= read_position(word, (size_t) (next - word), ret_position) != NULL;
		return found;
	}
	for (const char *next = sentence; (next = strstr(next, at)); next++) {
		end = read_option_position(next + strlen(at), ret_position);
		found = end && (*end == '\0' || *end == ';');
	}
	return found;
}
