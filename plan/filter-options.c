/* filter-options.c - filters as the line asks for them. */
#include "plan/filter-options.h"

#include "plan/position.h"
#include "utils.h"

#include <linux/filter.h>
#include <string.h>

problem filters_check(struct position position, const char *bytes, size_t length)
{
	const char *why = NULL;
	size_t n_printable = 0;
	while (n_printable < length &&
	       (strchr("\t\n\r", bytes[n_printable]) ? bytes[n_printable] != '\0'
						     : bytes[n_printable] >= ' '))
		n_printable++;
	if (length == 0)
		why = "it is empty";
	else if (length >= 4 && memcmp(bytes, "\177ELF", 4) == 0)
		why = "it is an ELF file";
	else if (n_printable == length) /* no program is: its first instruction has zeros in it */
		why = "it is text";
	else if (length % sizeof(struct sock_filter))
		why = arena_printf(
			"%zu bytes are not a whole number of instructions, of %zu bytes each",
			length, sizeof(struct sock_filter));
	else if (length / sizeof(struct sock_filter) > BPF_MAXINSNS)
		why = arena_printf("it has more than the %d instructions that the kernel takes",
				   BPF_MAXINSNS);
	return why ? arena_printf("%s: Not a seccomp program: %s", position_text(position), why)
		   : NULL;
}
