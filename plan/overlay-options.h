/* overlay-options.h - overlays as the line asks for them. */
#ifndef PLAN_OVERLAY_OPTIONS_H
#define PLAN_OVERLAY_OPTIONS_H

#include "plan/reader.h"

extern const struct option_rows overlay_option_rows;
problem overlay_options_read(struct reader *reader, const struct option_row *row,
			     char *const *words, struct position position);
/* Gives the operation the overlay whose layers and modifiers have just been read. */
problem overlay_options_take(struct reader *reader, const struct option_row *row, struct op *op);
/* Nothing of an overlay has been read. */
void overlay_options_forget(struct reader *reader);
/* Whether the backend knows all options that were given. */
bool overlay_fits_backend(const struct overlay *overlay, bool fuse);
/* In words; arena memory. */
const char *overlay_text(const struct op *op);
/* Whether a process outside may have to be started for some overlay of the plan. */
bool overlay_may_need_helper(const struct plan *plan);
/* Whether some overlay's changes are to be listed. */
bool overlay_lists_changes(const struct plan *plan);
/* Whether somebody is told what was changed. */
bool overlay_is_listed(const struct op *op);

#endif
