/* option.h - what a row of the option table says. What can be derived from it is: nothing lists options by hand. */
#ifndef PLAN_OPTION_H
#define PLAN_OPTION_H

#include "plan/plan.h"
#include "plan/traits.h"

#include <stddef.h>

enum option_group {
	GROUP_GENERAL,
	GROUP_NAMESPACES,
	GROUP_FILESYSTEM,
	GROUP_COMMAND,
	GROUP_SECURITY,
	GROUP_LIMITS,
	GROUP_DESCRIPTORS,
	N_OPTION_GROUPS
};
/* Whose the row is: ns-options.c and its like read what has FORM_OWN, options.c what is of the line itself. */
enum option_subject {
	OF_LINE,
	OF_NS,
	OF_MAPS,
	OF_NET,
	OF_PASTA,
	OF_ROOT,
	OF_OVERLAY,
	OF_COMMAND,
	OF_FILTER,
	OF_LANDLOCK,
	OF_LIMIT,
	OF_REPORT
};
struct option_row {
	char name[28]; /* not pointers: each would have to be relocated at every start */
	uint8_t group, subject, form, value, use; /* use: enum fd_use of the FD among its words */
	/* Not 0: that process has to be there. Of several that want it the least is told by --dry-run. */
	uint8_t with_init, supervised;
	uint32_t traits;
	uint16_t field;
	uint16_t mode;  /* of what an operation makes when --perms says nothing */
	char words[32]; /* "SRC DEST"; "" for none. They tell arity, checks and completion. */
	char help[96];
	char choices[24]; /* all that its operand can be, where that is one of a few words */
	/* The option without which it makes no sense; what stands behind it is told, too. */
	char needs[64];
};
struct option_rows {
	const struct option_row *rows;
	size_t n;
};
#define AT(name) .field = offsetof(struct plan, name)
#define OPTION(of, option, operands, in, text, how, ...)                                         \
	{                                                                                        \
		.name = "--" option, .subject = OF_##of, .words = operands, .group = GROUP_##in, \
		.help = text, .form = FORM_##how, __VA_ARGS__                                    \
	}

#endif
