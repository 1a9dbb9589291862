/* modifier-options.c - what stands before an operation and changes it: rows, readers, what cannot be right. */
#include "plan/modifier-options.h"

#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "utils.h"

#define ROW(...) OPTION(ROOT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("perms", "OCTAL", FILESYSTEM, "the mode of what the next operation makes", OWN, .value = PERMS, .traits = MODIFIES_NEXT),
	ROW("size", "BYTES", FILESYSTEM, "the size limit of the next --tmpfs", OWN, .value = SIZE, .traits = MODIFIES_NEXT),
	ROW("inodes", "N", FILESYSTEM, "how many files the next --tmpfs can hold, itself included", OWN, .value = INODES, .traits = MODIFIES_NEXT),
	ROW("propagation", "TYPE", FILESYSTEM, "private or slave: do mounts of the host appear later in the next bind", OWN, .value = PROPAGATION, .choices = "private slave", .traits = MODIFIES_NEXT),
};
/* clang-format on */
const struct option_rows modifier_option_rows = { rows, ARRAY_SIZE(rows) };

/* What it waits for: an operation with this trait. */
static const struct {
	uint32_t trait;
	char text[112]; /* not pointers: see struct option_row */
} awaited[N_MODIFIERS] = {
	[PERMS] = { TAKES_PERMS,
		    "an operation that makes something: --dir, --tmpfs, --file, --bind-data or --ro-bind-data" },
	[SIZE] = { TAKES_SIZE, "--tmpfs" },
	[INODES] = { TAKES_SIZE, "--tmpfs" },
	[PROPAGATION] = { TAKES_PROPAGATION, "a bind" },
};

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
	case N_MODIFIERS:
		break;
	}
	return NULL;
}

void modifier_options_take(struct reader *reader, const struct option_row *row, struct op *op)
{
	struct modifiers *modifiers = &reader->modifiers;
	for (size_t i = 0; i < N_MODIFIERS; i++) {
		if (!modifiers->waiting[i].argument || !(row->traits & awaited[i].trait))
			continue;
		modifiers->waiting[i].argument = 0;
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
		case N_MODIFIERS:
			break;
		}
	}
}

problem modifier_options_check_waiting(const struct reader *reader)
{
	for (size_t i = 0; i < N_MODIFIERS; i++)
		if (reader->modifiers.waiting[i].argument)
			return problem_at(reader->modifiers.waiting[i], "must be followed by %s",
					  awaited[i].text);
	return NULL;
}
