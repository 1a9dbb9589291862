/* fs-options.h - more operations on the new root. */
#ifndef PLAN_FS_OPTIONS_H
#define PLAN_FS_OPTIONS_H

#include "plan/option.h"
#include "plan/reader.h"
#include "plan/shape.h"

extern const struct option_rows fs_option_rows; /* read as all operations are: root-options.c */
enum { DEV_ADD = 200 };                         /* above every enum op_kind */
/* Puts a device into the last --dev; NULL, or what is wrong. */
problem fs_options_add_device(struct reader *reader, const struct option_row *row, const char *name,
			      struct position position);
/* A --dev in words; arena memory. */
const char *fs_options_dev_text(const struct op *op);
/* What needs a namespace that there is not: NULL, or that. */
problem fs_options_check(const struct plan *plan, const struct shape *shape);

#endif
