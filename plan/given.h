/* given.h - which options stand on the line, and where. */
#ifndef PLAN_GIVEN_H
#define PLAN_GIVEN_H

#include "plan/plan.h"

/* Where the option named stood last on the line; argument 0: nowhere. */
struct position options_position(const struct plan *plan, const char *option);
/* Of those directly on the line; NULL: there is none. */
const struct given_option *options_last(const struct plan *plan);
bool options_given(const struct plan *plan, const char *option);
/* An option on the line with the trait; NULL: there is none. */
const char *options_with_trait(const struct plan *plan, unsigned trait);
/* Notes that it stands there. False when it stood somewhere before. */
bool options_note(struct plan *plan, const struct option_row *row, struct position position);
/* What does not go with the option, which was given, with the place before it. */
problem option_refused(const struct plan *plan, const char *option, const char *why)
	__attribute__((returns_nonnull));
/* Told to the caller once the line is read. */
void options_warn(struct plan *plan, const char *warning);

#endif
