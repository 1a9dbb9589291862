/* fs-options.h - more operations on the new root. */
#ifndef PLAN_FS_OPTIONS_H
#define PLAN_FS_OPTIONS_H

#include "plan/option.h"
#include "plan/shape.h"

extern const struct option_rows fs_option_rows; /* read as all operations are: root-options.c */
/* What needs a namespace that there is not: NULL, or that. */
problem fs_options_check(const struct plan *plan, const struct shape *shape);

#endif
