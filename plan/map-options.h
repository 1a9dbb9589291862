/* map-options.h - more ids than one, as the line asks for them. */
#ifndef PLAN_MAP_OPTIONS_H
#define PLAN_MAP_OPTIONS_H

#include "plan/reader.h"
#include "plan/shape.h"

extern const struct option_rows map_option_rows;
problem map_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			 struct position position);
/* Whether there is to be more than --uid and --gid say. */
bool map_options_in_use(const struct plan *plan);
/* Adds to the shape who COMMAND is, and which maps are more than a process may write for itself. */
void map_options_shape(const struct plan *plan, const struct caller *caller, struct shape *shape);
/* Whether they decide what capabilities COMMAND has unless others say otherwise; and which, once it is known who it
 * is. */
bool map_options_give_caps(const struct plan *plan);
uint64_t map_options_caps(const struct shape *shape);
problem map_options_check(const struct plan *plan, const struct caller *caller,
			  const struct shape *shape);
/* Whether one of them has this id inside. */
bool map_has_inner(const struct id_ranges *map, uint32_t id);
/* Lines of --dry-run, in place of those of the one id. */
void map_options_explain(const struct plan *plan, const struct shape *shape,
			 const struct caller *caller, struct text *text);

#endif
