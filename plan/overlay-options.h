/* overlay-options.h - overlays as the line asks for them. */
#ifndef PLAN_OVERLAY_OPTIONS_H
#define PLAN_OVERLAY_OPTIONS_H

#include "plan/plan.h"

/* What cannot be right about an overlay, whatever the kernel. */
problem overlay_check(const struct op *op);
/* Whether the backend knows all options that were given. */
bool overlay_fits_backend(const struct overlay *overlay, bool fuse);
/* In words; arena memory. */
const char *overlay_text(const struct op *op);
/* Whether a process outside may have to be started for some overlay of the plan. */
bool overlay_may_need_helper(const struct plan *plan);
/* Whether some overlay's changes are to be listed. */
bool overlay_lists_changes(const struct plan *plan);

#endif
