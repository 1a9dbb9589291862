/* finding.h - what was found out, and telling it: as lines, or as JSON (man/check.schema.json). */
#ifndef CHECK_FINDING_H
#define CHECK_FINDING_H

#include "utils.h"

enum verdict {
	WORKS,
	FAILS,
	ABSENT,  /* not there, and nothing is wrong */
	UNTRIED, /* something before it failed */
};

struct finding {
	const char *name; /* a word of ours */
	enum verdict verdict;
	const char
		*words; /* more of it, or what fails and the cure; NULL: there is nothing to say */
	const char *good_for; /* options that need it; NULL: no one option does */
	const char **notes;
	size_t n_notes;
};

struct findings {
	struct finding *items;
	size_t n, capacity;
};

struct finding *finding_add(struct findings *findings, const char *name, enum verdict verdict,
			    const char *good_for, const char *words);
/* All of them, and last whether that is enough for a sandbox. */
const char *findings_as_lines(const struct findings *findings, const char *conclusion);
const char *findings_as_json(const struct findings *findings, bool works);

#endif
