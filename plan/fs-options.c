/* fs-options.c - more operations on the new root: rows. */
#include "plan/fs-options.h"

#include "plan/option.h"
#include "plan/plan.h"
#include "utils.h"

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("same-bind", "PATH", FILESYSTEM, "show the host's PATH at the same PATH", OWN, .value = OP_BIND, .traits = MOUNTS | TAKES_PROPAGATION),
	ROW("same-bind-try", "PATH", FILESYSTEM, "the same, skipped where PATH does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("same-ro-bind", "PATH", FILESYSTEM, "show the host's PATH read-only at the same PATH", OWN, .value = OP_BIND, .traits = MOUNTS | READ_ONLY | TAKES_PROPAGATION),
	ROW("same-ro-bind-try", "PATH", FILESYSTEM, "the same, skipped where PATH does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | READ_ONLY | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("bind-create", "SRC DEST", FILESYSTEM, "as --bind; a directory SRC that does not exist is made on the host", OWN, .value = OP_BIND, .traits = MOUNTS | MAKES_SOURCE | TAKES_PROPAGATION),
	ROW("bind-inner", "SRC DEST", FILESYSTEM, "show at DEST what is at SRC inside by then, with its flags", OWN, .value = OP_BIND_INNER, .traits = MOUNTS | TAKES_PROPAGATION),
	ROW("data", "TEXT DEST", FILESYSTEM, "a private read-only file at DEST that holds TEXT, no secret", OWN, .value = OP_DATA, .mode = 0600, .traits = MOUNTS | READ_ONLY | TAKES_PERMS),
};
/* clang-format on */
const struct option_rows fs_option_rows = { rows, ARRAY_SIZE(rows) };
