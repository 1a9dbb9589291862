/* position.c - where on the line something stands, in words. Pure. */
#include "plan/position.h"

#include "utils.h"

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
