/* pattern.h - patterns of paths, as a shell's globstar knows them. */
#ifndef PLAN_PATTERN_H
#define PLAN_PATTERN_H

#include "plan/position.h"

#include <stdbool.h>
#include <stdint.h>

/* A set of a pattern's components. */
typedef uint64_t pattern_set;
enum { PATTERN_MOST_COMPONENTS = 60 };

struct pattern_component {
	enum { PATTERN_LITERAL, PATTERN_NAMES, PATTERN_ANY_DEPTH } kind;
	const char *text; /* of a literal: without its escapes */
};
struct pattern {
	const char *
		base; /* what is before the first component with a wildcard, without escapes; "" is the root */
	struct pattern_component *components; /* from there on */
	size_t n;
	bool wants_directory; /* a slash at the end */
};

/* NULL and the pattern, or what is wrong with it. `otherwise` is the option for a path. */
problem pattern_read(struct position position, const char *word, const char *otherwise,
		     struct pattern *ret);
/* Whether a name matches a component's text. Of both, characters are compared, UTF-8's; takes at most as many steps as
 * the product of their lengths. */
bool pattern_matches_name(const char *text, const char *name);
/* In a directory that `at` leads to: where its entry `name` leads to in turn, and whether it is a match itself. */
pattern_set pattern_step(const struct pattern *pattern, pattern_set at, const char *name,
			 bool *ret_is_match);
/* The components that can be next in the base. */
pattern_set pattern_start(const struct pattern *pattern);

#endif
