/* fs-options.c - more operations on the new root: rows. */
#include "plan/fs-options.h"

#include "plan/option.h"
#include "plan/plan.h"
#include "utils.h"

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("data", "TEXT DEST", FILESYSTEM, "a private read-only file at DEST that holds TEXT, no secret", OWN, .value = OP_DATA, .mode = 0600, .traits = MOUNTS | READ_ONLY | TAKES_PERMS),
};
/* clang-format on */
const struct option_rows fs_option_rows = { rows, ARRAY_SIZE(rows) };
