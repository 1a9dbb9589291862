/* Prints the option table, a row a line: name, words, group, help, what becomes of its FD, traits, what it needs, what its operand
 * can be, between tabs. The completions are made from it, the man page is compared with it, and tests take their cases from it. */
#include "plan/options.h"

#include <stdio.h>

static bool one_value(unsigned form)
{
	return form == FORM_WORD || form == FORM_FD || form == FORM_SECONDS;
}

int main(void)
{
	static const char *const uses[] = {
		[USE_NOT_GIVEN] = "",    [USE_OWN] = "own",         [USE_SHOWN] = "shown",
		[USE_COPIED] = "copied", [USE_WAITED] = "waited",   [USE_HELD] = "held",
		[USE_PASSED] = "passed", [USE_DRAINED] = "drained",
	};
	static const struct {
		unsigned trait;
		const char *name;
	} traits[] = {
		{ ONCE, "once" },
		{ MODIFIES_NEXT, "modifies-next" },
		{ NEEDS_POLICY, "needs-policy" },
		{ PROMISES_SAFETY, "promises-safety" },
		{ ENDS_WITH_COMMAND, "ends-with-command" },
		{ SUPERVISOR_WRITES, "supervisor-writes" },
		{ WRITES, "writes" },
		{ SUPERVISOR_WAITS, "supervisor-waits" },
		{ WANTS_END, "wants-end" },
		{ TAKES_PERMS, "takes-perms" },
		{ TAKES_SIZE, "takes-size" },
		{ TAKES_PROPAGATION, "takes-propagation" },
		{ MOUNTS, "mounts" },
		{ MAKES_SOURCE, "makes-source" },
	};
	struct option_walk walk = { 0 };
	for (const struct option_row *row; (row = options_next(&walk));) {
		printf("%s\t%s\t%s\t%s\t%s\t", row->name, row->words,
		       option_group_titles[row->group], row->help, uses[row->use]);
		printf("%s%s", row->with_init ? "with-init " : "",
		       row->supervised ? "supervised " : "");
		if (row->traits & LAST_WINS || (one_value(row->form) && !(row->traits & ONCE)))
			printf("last-wins ");
		for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++)
			if (row->traits & traits[i].trait)
				printf("%s ", traits[i].name);
		printf("\t%s\t%s\n", row->needs, row->choices);
	}
	return 0;
}
