/* position.h - where on the line something stands, in words. */
#ifndef PLAN_POSITION_H
#define PLAN_POSITION_H

#include "utils.h"

struct position {
	const char *option; /* as spelt, NULL for COMMAND */
	unsigned argument;  /* 1 is the first word after the program's name */
	unsigned args_word; /* within --args: 1 is its first word; 0: directly on the line */
};
/* Why a line cannot be used: one sentence, in arena memory; NULL is "no problem". */
typedef const char *problem;

/* "--bind (argument 3)"; arena memory. */
const char *position_text(struct position position);
/* Where the sentence says that it is about, as all of ours do: at its beginning, behind "Unknown option", or
 * behind ", at". False: nowhere. */
bool position_find(const char *sentence, struct position *ret_position);
/* The sentence, with the place before it. */
problem problem_at(struct position position, const char *fmt, ...) PRINTF_LIKE(2, 3)
	__attribute__((returns_nonnull));

#endif
