/* given.c - which options stand on the line, and where. */
#include "plan/given.h"

#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "utils.h"

struct position options_position(const struct plan *plan, const char *option)
{
	for (size_t i = 0; i < plan->n_given; i++)
		if (streq(plan->given[i].row->name, option))
			return plan->given[i].last;
	return (struct position){ 0 };
}

const struct given_option *options_last(const struct plan *plan)
{
	const struct given_option *last = NULL;
	for (const struct given_option *given = plan->given; given < plan->given + plan->n_given;
	     given++)
		if (!given->last.args_word && (!last || given->last.argument > last->last.argument))
			last = given;
	return last;
}

bool options_given(const struct plan *plan, const char *option)
{
	return options_position(plan, option).argument != 0;
}

const char *options_with_trait(const struct plan *plan, unsigned trait)
{
	for (size_t i = 0; i < plan->n_given; i++)
		if (plan->given[i].row->traits & trait)
			return plan->given[i].row->name;
	return NULL;
}

bool options_note(struct plan *plan, const struct option_row *row, struct position position)
{
	for (size_t i = 0; i < plan->n_given; i++)
		if (plan->given[i].row == row) {
			plan->given[i].last = position;
			return false;
		}
	plan->given =
		arena_grow(plan->given, plan->n_given, &plan->capacity_given, sizeof(*plan->given));
	plan->given[plan->n_given++] = (struct given_option){ row, position };
	return true;
}

problem option_refused(const struct plan *plan, const char *option, const char *why)
{
	return problem_at(options_position(plan, option), "%s", why);
}

void options_warn(struct plan *plan, const char *warning)
{
	plan->warnings = arena_grow(plan->warnings, plan->n_warnings, &plan->capacity_warnings,
				    sizeof(char *));
	plan->warnings[plan->n_warnings++] = warning;
}
