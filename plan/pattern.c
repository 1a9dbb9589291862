/* pattern.c - patterns of paths, as a shell's globstar knows them, but for leading dots: to hide all of a kind is to
 * hide those that a shell does not show, too.
 *
 * Pure. A directory is looked at once, with the set of all components that could be next there: no pattern makes it
 * take longer than in proportion to its own length.
 */
#include "plan/pattern.h"

#include "utils.h"

#include <string.h>

/* ---- one name ---- */

/* The character at the beginning, 0 at the end. What is no UTF-8 is a character for each byte. */
static uint32_t take_character(const char **text)
{
	const unsigned char *bytes = (const unsigned char *) *text;
	size_t n = bytes[0] < 0xc2   ? 1
		   : bytes[0] < 0xe0 ? 2
		   : bytes[0] < 0xf0 ? 3
		   : bytes[0] < 0xf5 ? 4
				     : 1;
	uint32_t character = n == 1 ? bytes[0] : bytes[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((bytes[i] & 0xc0) != 0x80) {
			n = 1;
			break;
		}
		character = character << 6 | (bytes[i] & 0x3f);
	}
	if (n == 1 && bytes[0] >= 0x80)
		character = 0x110000u + bytes[0];
	*text += n;
	return character;
}

static uint32_t take_escaped(const char **text)
{
	if (**text == '\\')
		++*text;
	return take_character(text);
}

/* What stands behind '[', up to behind its ']'; NULL: it has none. ret_fits: whether the character is among them. */
static const char *take_set(const char *text, uint32_t character, bool *ret_fits)
{
	bool negated = *text == '!' || *text == '^', fits = false;
	text += negated;
	for (bool is_first = true; *text && (is_first || *text != ']'); is_first = false) {
		uint32_t low = take_escaped(&text), high = low;
		if (low && text[0] == '-' && text[1] && text[1] != ']') {
			text++;
			high = take_escaped(&text);
		}
		if (!low || !high)
			return NULL;
		fits |= low <= character && character <= high;
	}
	*ret_fits = fits != negated;
	return *text ? text + 1 : NULL;
}

/* One character of the name; NULL: it does not fit. What is behind its pattern. */
static const char *match_character(const char *text, uint32_t character)
{
	bool fits = true;
	if (*text == '[')
		text = take_set(text + 1, character, &fits);
	else if (*text == '?')
		text++;
	else
		fits = take_escaped(&text) == character;
	return fits ? text : NULL;
}

/* Of all stars only the last one met can still have to take more: what is before it has matched. */
bool pattern_matches_name(const char *text, const char *name)
{
	const char *star = NULL, *taken = NULL;
	while (*name) {
		const char *next_name = name, *next = NULL;
		if (*text == '*') {
			star = ++text;
			taken = name;
			continue;
		}
		uint32_t character = take_character(&next_name);
		if (*text)
			next = match_character(text, character);
		if (next) {
			text = next;
			name = next_name;
		} else if (star) {
			take_character(&taken);
			name = taken;
			text = star;
		} else {
			return false;
		}
	}
	return !text[strspn(text, "*")];
}

/* ---- a path ---- */

static pattern_set bit(size_t i)
{
	return UINT64_C(1) << i;
}

/* Behind a `**`, which can stand for no directory at all, comes what is next, too. */
static pattern_set close_set(const struct pattern *pattern, pattern_set set)
{
	for (size_t i = 0; i + 1 < pattern->n; i++)
		if (set & bit(i) && pattern->components[i].kind == PATTERN_ANY_DEPTH)
			set |= bit(i + 1);
	return set;
}

pattern_set pattern_start(const struct pattern *pattern)
{
	return close_set(pattern, bit(0));
}

pattern_set pattern_step(const struct pattern *pattern, pattern_set at, const char *name,
			 bool *ret_is_match)
{
	pattern_set next = 0;
	*ret_is_match = false;
	for (size_t i = 0; i < pattern->n; i++) {
		const struct pattern_component *component = &pattern->components[i];
		if (!(at & bit(i)))
			continue;
		bool is_deep = component->kind == PATTERN_ANY_DEPTH;
		if (is_deep)
			next |= bit(i);
		else if (component->kind == PATTERN_LITERAL
				 ? !streq(component->text, name)
				 : !pattern_matches_name(component->text, name))
			continue;
		if (i + 1 == pattern->n) /* also `**`: all names below */
			*ret_is_match = true;
		else if (!is_deep)
			next |= bit(i + 1);
	}
	return close_set(pattern, next);
}

/* ---- reading ---- */

static problem check_component(struct position position, const char *text, bool *ret_is_literal)
{
	*ret_is_literal = true;
	if (streq(text, ".."))
		return problem_at(position, "PATTERN has .. as a component");
	for (const char *behind; *text; text = behind) {
		bool fits;
		behind = text;
		if (text[0] == '\\' && !text[1])
			return problem_at(position, "PATTERN has a backslash before nothing");
		if (*text == '[')
			behind = take_set(text + 1, 0, &fits);
		else
			take_escaped(&behind);
		if (!behind)
			return problem_at(
				position,
				"PATTERN has a [ without its ]: to mean the character, write \\[");
		*ret_is_literal &= !strchr("*?[", *text);
	}
	return NULL;
}

static const char *without_escapes(const char *text)
{
	struct text plain = { 0 };
	for (; *text; text++) {
		text += *text == '\\';
		text_add_bytes(&plain, text, 1);
	}
	return plain.bytes;
}

static void add_component(struct pattern *pattern, struct text *base, const char *text,
			  bool is_literal)
{
	struct pattern_component *last = pattern->n ? &pattern->components[pattern->n - 1] : NULL;
	bool is_deep = streq(text, "**");
	const char *plain = is_literal ? without_escapes(text) : text;
	if (is_literal && !last) {
		text_add_bytes(base, "/", 1);
		text_add_bytes(base, plain, strlen(plain));
	} else if (!is_deep || !last || last->kind != PATTERN_ANY_DEPTH) {
		pattern->components[pattern->n++] =
			(struct pattern_component){ .kind = is_literal ? PATTERN_LITERAL
							    : is_deep  ? PATTERN_ANY_DEPTH
								       : PATTERN_NAMES,
						    .text = plain };
	}
}

problem pattern_read(struct position position, const char *word, const char *otherwise,
		     struct pattern *ret)
{
	struct text base = { 0 };
	*ret = (struct pattern){ .components = arena_alloc(PATTERN_MOST_COMPONENTS *
							   sizeof(*ret->components)) };
	for (const char *text = skip_slashes(word); *text;) {
		size_t length = strcspn(text, "/");
		const char *component = arena_copy(text, length);
		bool is_literal;
		problem bad = check_component(position, component, &is_literal);
		if (!bad && ret->n == PATTERN_MOST_COMPONENTS)
			bad = problem_at(position, "PATTERN has more than %d components",
					 PATTERN_MOST_COMPONENTS);
		if (bad)
			return bad;
		ret->wants_directory = text[length] == '/';
		if (!streq(component, "."))
			add_component(ret, &base, component, is_literal);
		text = skip_slashes(text + length);
	}
	ret->base = base.length ? base.bytes : "";
	return ret->n ? NULL
		      : problem_at(position, "PATTERN has no wildcard (* ? [): for a path give %s",
				   otherwise);
}
