/* fs-options.c - more operations on the new root: rows, and what cannot be right. */
#include "plan/fs-options.h"

#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "utils.h"

#include <sched.h>

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("same-bind", "PATH", FILESYSTEM, "show the host's PATH at the same PATH", OWN, .value = OP_BIND, .traits = MOUNTS | TAKES_PROPAGATION),
	ROW("same-bind-try", "PATH", FILESYSTEM, "the same, skipped where PATH does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("same-ro-bind", "PATH", FILESYSTEM, "show the host's PATH read-only at the same PATH", OWN, .value = OP_BIND, .traits = MOUNTS | READ_ONLY | TAKES_PROPAGATION),
	ROW("same-ro-bind-try", "PATH", FILESYSTEM, "the same, skipped where PATH does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | READ_ONLY | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("bind-create", "SRC DEST", FILESYSTEM, "as --bind; a directory SRC that does not exist is made on the host", OWN, .value = OP_BIND, .traits = MOUNTS | MAKES_SOURCE | TAKES_PROPAGATION),
	ROW("bind-inner", "SRC DEST", FILESYSTEM, "show at DEST what is at SRC inside by then, with its flags", OWN, .value = OP_BIND_INNER, .traits = MOUNTS | TAKES_PROPAGATION),
	ROW("sys", "DEST", FILESYSTEM, "sysfs of the new network namespace at DEST, read-only", OWN, .value = OP_SYS, .traits = MOUNTS | READ_ONLY),
	ROW("cgroup2", "DEST", FILESYSTEM, "the control groups of the new cgroup namespace at DEST", OWN, .value = OP_CGROUP2, .traits = MOUNTS),
	ROW("data", "TEXT DEST", FILESYSTEM, "a private read-only file at DEST that holds TEXT, no secret", OWN, .value = OP_DATA, .mode = 0600, .traits = MOUNTS | READ_ONLY | TAKES_PERMS),
};
/* clang-format on */
const struct option_rows fs_option_rows = { rows, ARRAY_SIZE(rows) };

problem fs_options_check(const struct plan *plan, const struct shape *shape)
{
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct op *op = &plan->root.ops[i];
		unsigned long namespaces = shape->namespaces | shape->second_namespaces;
		if (op->kind == OP_SYS && !(namespaces & CLONE_NEWNET))
			return problem_at(
				op->position,
				"needs --unshare-net: it shows the network of a new namespace");
		if (op->kind == OP_CGROUP2 && !(namespaces & CLONE_NEWCGROUP))
			return problem_at(
				op->position,
				"needs --unshare-cgroup: it shows the groups of a new namespace");
	}
	return NULL;
}
