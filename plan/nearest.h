/* nearest.h - what was meant by a word that nobody knows. */
#ifndef PLAN_NEAREST_H
#define PLAN_NEAREST_H

#include <stddef.h>

/* The one of n words that `word` most likely stands for, NULL when none is close. */
const char *nearest_word(const char *word, const char *(*nth)(size_t i), size_t n);
/* The same, one candidate after the other; of two that are as near the first. */
struct nearest {
	const char *word, *best; /* best: NULL as long as none was close */
	size_t cost;
};
struct nearest nearest_begin(const char *word);
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
