/* position.c - where on the line something stands, in words. Pure. */
#include "plan/position.h"

#include "utils.h"

const char *place_name(struct place place)
{
	if (!place.argument)
		return place.option;
	if (place.args_word)
		return arena_printf("%s (argument %u, word %u)", place.option, place.argument,
				    place.args_word);
	return arena_printf("%s (argument %u)", place.option, place.argument);
}

problem problem_at(struct place place, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const char *text = arena_vprintf(fmt, args);
	va_end(args);
	return arena_printf("%s: %s", place_name(place), text);
}
