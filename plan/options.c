/* options.c - argv in, plan out: the engine. Each subject has its options' rows in a file of its own; they
 * are the only place where an option is spelt. --help, the completions, the man page's headings and the
 * tests are made from them or checked against them.
 *
 * This room is pure: it asks the world nothing but through struct option_io (is a descriptor open; read
 * the words behind --args), returns problems instead of ending the process, and changes nothing but
 * the plan.
 */
#include "plan/options.h"

#include "plan/command-options.h"
#include "plan/descriptors.h"
#include "plan/etc-options.h"
#include "plan/filter-options.h"
#include "plan/fs-options.h"
#include "plan/given.h"
#include "plan/landlock-options.h"
#include "plan/limit-options.h"
#include "plan/map-options.h"
#include "plan/mask-options.h"
#include "plan/mistakes.h"
#include "plan/modifier-options.h"
#include "plan/net-options.h"
#include "plan/ns-options.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/overlay-options.h"
#include "plan/pasta-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "plan/report-options.h"
#include "plan/root-options.h"
#include "utils.h"

#include <errno.h>
#include <string.h>

enum { HELP, VERSION, ARGS };

#define ROW(...) OPTION(LINE, __VA_ARGS__)
/* clang-format off */
static const struct option_row line_rows[] = {
	ROW("help", "", GENERAL, "print this help and exit", OWN, .value = HELP),
	ROW("version", "", GENERAL, "print the version and exit", OWN, .value = VERSION),
	ROW("args", "FD", GENERAL, "read NUL-separated options from FD, in place", OWN, .value = ARGS, .use = USE_DRAINED, .traits = WANTS_END),
	ROW("dry-run", "", GENERAL, "check the line, tell what would be done, do nothing", FLAG, AT(dry_run)),
	ROW("check", "", GENERAL, "try what a sandbox needs, or this line; tell the cure", FLAG, AT(look.check)),
	ROW("check-json", "FD", GENERAL, "the same, written to FD as JSON", FD, AT(look.check_json), .use = USE_OWN, .traits = WRITES),
	ROW("features", "", GENERAL, "tell what this machine offers", FLAG, AT(look.features)),
	ROW("features-json", "FD", GENERAL, "the same, written to FD as JSON", FD, AT(look.features_json), .use = USE_OWN, .traits = WRITES),
	ROW("verbose", "", GENERAL, "tell each step on stderr as it happens", FLAG, AT(verbose)),
	ROW("level-prefix", "", GENERAL, "begin errors with <3> and warnings with <4>", FLAG, AT(level_prefix)),
};
/* clang-format on */
static const struct option_rows line_option_rows = { line_rows, ARRAY_SIZE(line_rows) };

/* In the order of --help. */
static const struct option_rows *const tables[] = {
	&line_option_rows,     &ns_option_rows,    &map_option_rows,     &net_option_rows,
	&pasta_option_rows,    &bind_option_rows,  &overlay_option_rows, &root_option_rows,
	&mask_option_rows,     &fs_option_rows,    &etc_option_rows,     &modifier_option_rows,
	&command_option_rows,  &guard_option_rows, &process_option_rows, &filter_option_rows,
	&landlock_option_rows, &limit_option_rows, &report_option_rows,
};

const char *const option_group_titles[N_OPTION_GROUPS] = {
	[GROUP_GENERAL] = "General",
	[GROUP_NAMESPACES] = "Namespaces and identity",
	[GROUP_FILESYSTEM] = "File system, in the order given",
	[GROUP_COMMAND] = "The command and its surroundings",
	[GROUP_SECURITY] = "Privileges",
	[GROUP_LIMITS] = "Limits",
	[GROUP_DESCRIPTORS] = "Descriptors for the caller",
};

const struct option_row *options_next(struct option_walk *walk)
{
	for (; walk->table < ARRAY_SIZE(tables); walk->table++, walk->row = 0)
		if (walk->row < tables[walk->table]->n)
			return &tables[walk->table]->rows[walk->row++];
	return NULL;
}

const struct option_row *options_find(const char *name)
{
	struct option_walk walk = { 0 };
	const struct option_row *row;
	bool has_dashes = name[0] == '-' && name[1] == '-'; /* as all rows have */
	while (has_dashes && (row = options_next(&walk)))
		if (row->name[2] == name[2] && streq(row->name, name))
			return row;
	return NULL;
}

bool options_in_force(const struct plan *plan, const struct option_row *row)
{
	const void *field = (const char *) plan + row->field;
	switch ((enum option_form) row->form) {
	case FORM_FLAG:
		return *(const bool *) field;
	case FORM_WANT:
		return *(const enum want *) field >= row->value;
	default:
		return options_given(plan, row->name);
	}
}

static size_t count_words(const char *words)
{
	size_t n = *words != '\0';
	for (; *words; words++)
		n += *words == ' ';
	return n;
}

/* ---- --args ---- */

static problem read_words(struct reader *reader, char *const *words, size_t n_words,
			  struct position args_place, size_t *ret_used);

static problem read_args_fd(struct reader *reader, const struct option_row *row, const char *word,
			    struct position position)
{
	if (position.args_word)
		return problem_at(position, "--args cannot stand inside what another --args reads");
	int fd;
	problem bad = fds_read(reader->plan, reader->io, row, position, word, &fd);
	if (bad)
		return bad;
	char *bytes;
	size_t length;
	if (!reader->io->read_fd(fd, &bytes, &length))
		return problem_at(position, "Can't read --args data from descriptor %d: %s", fd,
				  errno_text(errno));

	size_t n_words = 0;
	for (size_t i = 0; i < length; i++)
		n_words += bytes[i] == '\0';
	if (length && bytes[length - 1] != '\0')
		n_words++; /* the last NUL is optional */
	char **words = arena_alloc((n_words + 1) * sizeof(*words));
	for (size_t i = 0; i < n_words; i++) {
		words[i] = bytes;
		bytes += strlen(bytes) + 1;
	}
	size_t used;
	return read_words(reader, words, n_words, position, &used);
}

static problem read_line_option(struct reader *reader, const struct option_row *row,
				char *const *words, struct position position)
{
	if (row->value == ARGS)
		return read_args_fd(reader, row, words[0], position);
	reader->reading = row->value == HELP ? READ_HELP : READ_VERSION;
	return NULL;
}

/* ---- one option ---- */

static bool last_one_wins(const struct option_row *row)
{
	return row->traits & LAST_WINS || row->form == FORM_WORD || row->form == FORM_FD ||
	       row->form == FORM_SECONDS;
}

static problem read_fd(struct reader *reader, const struct option_row *row, struct fd_at *field,
		       const char *word, struct position position)
{
	fds_supersede(reader->plan, row);
	field->position = position;
	return fds_read(reader->plan, reader->io, row, position, word, &field->fd);
}

static problem add_fd(struct reader *reader, const struct option_row *row, struct fds_at *list,
		      const char *word, struct position position)
{
	struct fd_at fd = { .position = position };
	problem bad = fds_read(reader->plan, reader->io, row, position, word, &fd.fd);
	if (bad)
		return bad;
	list->items = arena_grow(list->items, list->n, &list->capacity, sizeof(fd));
	list->items[list->n++] = fd;
	return NULL;
}

static problem read_own(struct reader *reader, const struct option_row *row, char *const *words,
			struct position position)
{
	switch ((enum option_subject) row->subject) {
	case OF_LINE:
		return read_line_option(reader, row, words, position);
	case OF_NS:
		return ns_options_read(reader, row, words, position);
	case OF_MAPS:
		return map_options_read(reader, row, words, position);
	case OF_NET:
		return net_options_read(reader, row, words, position);
	case OF_PASTA:
		return pasta_options_read(reader, row, words, position);
	case OF_ROOT:
		return root_options_read(reader, row, words, position);
	case OF_OVERLAY:
		return overlay_options_read(reader, row, words, position);
	case OF_COMMAND:
		return command_options_read(reader, row, words, position);
	case OF_FILTER:
		return filter_options_read(reader, row, words, position);
	case OF_LANDLOCK:
		return landlock_options_read(reader, row, words, position);
	case OF_LIMIT:
		return limit_options_read(reader, row, words, position);
	case OF_REPORT:
		return report_options_read(reader, row, words, position);
	}
	return NULL;
}

/* One option and its words. The last one wins, and whoever gave the others is told. */
static problem read_option(struct reader *reader, const struct option_row *row, char *const *words,
			   struct position position)
{
	struct plan *plan = reader->plan;
	void *field = (char *) plan + row->field;
	if (!options_note(plan, row, position)) {
		if (row->traits & ONCE)
			return problem_at(position, "%s can be given only once", row->name);
		if (last_one_wins(row))
			options_warn(plan, arena_printf("Only the last %s option will take effect",
							row->name));
	}
	switch ((enum option_form) row->form) {
	case FORM_FLAG:
		*(bool *) field = true;
		return NULL;
	case FORM_WANT:
		if (*(enum want *) field < row->value)
			*(enum want *) field = (enum want) row->value;
		return NULL;
	case FORM_WORD:
		*(const char **) field = words[0];
		return streq(row->words, "DIR") || streq(row->words, "PATH")
			       ? operand_path(position, row->words, words[0])
			       : NULL;
	case FORM_FD:
		return read_fd(reader, row, field, words[0], position);
	case FORM_FDS:
		return add_fd(reader, row, field, words[0], position);
	case FORM_SECONDS:
		return operand_seconds(position, words[0], row->value, field);
	case FORM_OWN:
		return read_own(reader, row, words, position);
	}
	return NULL;
}

/* ---- the line ---- */

/* Reads options until the words end, a COMMAND begins, or --help is met. `args_place` is that of
 * --args when the words came from there. */
static problem read_words(struct reader *reader, char *const *words, size_t n_words,
			  struct position args_place, size_t *ret_used)
{
	size_t i = 0;
	problem bad = NULL;
	bool in_args = args_place.argument != 0;
	while (!bad && i < n_words && reader->reading == READ_PLAN) {
		struct position position = { .option = words[i],
					     .argument = in_args ? args_place.argument
								 : (unsigned) i + 1,
					     .args_word = in_args ? (unsigned) i + 1 : 0 };
		bool ends = streq(words[i], "--");
		if (ends || words[i][0] != '-') {
			if (in_args)
				return problem_at(position,
						  "%s cannot come out of --args: only options can",
						  ends ? "--" : "COMMAND");
			i += ends;
			break;
		}
		const struct option_row *row = options_find(words[i]);
		if (!row)
			return arena_printf(
				"Unknown option %s%s", position_text(position),
				mistakes_unknown_option(words[i], in_args, options_next));
		position.option = row->name;
		size_t n_needed = count_words(row->words);
		if (n_words - i - 1 < n_needed)
			return problem_at(position, "takes %s, but the line ends before %s",
					  row->words, n_needed == 1 ? "it" : "all of it");
		bad = read_option(reader, row, words + i + 1, position);
		if (!bad &&
		    !(row->traits & MODIFIES_NEXT ||
		      (row->subject == OF_LINE && row->value == ARGS && row->form == FORM_OWN)))
			bad = root_options_check_waiting(reader);
		i += 1 + n_needed;
	}
	*ret_used = i;
	return bad ? bad : reader->reading == READ_PLAN ? root_options_check_waiting(reader) : NULL;
}

/* What no option gives: a descriptor's field is -1 then, for 0 is one. */
static void set_defaults(struct plan *plan)
{
	struct option_walk walk = { 0 };
	*plan = (struct plan){
		.filter.policy.deny_action = POLICY_DEFAULT_ACTION,
		.limit.kill_after_ms = 5000,
	};
	for (const struct option_row *row; (row = options_next(&walk));)
		if (row->form == FORM_FD)
			((struct fd_at *) ((char *) plan + row->field))->fd = -1;
}

problem options_read(int argc, char *const argv[], const struct option_io *io, struct plan *plan,
		     enum reading *ret_reading)
{
	set_defaults(plan);
	/* No list but these is walked by pointers, and NULL + 0 is undefined. (C17 6.5.6) */
	plan->root.ops = arena_grow(NULL, 0, &plan->root.capacity_ops, sizeof(*plan->root.ops));
	plan->given = arena_grow(NULL, 0, &plan->capacity_given, sizeof(*plan->given));
	struct reader reader = { .plan = plan, .io = io, .reading = READ_PLAN };
	overlay_options_forget(&reader);
	size_t n_words = argc > 1 ? (size_t) argc - 1 : 0, used = 0;
	char *const *words = argv + (argc > 0);
	problem bad = read_words(&reader, words, n_words, (struct position){ 0 }, &used);
	if (!bad)
		bad = fds_check(plan);
	if (bad)
		return bad;
	*ret_reading = reader.reading;
	if (reader.reading == READ_PLAN && used == n_words)
		*ret_reading = READ_NOTHING;
	plan->command.argv = words + used;
	plan->command.argument = (unsigned) used + 1;
	return NULL;
}

static const char *first_line(const char *program)
{
	char *shown = arena_alloc(4 * strlen(program) + 1);
	escape_controls(program, strlen(program), shown);
	return arena_printf("usage: %s [OPTIONS...] [--] COMMAND [ARGS...]\n", shown);
}

const char *options_usage(const char *program)
{
	return arena_join(
		first_line(program),
		"as in  --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-all sh\n--help lists the options, man bwrapish tells what they do\n");
}

const char *options_help(const char *program)
{
	struct text text = { 0 };
	text_add(&text, "%s", first_line(program));
	for (enum option_group group = 0; group < N_OPTION_GROUPS; group++) {
		struct option_walk walk = { 0 };
		text_add(&text, "\n%s:\n", option_group_titles[group]);
		for (const struct option_row *row; (row = options_next(&walk));)
			if (row->group == group)
				text_add(&text, "  %-28s %s\n",
					 arena_printf("%s%s%s", row->name, *row->words ? " " : "",
						      row->words),
					 row->help);
	}
	text_add(
		&text,
		"\nman bwrapish: each option in full, with examples, what an error means, what is protected\n");
	return text.bytes;
}
