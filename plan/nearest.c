/* nearest.c - what was meant by a word that nobody knows. Pure. */
#include "plan/nearest.h"

#include "utils.h"

#include <string.h>

const char *nearest_word(const char *word, const char *(*nth)(size_t i), size_t n)
{
	/* Optimal string alignment with a bound: one wrong, missing, extra or swapped letter for
	 * each four. */
	enum { LONGEST = 40 };
	size_t length = strlen(word), best_cost = (length + 2) / 4 + 1;
	const char *best = NULL;
	if (length > LONGEST)
		return NULL;
	for (size_t w = 0; w < n; w++) {
		const char *candidate = nth(w);
		size_t cost[3][LONGEST + 1], c_length = strlen(candidate);
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
		if (cost[c_length % 3][length] < best_cost) {
			best_cost = cost[c_length % 3][length];
			best = candidate;
		}
	}
	return best;
}
