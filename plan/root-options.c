/* root-options.c - operations on the new root as the line asks for them: rows, readers, words. */
#include "plan/root-options.h"

#include "plan/cover.h"
#include "plan/descriptors.h"
#include "plan/etc-options.h"
#include "plan/fs-options.h"
#include "plan/lines.h"
#include "plan/mask-options.h"
#include "plan/modifier-options.h"
#include "plan/net-options.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/overlay-options.h"
#include "plan/pattern.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "plan/shape.h"
#include "utils.h"

#include <string.h>

/* The value of an operation is its enum op_kind. */
#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row bind_rows[] = {
	ROW("bind", "SRC DEST", FILESYSTEM, "show the host's SRC at DEST", OWN, .value = OP_BIND, .traits = MOUNTS | TAKES_PROPAGATION),
	ROW("bind-try", "SRC DEST", FILESYSTEM, "the same, skipped where SRC does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("dev-bind", "SRC DEST", FILESYSTEM, "as --bind, with device nodes that work", OWN, .value = OP_BIND, .traits = MOUNTS | DEVICES | TAKES_PROPAGATION),
	ROW("dev-bind-try", "SRC DEST", FILESYSTEM, "the same, skipped where SRC does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | DEVICES | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("ro-bind", "SRC DEST", FILESYSTEM, "show the host's SRC read-only at DEST", OWN, .value = OP_BIND, .traits = MOUNTS | READ_ONLY | TAKES_PROPAGATION),
	ROW("ro-bind-try", "SRC DEST", FILESYSTEM, "the same, skipped where SRC does not exist", OWN, .value = OP_BIND, .traits = MOUNTS | READ_ONLY | SKIP_MISSING | TAKES_PROPAGATION),
	ROW("bind-fd", "FD DEST", FILESYSTEM, "as --bind, for the file or directory that FD refers to", OWN, .value = OP_BIND, .use = USE_SHOWN, .traits = MOUNTS | TAKES_PROPAGATION),
	ROW("ro-bind-fd", "FD DEST", FILESYSTEM, "the same, read-only", OWN, .value = OP_BIND, .use = USE_SHOWN, .traits = MOUNTS | READ_ONLY | TAKES_PROPAGATION),
};
static const struct option_row rows[] = {
	ROW("remount-ro", "DEST", FILESYSTEM, "make the mount at DEST read-only, not those below it", OWN, .value = OP_REMOUNT_RO),
	ROW("proc", "DEST", FILESYSTEM, "procfs at DEST", OWN, .value = OP_PROC, .traits = MOUNTS),
	ROW("proc-pid", "DEST", FILESYSTEM, "the same with processes and nothing else in it (subset=pid)", OWN, .value = OP_PROC_PID, .traits = MOUNTS),
	ROW("proc-try", "DEST", FILESYSTEM, "procfs at DEST, or what there can be of it", OWN, .value = OP_PROC_TRY, .traits = MOUNTS),
	ROW("dev", "DEST", FILESYSTEM, "a small /dev at DEST", OWN, .value = OP_DEV, .mode = 0755, .traits = MOUNTS),
	ROW("tmpfs", "DEST", FILESYSTEM, "an empty tmpfs at DEST", OWN, .value = OP_TMPFS, .mode = 0755, .traits = MOUNTS | TAKES_PERMS | TAKES_SIZE),
	ROW("mqueue", "DEST", FILESYSTEM, "POSIX message queues at DEST", OWN, .value = OP_MQUEUE, .traits = MOUNTS),
	ROW("dir", "DEST", FILESYSTEM, "a directory at DEST", OWN, .value = OP_DIR, .mode = 0755, .traits = TAKES_PERMS),
	ROW("file", "FD DEST", FILESYSTEM, "a copy of what FD holds, written to DEST", OWN, .value = OP_FILE, .use = USE_COPIED, .mode = 0666, .traits = WANTS_END | TAKES_PERMS),
	ROW("bind-data", "FD DEST", FILESYSTEM, "a private copy of what FD holds, shown at DEST", OWN, .value = OP_DATA, .use = USE_COPIED, .mode = 0600, .traits = WANTS_END | MOUNTS | TAKES_PERMS),
	ROW("ro-bind-data", "FD DEST", FILESYSTEM, "the same, read-only", OWN, .value = OP_DATA, .use = USE_COPIED, .mode = 0600, .traits = WANTS_END | MOUNTS | READ_ONLY | TAKES_PERMS),
	ROW("symlink", "SRC DEST", FILESYSTEM, "a symbolic link at DEST that says SRC", OWN, .value = OP_SYMLINK),
	ROW("chmod", "OCTAL PATH", FILESYSTEM, "change the mode of what is at PATH", OWN, .value = OP_CHMOD),
	ROW("file-label", "LABEL", FILESYSTEM, "SELinux label of what is made", WORD, AT(root.file_label)),
	ROW("not-a-security-boundary", "", FILESYSTEM, "only warn where a submount's flags cannot be set", FLAG, AT(root.tolerate_submounts)),
};
/* clang-format on */
const struct option_rows bind_option_rows = { bind_rows, ARRAY_SIZE(bind_rows) };
const struct option_rows root_option_rows = { rows, ARRAY_SIZE(rows) };

problem root_options_check_waiting(const struct reader *reader)
{
	problem bad = modifier_options_check_waiting(reader);
	if (bad)
		return bad;
	if (reader->overlay_position.argument)
		return arena_printf(
			"%s must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay, at %s",
			reader->overlay_position.option, position_text(reader->overlay_position));
	return NULL;
}

/* ---- operations ---- */

static bool is_operand(const char *name, size_t length, const char *wanted)
{
	return strlen(wanted) == length && strncmp(name, wanted, length) == 0;
}

/* `name`, of `length`, is what the row calls the word. */
static problem read_op_word(struct reader *reader, const struct option_row *row, const char *name,
			    size_t length, const char *word, struct op *op)
{
	if (is_operand(name, length, "FD"))
		return fds_read(reader->plan, reader->io, row, op->position, word, &op->outer_fd);
	if (is_operand(name, length, "OCTAL"))
		return operand_mode(op->position, word, &op->mode);
	if (is_operand(name, length, "TARGET")) {
		op->text = word;
		return net_options_add_target(reader, row, word, op->position, &op->passage);
	}
	if (op->kind == OP_RESOLV_CONF || op->kind == OP_HOSTS)
		return etc_options_read(row, word, op);
	if (is_operand(name, length, "TEXT")) {
		op->text = word;
		return NULL;
	}
	if (is_operand(name, length, "SRC") &&
	    op->kind == OP_SYMLINK) { /* any text, but not none */
		op->text = word;
		return *word ? NULL : problem_at(op->position, "SRC is an empty path");
	}
	if (is_operand(name, length, "PATH") && op->kind == OP_BIND) {
		op->outer_path = op->inner_path = word;
		return operand_absolute(op->position, "PATH", word);
	}
	if (is_operand(name, length, "PATTERN")) {
		struct pattern *pattern = arena_alloc(sizeof(*pattern));
		op->pattern = pattern;
		op->inner_path = word;
		problem bad = operand_absolute(op->position, "PATTERN", word);
		return bad ? bad
			   : pattern_read(op->position, word,
					  op->kind == OP_MASK ? "--mask" : "--protect", pattern);
	}
	const char **path = is_operand(name, length, "SRC") && op->kind == OP_BIND_INNER
				    ? &op->inner_source
			    : is_operand(name, length, "SRC")     ? &op->outer_path
			    : is_operand(name, length, "RWSRC")   ? &reader->overlay.upper.path
			    : is_operand(name, length, "WORKDIR") ? &reader->overlay.work.path
								  : &op->inner_path;
	*path = word;
	const char *kind = arena_copy(name, length);
	return plan_is_mask(op) ? operand_absolute(op->position, kind, word)
				: operand_path(op->position, kind, word);
}

static problem read_op(struct reader *reader, const struct option_row *row, char *const *words,
		       struct position position)
{
	struct root_plan *root = &reader->plan->root;
	struct op op = {
		.kind = (enum op_kind) row->value,
		.read_only = row->traits & READ_ONLY,
		.devices = row->traits & DEVICES,
		.skip_missing = row->traits & SKIP_MISSING,
		.makes_source = row->traits & MAKES_SOURCE,
		.mode = row->mode,
		.outer_fd = -1,
		.position = position,
	};
	problem bad = NULL;
	for (const char *name = row->words; !bad && *name; name += strspn(name, " ")) {
		size_t length = strcspn(name, " ");
		bad = read_op_word(reader, row, name, length, *words++, &op);
		name += length;
	}
	if (!bad)
		bad = modifier_options_take(reader, row, &op);
	if (!bad && op.kind == OP_OVERLAY)
		bad = overlay_options_take(reader, row, &op);
	if (bad)
		return bad;
	/* Parents are as open as what they lead to: bubblewrap's callers rely on 0700 above binds.
	 */
	mode_t parent_trim = op.kind == OP_CHMOD || op.kind == OP_DEV ? 0 : op.mode;
	op.parent_mode = 0700 | (parent_trim & 0070 ? 0050 : 0) | (parent_trim & 0007 ? 0005 : 0);

	if (etc_options_join(root, &op))
		return NULL;
	root->ops = arena_grow(root->ops, root->n_ops, &root->capacity_ops, sizeof(op));
	root->ops[root->n_ops++] = op;
	return NULL;
}

problem root_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			  struct position position)
{
	if (row->value == DEV_ADD)
		return fs_options_add_device(reader, row, words[0], position);
	return row->traits & MODIFIES_NEXT ? modifier_options_read(reader, row, words[0], position)
					   : read_op(reader, row, words, position);
}

/* ---- in words ---- */

static const char *propagation_text(const struct op *op)
{
	bool private = op->propagation == PROPAGATION_PRIVATE ||
		       (op->propagation == PROPAGATION_DEFAULT && op->read_only);
	return private ? "" : "; mounts that the host adds below it later appear";
}

static const char *tmpfs_text(const struct op *op)
{
	struct text text = { 0 };
	text_add(&text, "an empty tmpfs at %s, mode %04o", op->inner_path, op->mode);
	if (op->size_bytes)
		text_add(&text, ", at most %llu bytes", (unsigned long long) op->size_bytes);
	if (op->n_inodes)
		text_add(&text, ", at most %llu inodes", (unsigned long long) op->n_inodes);
	return text.bytes;
}

static const char *file_text(const struct op *op)
{
	const char *what =
		op->text ? "a text" : arena_printf("what descriptor %d holds", op->outer_fd);
	switch (op->kind) {
	case OP_FILE:
		return arena_printf("write %s to %s, mode %04o", what, op->inner_path, op->mode);
	case OP_DATA:
		return arena_printf("show a private copy of %s %s at %s, mode %04o", what,
				    op->read_only ? "read-only" : "writable", op->inner_path,
				    op->mode);
	default:
		return arena_printf("a socket at %s, mode %04o, that leads to %s", op->inner_path,
				    op->mode, op->text);
	}
}

static const char *op_text(const struct op *op, const struct shape *shape)
{
	const char *to = op->inner_path;
	switch (op->kind) {
	case OP_BIND: {
		const char *what = op->outer_path ? op->outer_path
						  : arena_printf("descriptor %d", op->outer_fd);
		return arena_printf("show the host's %s %s at %s%s%s%s", what,
				    op->read_only ? "read-only" : "writable", to,
				    op->devices ? ", device nodes usable" : "",
				    op->skip_missing   ? ", if it exists"
				    : op->makes_source ? ", made if it does not exist"
						       : "",
				    propagation_text(op));
	}
	case OP_BIND_INNER:
		return arena_printf("show what is at %s inside at %s, too%s", op->inner_source, to,
				    op->read_only ? ", read-only" : "");
	case OP_OVERLAY:
		return overlay_text(op);
	case OP_REMOUNT_RO:
		return arena_printf("make the mount at %s read-only", to);
	case OP_TMPFS:
		return tmpfs_text(op);
	case OP_PROC:
		return shape->new_proc ? arena_printf("a new procfs at %s", to)
				       : arena_printf("the host's /proc at %s", to);
	case OP_PROC_PID:
		return arena_printf("a new procfs of the processes alone at %s", to);
	case OP_PROC_TRY:
		return arena_printf("a new procfs at %s, or one of the processes alone%s", to,
				    shape->new_proc ? "" : ", or the host's /proc");
	case OP_DEV:
		return fs_options_dev_text(op);
	case OP_SYS:
		return arena_printf("a sysfs at %s, read-only", to);
	case OP_CGROUP2:
		return arena_printf(
			"control groups (version 2) at %s, read-only unless the sandbox has its own",
			to);
	case OP_MQUEUE:
		return arena_printf("message queues at %s", to);
	case OP_DIR:
		return arena_printf("a directory at %s, mode %04o", to, op->mode);
	case OP_FILE:
	case OP_DATA:
	case OP_SOCKET:
		return file_text(op);
	case OP_RESOLV_CONF:
	case OP_HOSTS:
		return etc_options_text(op);
	case OP_SYMLINK:
		return arena_printf("a symbolic link at %s to %s", to, op->text);
	case OP_CHMOD:
		return arena_printf("set the mode of %s to %04o", to, op->mode);
	case OP_MASK:
	case OP_PROTECT:
		return mask_text(op);
	}
	return "";
}

const char *plan_op_text(const struct op *op, const struct shape *shape)
{
	const char *flags = modifier_options_flags_text(op), *text = op_text(op, shape);
	return flags ? arena_printf("%s; mounted %s", text, flags) : text;
}

static void explain_mounts_on_overlay(const struct plan *plan, const struct op *overlay,
				      struct text *text)
{
	const char *list = plan_mounts_on_overlay(plan, overlay);
	if (list)
		explain_line(
			text, "",
			"  %sCOMMAND can take off what is mounted there, and finds nothing of the layers behind it: %s",
			overlay->overlay->backend == OVERLAY_FUSE ? ""
								  : "if that is fuse-overlayfs's, ",
			list);
}

void root_options_explain(const struct plan *plan, const struct shape *shape, struct text *text)
{
	if (plan->root.file_label)
		explain_line(text, "", "SELinux label of what is made: %s", plan->root.file_label);
	if (plan->root.tolerate_submounts)
		explain_line(text, "", "a submount whose flags cannot be set is only warned about");
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		explain_line(text, i ? "" : "build", "%s: %s",
			     position_text(plan->root.ops[i].position),
			     plan_op_text(&plan->root.ops[i], shape));
		const char *risk =
			plan_op_risk(plan, &plan->root.ops[i], NULL, shape->userns_disabled);
		if (risk)
			explain_line(text, "", "  %s", risk);
		const char *mistake = plan_op_mistake(plan, &plan->root.ops[i]);
		if (mistake)
			explain_line(text, "", "  %s", mistake);
		if (plan->root.ops[i].overlay)
			explain_mounts_on_overlay(plan, &plan->root.ops[i], text);
	}
	mask_options_explain(plan, shape, text);
}
