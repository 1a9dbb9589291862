/* fs-options.h - more operations on the new root. */
#ifndef PLAN_FS_OPTIONS_H
#define PLAN_FS_OPTIONS_H

#include "plan/option.h"

extern const struct option_rows fs_option_rows; /* read as all operations are: root-options.c */

#endif
