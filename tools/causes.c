/* causes.c - the part of bwrapish-diagnostics(7) that lists the causes: symptom, cause, cure, and the name for programs.
 * A test compares it with man/bwrapish-diagnostics.7, which takes it as it is. */
#include "run/causes.h"
#include "utils.h"

#include <stdio.h>
#include <string.h>

/* In mdoc(7): NAME in place of %s, two dashes that stay two, and no backslash of ours. */
static void print_text(const char *text)
{
	for (; *text; text++) {
		if (strncmp(text, "%s", 2) == 0) {
			fputs("NAME", stdout);
			text++;
		} else if (*text == '-' && text[1] == '-') {
			fputs("\\-\\-", stdout);
			text++;
		} else {
			fputs(*text == '\\'  ? "\\e"
			      : *text == '"' ? "\\(dq"
					     : arena_copy(text, 1),
			      stdout);
		}
	}
}

int main(void)
{
	for (enum cause cause = 0; cause < N_CAUSES; cause++) {
		const struct cause_row *row = &causes[cause];
		printf(".It Cm %s , Li \"", row->id);
		print_text(row->symptom);
		printf("\"\n\\&");
		print_text(row->why);
		printf(".\n");
		if (*row->cure) {
			printf("\\(->\\ ");
			print_text(row->cure);
			printf(".\n");
		}
	}
	return 0;
}
