/* modifier-options.c - what stands before an operation and changes it: rows, readers, what cannot be right. */
#include "plan/modifier-options.h"

#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "plan/shape.h"
#include "sys/kernel.h"
#include "utils.h"

#include <string.h>

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("perms", "OCTAL", FILESYSTEM, "the mode of what the next operation makes", OWN, .value = PERMS, .traits = MODIFIES_NEXT),
	ROW("size", "BYTES", FILESYSTEM, "the size limit of the next --tmpfs", OWN, .value = SIZE, .traits = MODIFIES_NEXT),
	ROW("inodes", "N", FILESYSTEM, "how many files the next --tmpfs can hold, itself included", OWN, .value = INODES, .traits = MODIFIES_NEXT),
	ROW("propagation", "TYPE", FILESYSTEM, "private or slave: do mounts of the host appear later in the next bind", OWN, .value = PROPAGATION, .choices = "private slave", .traits = MODIFIES_NEXT),
	ROW("mount-flags", "LIST", FILESYSTEM, "noexec, nosuid, nodev, nosymfollow, ro, noatime for the next mount", OWN, .value = MOUNT_FLAGS, .traits = MODIFIES_NEXT),
};
/* clang-format on */
const struct option_rows modifier_option_rows = { rows, ARRAY_SIZE(rows) };

/* What it waits for: an operation with this trait. */
static const struct {
	uint32_t trait;
	char text[112]; /* not pointers: see struct option_row */
} awaited[N_MODIFIERS] = {
	[PERMS] = { TAKES_PERMS,
		    "an operation that makes something: --dir, --tmpfs, --file, --bind-data, --ro-bind-data, --data or --unix-out" },
	[SIZE] = { TAKES_SIZE, "--tmpfs" },
	[INODES] = { TAKES_SIZE, "--tmpfs" },
	[PROPAGATION] = { TAKES_PROPAGATION, "a bind" },
	[MOUNT_FLAGS] = { MOUNTS, "an operation that mounts something" },
};

static const struct {
	char name[12];
	uint32_t flag;
} mount_flags[] = {
	{ "noexec", MOUNT_ATTR_NOEXEC }, { "nosuid", MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV },   { "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", MOUNT_ATTR_RDONLY },     { "noatime", MOUNT_ATTR_NOATIME },
};

static problem read_mount_flags(struct position position, const char *word, uint32_t *ret_flags)
{
	*ret_flags = 0;
	for (;; word++) {
		size_t length = strcspn(word, ","), i = 0;
		while (i < ARRAY_SIZE(mount_flags) &&
		       (strlen(mount_flags[i].name) != length ||
			strncmp(mount_flags[i].name, word, length) != 0))
			i++;
		if (i == ARRAY_SIZE(mount_flags))
			return problem_at(
				position,
				"Invalid mount flag: \"%s\" is none of noexec, nosuid, nodev, nosymfollow, ro and noatime",
				arena_copy(word, length));
		if (*ret_flags & mount_flags[i].flag)
			return problem_at(position, "%s is there twice", mount_flags[i].name);
		*ret_flags |= mount_flags[i].flag;
		word += length;
		if (!*word)
			return NULL;
	}
}

static problem take_mount_flags(const struct reader *reader, struct op *op)
{
	const struct modifiers *modifiers = &reader->modifiers;
	op->mount_flags = modifiers->mount_flags;
	op->read_only |= op->mount_flags & MOUNT_ATTR_RDONLY;
	/* What the host mounts there later would not have them. */
	if (op->propagation == PROPAGATION_DEFAULT &&
	    op->mount_flags & ~(uint32_t) MOUNT_ATTR_NOATIME)
		op->propagation = PROPAGATION_PRIVATE;
	if (op->mount_flags & MOUNT_ATTR_NODEV && (op->devices || op->kind == OP_DEV))
		return problem_at(modifiers->waiting[MOUNT_FLAGS],
				  "nodev is the opposite of what %s is for", op->position.option);
	if (op->kind == OP_OVERLAY && op->read_only && reader->overlay.changes.fd >= 0)
		return problem_at(reader->overlay.changes.position,
				  "nothing can change in what is mounted ro");
	return NULL;
}

static problem read_inodes(struct position position, const char *word, uint64_t *ret_number)
{
	/* The kernel reserves a kilobyte of its counter for each (shmem_parse_one(), 6.6). */
	uint64_t max = SIZE_MAX / 1024;
	if (parse_size(word, max, ret_number) && *ret_number > 0)
		return NULL;
	return problem_at(
		position,
		"Invalid number of inodes: %s is not a number from 1 to %llu, which may have K, M, G or T behind it",
		word, (unsigned long long) max);
}

static problem read_propagation(struct position position, const struct option_row *row,
				const char *word, enum propagation *ret_propagation)
{
	static const enum propagation chosen[] = { PROPAGATION_PRIVATE, PROPAGATION_SLAVE };
	int choice = operand_choice(row->choices, word);
	if (choice < 0)
		return problem_at(position, "Invalid propagation: %s is neither private nor slave",
				  word);
	*ret_propagation = chosen[choice];
	return NULL;
}

problem modifier_options_read(struct reader *reader, const struct option_row *row, const char *word,
			      struct position position)
{
	struct modifiers *modifiers = &reader->modifiers;
	problem bad = operand_once(position, modifiers->waiting[row->value]);
	if (bad)
		return bad;
	modifiers->waiting[row->value] = position;
	switch ((enum modifier) row->value) {
	case PERMS:
		return operand_mode(position, word, &modifiers->perms);
	case SIZE:
		return operand_size(position, word, &modifiers->size_bytes);
	case INODES:
		return read_inodes(position, word, &modifiers->n_inodes);
	case PROPAGATION:
		return read_propagation(position, row, word, &modifiers->propagation);
	case MOUNT_FLAGS:
		return read_mount_flags(position, word, &modifiers->mount_flags);
	case N_MODIFIERS:
		break;
	}
	return NULL;
}

problem modifier_options_take(struct reader *reader, const struct option_row *row, struct op *op)
{
	struct modifiers *modifiers = &reader->modifiers;
	problem bad = NULL;
	for (size_t i = 0; i < N_MODIFIERS; i++) {
		if (!modifiers->waiting[i].argument || !(row->traits & awaited[i].trait))
			continue;
		switch ((enum modifier) i) {
		case PERMS:
			op->mode = modifiers->perms;
			break;
		case SIZE:
			op->size_bytes = modifiers->size_bytes;
			break;
		case INODES:
			op->n_inodes = modifiers->n_inodes;
			break;
		case PROPAGATION:
			op->propagation = modifiers->propagation;
			break;
		case MOUNT_FLAGS: /* behind PROPAGATION */
			bad = take_mount_flags(reader, op);
			break;
		case N_MODIFIERS:
			break;
		}
		modifiers->waiting[i].argument = 0;
	}
	return bad;
}

problem modifier_options_check_waiting(const struct reader *reader)
{
	for (size_t i = 0; i < N_MODIFIERS; i++)
		if (reader->modifiers.waiting[i].argument)
			return problem_at(reader->modifiers.waiting[i], "must be followed by %s",
					  awaited[i].text);
	return NULL;
}

/* A mount of the host's, which a user namespace has locked with the access times that it keeps; procfs and
 * sysfs, too, are mounted there only with those of the one that is visible (mnt_already_visible()). */
static bool keeps_atime(const struct plan *plan, const struct shape *shape, const struct op *op)
{
	return (op->kind == OP_BIND || op->kind == OP_BIND_INNER || op->kind == OP_PROC ||
		op->kind == OP_PROC_PID || op->kind == OP_PROC_TRY || op->kind == OP_SYS) &&
	       (shape->user_namespace || plan->ns.userns.fd >= 0);
}

problem modifier_options_check(const struct plan *plan, const struct shape *shape)
{
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		const struct op *op = &plan->root.ops[i];
		if (op->mount_flags & MOUNT_ATTR_NOATIME && keeps_atime(plan, shape, op))
			return problem_at(
				op->position,
				"--mount-flags noatime: in a user namespace the kernel lets nobody change it for a mount of the host's");
	}
	return NULL;
}

const char *modifier_options_flags_text(const struct op *op)
{
	struct text text = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++)
		if (op->mount_flags & mount_flags[i].flag)
			text_add(&text, "%s%s", text.length ? "," : "", mount_flags[i].name);
	return text.bytes;
}
