/* nearest.c - what was meant by a word that nobody knows. Pure. */
#include "plan/nearest.h"

#include "utils.h"

#include <string.h>

enum { LONGEST = 40 };

/* Optimal string alignment; the word has at most LONGEST letters. */
static size_t cost_of(const char *word, const char *candidate)
{
	size_t cost[3][LONGEST + 1], length = strlen(word), c_length = strlen(candidate);
	for (size_t j = 0; j <= length; j++)
		cost[0][j] = j;
	for (size_t i = 1; i <= c_length; i++) {
		size_t *row = cost[i % 3], *above = cost[(i - 1) % 3],
		       *two_above = cost[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t least = above[j - 1] + (candidate[i - 1] != word[j - 1]);
			if (above[j] + 1 < least)
				least = above[j] + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			if (i > 1 && j > 1 && candidate[i - 1] == word[j - 2] &&
			    candidate[i - 2] == word[j - 1] && two_above[j - 2] + 1 < least)
				least = two_above[j - 2] + 1;
			row[j] = least;
		}
	}
	return cost[c_length % 3][length];
}

struct nearest nearest_begin(const char *word)
{
	/* One wrong, missing, extra or swapped letter for each four. */
	return (struct nearest){ .word = word, .cost = (strlen(word) + 2) / 4 + 1 };
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	size_t cost =
		strlen(nearest->word) > LONGEST ? SIZE_MAX : cost_of(nearest->word, candidate);
	if (cost >= nearest->cost)
		return;
	nearest->cost = cost;
	nearest->best = candidate;
}

const char *nearest_word(const char *word, const char *(*nth)(size_t i), size_t n)
{
	struct nearest nearest = nearest_begin(word);
	for (size_t i = 0; i < n; i++)
		nearest_offer(&nearest, nth(i));
	return nearest.best;
}
