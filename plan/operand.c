/* operand.c - one word behind an option: a path, an id, a time, a mode, a size. */
#include "plan/operand.h"

#include "plan/lines.h"
#include "plan/position.h"
#include "utils.h"

#include <string.h>

problem operand_path(struct position position, const char *kind, const char *word)
{
	if (!*word)
		return problem_at(position, "%s is an empty path", kind);
	if (word[0] == '-' && word[1] == '-')
		return problem_at(
			position,
			"%s is missing: the next word is %s (for a path of that name write ./%s)",
			kind, word, word);
	return NULL;
}

problem operand_absolute(struct position position, const char *kind, const char *word)
{
	problem bad = operand_path(position, kind, word);
	if (bad || *word == '/')
		return bad;
	const char *rest = word;
	while (strncmp(rest, "./", 2) == 0)
		rest = skip_slashes(rest + 2);
	bool is_home = rest[0] == '~' && (rest[1] == '/' || !rest[1]);
	return problem_at(position, "%s is relative, and would be /%s inside: write \"$%s%s%s\"",
			  word, rest, is_home ? "HOME" : "PWD", is_home || !*rest ? "" : "/",
			  rest + is_home);
}

/* No name is looked up here: NSS reads whatever a library likes. */
static const char *number_of_name(struct position position, const char *word)
{
	bool is_name = (word[0] | 0x20) >= 'a' && (word[0] | 0x20) <= 'z';
	if (!is_name)
		return "";
	return streq(position.option, "--uid")
		       ? arena_printf("; id -u %s tells that of a user", shell_word(word))
		       : arena_printf("; getent group %s tells that of a group", shell_word(word));
}

problem operand_id(struct position position, const char *word, uint32_t *ret_id)
{
	uint64_t id;
	if (!parse_decimal(word, UINT32_MAX - 1, &id))
		return problem_at(position, "Invalid %s: %s is not a number from 0 to %u%s",
				  position.option + 2 /* its dashes */, word, UINT32_MAX - 1,
				  number_of_name(position, word));
	*ret_id = (uint32_t) id;
	return NULL;
}

problem operand_seconds(struct position position, const char *word, bool zero_allowed,
			int64_t *ret_ms)
{
	if (parse_seconds(word, ret_ms) && (zero_allowed || *ret_ms))
		return NULL;
	return problem_at(position, "Invalid time: %s is not a number of seconds%s, like 2 or 0.5",
			  word, zero_allowed ? "" : " above 0");
}

problem operand_offset(struct position position, const char *word, int64_t *ret_ns)
{
	enum { MOST_FRACTION = 9 };
	const uint64_t most = UINT64_C(4611686018); /* KTIME_SEC_MAX / 2: do_clock_offset */
	const char *digits = word + (*word == '-' || *word == '+');
	size_t n_whole = strcspn(digits, "."), n_fraction = 0;
	uint64_t seconds, fraction = 0;
	bool good = parse_decimal(arena_copy(digits, n_whole), most, &seconds);
	if (good && digits[n_whole]) {
		n_fraction = strlen(digits + n_whole + 1);
		good = n_fraction <= MOST_FRACTION &&
		       parse_decimal(digits + n_whole + 1, NS_PER_SECOND, &fraction);
	}
	if (!good)
		return problem_at(
			position,
			"Invalid time: %s is not a number of seconds from -%llu to %llu, like 2 or -0.5",
			word, (unsigned long long) most, (unsigned long long) most);
	for (size_t i = n_fraction; i < MOST_FRACTION; i++)
		fraction *= 10;
	int64_t ns = (int64_t) (seconds * NS_PER_SECOND + fraction);
	*ret_ns = *word == '-' ? -ns : ns;
	return NULL;
}

problem operand_mode(struct position position, const char *word, mode_t *ret_mode)
{
	if (parse_octal_mode(word, ret_mode))
		return NULL;
	return problem_at(position, "Invalid mode: %s is not an octal number up to 7777%s", word,
			  *word == '/' ? "; it stands before the path" : "");
}

problem operand_size(struct position position, const char *word, uint64_t *ret_bytes)
{
	uint64_t max = SIZE_MAX / 2;
	/* Behind digits that are octal or hexadecimal a unit could be misread. */
	bool is_size = parse_any_base(word, max, ret_bytes) ||
		       (word[0] != '0' && parse_size(word, max, ret_bytes));
	if (is_size && *ret_bytes > 0)
		return NULL;
	return problem_at(
		position,
		"Invalid size: %s is not a number of bytes from 1 to %zu, which may have K, M, G or T behind it",
		word, SIZE_MAX / 2);
}

int operand_choice(const char *choices, const char *word)
{
	size_t length = strlen(word);
	for (int i = 0; *choices; i++) {
		size_t n = strcspn(choices, " ");
		if (n == length && strncmp(choices, word, n) == 0)
			return i;
		choices += n + (choices[n] == ' ');
	}
	return -1;
}

const char *operand_in_one_word(const char *word)
{
	const char *equals = strchr(word, '=');
	return equals > word ? arena_printf("; its value is a word of its own, %s %s",
					    shell_word(arena_copy(word, (size_t) (equals - word))),
					    shell_word(equals + 1))
			     : "";
}

problem operand_once(struct position position, struct position before)
{
	if (!before.argument)
		return NULL;
	return problem_at(position, "%s was already given for this operation, at argument %u",
			  position.option, before.argument);
}
