/* nearest.h - what was meant by a word that nobody knows. */
#ifndef PLAN_NEAREST_H
#define PLAN_NEAREST_H

#include <stddef.h>

/* The one of n words that `word` most likely stands for, NULL when none is close. */
const char *nearest_word(const char *word, const char *(*nth)(size_t i), size_t n);

#endif
