/* Prints the option table, a row a line: name, words, group, help, between tabs. The completions are made from it
 * and the man page is compared with it. */
#include "plan/options.h"

#include <stdio.h>

int main(void)
{
	for (size_t i = 0; i < n_option_rows; i++)
		printf("%s\t%s\t%s\t%s\n", option_rows[i].name, option_rows[i].words,
		       option_group_titles[option_rows[i].group], option_rows[i].help);
	return 0;
}
