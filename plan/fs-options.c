/* fs-options.c - more operations on the new root: rows, and what cannot be right. */
#include "plan/fs-options.h"

#include "plan/ns-options.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/shape.h"
#include "utils.h"

#include <sched.h>
#include <string.h>

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
	ROW("dev-add", "NAME", FILESYSTEM, "put dri, kvm, fuse, tun, snd, video, nvidia or a node into --dev", OWN, .value = DEV_ADD),
	ROW("dev-add-try", "NAME", FILESYSTEM, "the same, skipped where there is none", OWN, .value = DEV_ADD, .traits = SKIP_MISSING),
	ROW("unix-out", "PATH TARGET", FILESYSTEM, "a socket at PATH inside that leads to TARGET outside", OWN, .value = OP_SOCKET, .use = USE_OWN, .mode = 0600, .supervised = 12, .traits = MOUNTS | TAKES_PERMS),
	ROW("data", "TEXT DEST", FILESYSTEM, "a private read-only file at DEST that holds TEXT, no secret", OWN, .value = OP_DATA, .mode = 0600, .traits = MOUNTS | READ_ONLY | TAKES_PERMS),
};
/* clang-format on */
const struct option_rows fs_option_rows = { rows, ARRAY_SIZE(rows) };

/* Whether it is a name below /dev, and not one that --dev has a use for. */
static bool can_be_added(const char *name)
{
	static const char taken[][8] = { "console", "ptmx",   "pts", "shm", "stdin",
					 "stdout",  "stderr", "fd",  "core" };
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (strncmp(name, taken[i], strcspn(name, "/")) == 0 &&
		    strlen(taken[i]) == strcspn(name, "/"))
			return false;
	for (const char *part = name;; part++) {
		size_t length = strcspn(part, "/");
		if (length == 0 || (length <= 2 && strspn(part, ".") == length))
			return false;
		part += length;
		if (!*part)
			return true;
	}
}

problem fs_options_add_device(struct reader *reader, const struct option_row *row, const char *name,
			      struct position position)
{
	struct root_plan *root = &reader->plan->root;
	size_t i = root->n_ops;
	while (i && root->ops[i - 1].kind != OP_DEV)
		i--;
	if (!i)
		return problem_at(position, "there is no --dev before it to put %s into", name);
	if (strncmp(name, "/dev/", 5) == 0 && can_be_added(name + 5))
		return problem_at(
			position,
			"Invalid device: \"%s\" is a path; names are those below /dev: write %s",
			name, name + 5);
	if (!can_be_added(name))
		return problem_at(
			position,
			"Invalid device: \"%s\" is neither a group nor the name of a node below /dev that --dev has no use for",
			name);
	struct op *dev = &root->ops[i - 1];
	dev->added =
		arena_grow(dev->added, dev->n_added, &dev->capacity_added, sizeof(*dev->added));
	dev->added[dev->n_added++] =
		(struct added_device){ name, row->traits & SKIP_MISSING, position };
	return NULL;
}

const char *fs_options_dev_text(const struct op *op)
{
	struct text text = { 0 };
	text_add(&text, "a small /dev at %s", op->inner_path);
	for (size_t i = 0; i < op->n_added; i++)
		text_add(&text, "%s%s%s", i ? ", " : ", with ", op->added[i].name,
			 op->added[i].skip_missing ? " if it is there" : "");
	return text.bytes;
}

problem fs_options_check(const struct plan *plan, const struct shape *shape)
{
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct op *op = &plan->root.ops[i];
		const char *taken_back = ns_options_taken_back(plan);
		unsigned long namespaces = shape->namespaces | shape->second_namespaces;
		if (op->kind == OP_SYS && !(namespaces & CLONE_NEWNET) && plan->ns.netns.fd < 0)
			return problem_at(
				op->position,
				"needs --unshare-net%s or --netns: it shows the network of that namespace",
				*taken_back ? arena_join(taken_back, ",") : "");
		if (op->kind == OP_CGROUP2 && !(namespaces & CLONE_NEWCGROUP) &&
		    plan->ns.cgroupns.fd < 0)
			return problem_at(
				op->position,
				"needs --unshare-cgroup or --cgroupns: it shows the groups of that namespace");
	}
	return NULL;
}
