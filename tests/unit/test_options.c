/* The grammar: argv in, plan or problem out, through a fake io. */
#include "fake_io.h"
#include "plan/calls.h"
#include "plan/operand.h"

#include <stdio.h>
#include <string.h>

#include "assert_between.h"

static struct plan plan;
static enum reading reading;

static problem read_line(char *const *argv)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	reading = READ_NOTHING;
	return options_read(argc, argv, &fake_io, &plan, &reading);
}
#define LINE(...) ((char *[]){ "bwrapish", __VA_ARGS__, NULL })

/* Descriptor 3 holds these words, each with its NUL but the last. */
#define ARGS(text) fake_fd_holds(3, text, sizeof(text) - 1)

static void assert_good(char *const *argv)
{
	problem bad = read_line(argv);
	if (bad)
		fail_msg("%s", bad);
}
#define GOOD(...) assert_good(LINE(__VA_ARGS__))

static void assert_bad(const char *expected, char *const *argv)
{
	problem bad = read_line(argv);
	if (!bad)
		fail_msg("no problem, but expected: %s", expected);
	assert_string_equal(bad, expected);
}
#define BAD(expected, ...) assert_bad(expected, LINE(__VA_ARGS__))

static int set_up(void **state)
{
	(void) state;
	fake_reset();
	fake_fd_holds(4, "ABC\0EFGHabc\0efgh",
		      16); /* two instructions, for all that the reader can tell */
	return 0;
}

/* ---- rows and their words ---- */

/* A word that an argument of this name can be. */
static char *sample(const char *name, size_t length)
{
	static const struct {
		const char *name, *word;
	} samples[] = {
		{ "FD", "4" },         { "UID", "1" },         { "GID", "1" },
		{ "NAME", "core" },    { "SRC", "/s" },        { "DEST", "/d" },
		{ "DIR", "/" },        { "TYPE", "slave" },    { "PATH", "/p" },
		{ "OCTAL", "755" },    { "BYTES", "4096" },    { "VAR", "V" },
		{ "VALUE", "v" },      { "LABEL", "l" },       { "CAP", "CAP_KILL" },
		{ "KEY", "io.max" },   { "SOFT[:HARD]", "1" }, { "SECONDS", "2" },
		{ "LIST", "read" },    { "ACTION", "EPERM" },  { "PROFILE", "build" },
		{ "RWSRC", "/r" },     { "WORKDIR", "/w" },    { "BACKEND", "kernel" },
		{ "OPT", "volatile" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (strlen(samples[i].name) == length && memcmp(samples[i].name, name, length) == 0)
			return arena_printf("%s", samples[i].word);
	fail_msg("the table has a word that this test does not know: %s", name);
	return NULL;
}

enum { NO_WORD = 99 };

/* Writes the option and its words to argv[1...], `special` in place of word number `at`; returns how many. */
static size_t write_option(const struct option_row *row, char **argv, size_t at,
			   const char *special)
{
	size_t n = 0;
	argv[n++] = arena_printf("%s", row->name);
	for (const char *name = row->words; *name; name += strspn(name, " ")) {
		size_t length = strcspn(name, " ");
		argv[n] = at == n - 1 ? arena_string(special) : sample(name, length);
		n++;
		name += length;
	}
	return n;
}

static bool is_word(const struct option_row *row, size_t at, const char *name)
{
	const char *word = row->words;
	for (; at && word; at--)
		word = strchr(word, ' ') ? strchr(word, ' ') + 1 : NULL;
	size_t length = strlen(name);
	return word && strncmp(word, name, length) == 0 && (word[length] == ' ' || !word[length]);
}

static bool is_modifier(const struct option_row *row)
{
	return streq(row->name, "--perms") || streq(row->name, "--size") ||
	       streq(row->name, "--propagation");
}

/* What is of no use without layers before it. */
static bool is_overlay(const struct option_row *row)
{
	return streq(row->name, "--overlay") || streq(row->name, "--tmp-overlay") ||
	       streq(row->name, "--ro-overlay");
}

/* Writes what the option asks for before it, or behind it. */
static size_t write_company(const struct option_row *row, char **argv, bool before)
{
	size_t n = 0;
	for (int i = 0; i < 2 && before && is_overlay(row); i++) {
		argv[n++] = arena_printf("--overlay-src");
		argv[n++] = arena_printf("/l");
	}
	if (before)
		return n;
	if (is_modifier(row)) {
		bool binds = streq(row->name, "--propagation");
		argv[n++] = arena_printf(binds ? "--bind-fd" : "--tmpfs");
		if (binds)
			argv[n++] = arena_printf("0");
		argv[n++] = arena_printf("/t");
	} else if (strncmp(row->name, "--overlay-", 10) == 0) {
		argv[n++] = arena_printf("--overlay-src");
		argv[n++] = arena_printf("/l");
		argv[n++] = arena_printf("--tmp-overlay");
		argv[n++] = arena_printf("/t");
	}
	return n;
}

static void test_every_option_takes_the_words_of_its_row_and_no_more(void **state)
{
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = option_rows[i];
		char *argv[16] = { "bwrapish" };
		size_t at = 1 + write_company(row, argv + 1, true);
		size_t n = at + write_option(row, argv + at, NO_WORD, NULL);
		n += write_company(row, argv + n, false);
		argv[n] = arena_printf("command");
		set_up(state);
		fake_fd_holds(4, streq(row->name, "--args") ? "--verbose" : "1234567\0",
			      streq(row->name, "--args") ? 9 : 8);
		assert_good(argv);
		if (streq(row->name, "--help") || streq(row->name, "--version"))
			continue;
		assert_int_equal(reading, READ_PLAN);
		assert_ptr_equal(plan.command.argv, argv + n);
		assert_true(options_given(&plan, row->name));
		assert_between(options_position(&plan, row->name).argument, 1, at + 3);
	}
}

static void test_every_option_tells_which_words_are_missing(void **state)
{
	(void) state;
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = option_rows[i];
		char *argv[10] = { "bwrapish" };
		size_t n_words = write_option(row, argv + 1, NO_WORD, NULL) - 1;
		for (size_t n_given = 0; n_given < n_words; n_given++) {
			argv[2 + n_given] = NULL;
			assert_bad(arena_printf(
					   "%s (argument 1): takes %s, but the line ends before %s",
					   row->name, row->words,
					   n_words == 1 ? "it" : "all of it"),
				   argv);
			write_option(row, argv + 1, NO_WORD, NULL);
		}
	}
}

static void test_every_descriptor_has_to_be_open(void **state)
{
	(void) state;
	size_t n_seen = 0;
	for (size_t i = 0; i < n_option_rows; i++)
		for (size_t at = 0; at < 3; at++) {
			if (!is_word(option_rows[i], at, "FD"))
				continue;
			char *argv[10] = { "bwrapish" };
			write_option(option_rows[i], argv + 1, at, "77");
			assert_bad(arena_printf(
					   "%s (argument 1): Invalid fd: descriptor 77 is not open",
					   option_rows[i]->name),
				   argv);
			n_seen++;
		}
	assert_between(n_seen, 15, 40);
}

static void test_every_path_must_be_one(void **state)
{
	(void) state;
	static const char *const kinds[] = { "SRC", "DEST", "PATH", "DIR" };
	size_t n_seen = 0;
	for (size_t i = 0; i < n_option_rows; i++)
		for (size_t at = 0; at < 3; at++)
			for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
				const struct option_row *row = option_rows[i];
				if (!is_word(row, at, kinds[k]) ||
				    (streq(row->name, "--symlink") && at == 0))
					continue;
				char *argv[10] = { "bwrapish" };
				write_option(row, argv + 1, at, "");
				assert_bad(arena_printf("%s (argument 1): %s is an empty path",
							row->name, kinds[k]),
					   argv);
				write_option(row, argv + 1, at, "--proc");
				assert_bad(
					arena_printf(
						"%s (argument 1): %s is missing: the next word is --proc (for a path of that name write ./--proc)",
						row->name, kinds[k]),
					argv);
				n_seen++;
			}
	assert_between(n_seen, 20, 60);
}

static void test_a_path_may_begin_with_one_dash(void **state)
{
	(void) state;
	GOOD("--bind", "-src", "-", "c");
	assert_string_equal(plan.root.ops[0].outer_path, "-src");
	assert_string_equal(plan.root.ops[0].inner_path, "-");
}

static void test_a_link_has_to_say_something(void **state)
{
	(void) state;
	BAD("--symlink (argument 1): SRC is an empty path", "--symlink", "", "/d", "c");
	GOOD("--symlink", "any text = fine", "/d", "c");
	assert_string_equal(plan.root.ops[0].link_target, "any text = fine");
	assert_null(plan.root.ops[0].outer_path);
}

/* ---- unknown words, and where the options end ---- */

static void test_an_unknown_option_is_named_with_what_was_perhaps_meant(void **state)
{
	(void) state;
	BAD("Unknown option --bnid (argument 1); is --bind meant?", "--bnid", "/a", "/b", "c");
	BAD("Unknown option --share-nett (argument 2); is --share-net meant?", "--verbose",
	    "--share-nett", "c");
	BAD("Unknown option --frobnicate (argument 1); --help lists all of them", "--frobnicate",
	    "c");
	BAD("Unknown option --verb (argument 1); --help lists all of them", "--verb",
	    "c"); /* no abbreviations */
	BAD("Unknown option --chdir=/ (argument 1); --chdir and what it takes are words of their own",
	    "--chdir=/", "c");
	BAD("Unknown option --tmpfs /tmp (argument 1); --tmpfs and what it takes are words of their own",
	    "--tmpfs /tmp", "c");
	BAD("Unknown option --share-pid (argument 1); --help lists all of them", "--share-pid",
	    "c");
	BAD("Unknown option --VERBOSE (argument 1); --help lists all of them", "--VERBOSE", "c");
	BAD("Unknown option -v (argument 1); --help lists all of them", "-v", "c");
	BAD("Unknown option - (argument 1); --help lists all of them", "-", "c");
	ARGS("--verbose\0--bnid\0");
	BAD("Unknown option --bnid (argument 3, word 2); is --bind meant?", "--chdir", "/",
	    "--args", "3", "c");
}

static void test_every_option_is_nearest_to_itself_without_a_letter(void **state)
{
	(void) state;
	size_t n_found = 0;
	for (size_t i = 0; i < n_option_rows; i++) {
		char *name = arena_printf("%s", option_rows[i]->name);
		name[strlen(name) - 1] = '\0';
		problem bad = read_line(LINE(name));
		if (!bad) /* --userns2 without its last letter is --userns, and so on */
			continue;
		n_found += strstr(bad, arena_printf("is %s meant?", option_rows[i]->name)) != NULL;
	}
	assert_between(n_found, n_option_rows - 6, n_option_rows);
}

static void test_two_dashes_end_the_options_and_are_dropped(void **state)
{
	(void) state;
	char **argv = LINE("--verbose", "--", "--bind", "--");
	assert_good(argv);
	assert_true(plan.verbose);
	assert_ptr_equal(plan.command.argv, argv + 3);
	GOOD("--", "--", "x");
	assert_string_equal(plan.command.argv[0], "--");
	assert_string_equal(plan.command.argv[1], "x");
	assert_int_equal(reading, READ_PLAN);
}

static void test_the_first_word_without_a_dash_is_the_command(void **state)
{
	(void) state;
	GOOD("command", "--verbose", "--nonsense");
	assert_false(plan.verbose);
	assert_string_equal(plan.command.argv[0], "command");
	assert_string_equal(plan.command.argv[2], "--nonsense");
	assert_null(plan.command.argv[3]);
	GOOD("", "x");
	assert_string_equal(plan.command.argv[0], "");
}

static void test_no_command_is_no_plan(void **state)
{
	(void) state;
	assert_good((char *[]){ NULL });
	assert_int_equal(reading, READ_NOTHING);
	assert_good(LINE(NULL));
	assert_int_equal(reading, READ_NOTHING);
	GOOD("--verbose");
	assert_int_equal(reading, READ_NOTHING);
	GOOD("--verbose", "--");
	assert_int_equal(reading, READ_NOTHING);
	ARGS("--verbose");
	GOOD("--args", "3");
	assert_int_equal(reading, READ_NOTHING);
}

static void test_help_and_version_end_the_reading(void **state)
{
	(void) state;
	GOOD("--help", "--nonsense");
	assert_int_equal(reading, READ_HELP);
	GOOD("--verbose", "--version", "--help");
	assert_int_equal(reading, READ_VERSION);
	ARGS("--help\0--nonsense");
	GOOD("--args", "3", "--nonsense");
	assert_int_equal(reading, READ_HELP);
	GOOD("c", "--help");
	assert_int_equal(reading, READ_PLAN);
}

static void test_what_was_read_before_a_problem_is_in_the_plan(void **state)
{
	(void) state;
	BAD("Unknown option --nonsense (argument 2); --help lists all of them", "--level-prefix",
	    "--nonsense");
	assert_true(plan.level_prefix);
}

/* ---- --args ---- */

static void test_args_are_read_in_place(void **state)
{
	(void) state;
	ARGS("--dir\0/b\0--dir\0/c\0");
	GOOD("--dir", "/a", "--args", "3", "--dir", "/d", "command");
	assert_int_equal(plan.root.n_ops, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(plan.root.ops[i].inner_path[1], "abcd"[i]);
	assert_string_equal(plan.command.argv[0], "command");
}

static void test_the_last_nul_of_args_is_optional(void **state)
{
	(void) state;
	ARGS("--dir\0/b");
	GOOD("--args", "3", "c");
	assert_int_equal(plan.root.n_ops, 1);
	assert_string_equal(plan.root.ops[0].inner_path, "/b");
	ARGS("--setenv\0A\0\0"); /* one NUL ends an empty word */
	GOOD("--args", "3", "c");
	assert_string_equal(plan.command.env_ops[0].value, "");
}

static void test_args_may_hold_nothing(void **state)
{
	(void) state;
	ARGS("");
	GOOD("--args", "3", "c");
	assert_int_equal(plan.root.n_ops, 0);
	assert_string_equal(plan.command.argv[0], "c");
}

static void test_args_are_closed_once_read(void **state)
{
	(void) state;
	ARGS("--verbose");
	BAD("--args (argument 3): Invalid fd: descriptor 3 is not open any more: --args (argument 1) has read all of it and closed it",
	    "--args", "3", "--args", "3", "c");
	ARGS("--verbose");
	BAD("--bind-fd (argument 3): Invalid fd: descriptor 3 is not open any more: --args (argument 1) has read all of it and closed it",
	    "--args", "3", "--bind-fd", "3", "/", "c");
	ARGS("--file\0003\0/a");
	BAD("--file (argument 1, word 1): Invalid fd: descriptor 3 is not open any more: --args (argument 1) has read all of it and closed it",
	    "--args", "3", "c");
}

static void test_a_descriptor_that_one_option_uses_up_is_not_another_ones(void **state)
{
	(void) state;
	static char *const lines[][6] = {
		{ "--info-fd", "5", "--json-status-fd", "5", "c" },
		{ "--info-fd", "5", "--block-fd", "5", "c" },
		{ "--seccomp", "5", "--block-fd", "5", "c" },
		{ "--close-fds", "--keep-fd", "5", "--sync-fd", "5", "c" },
		{ "--userns", "5", "--info-fd", "5", "c" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *argv[ARRAY_SIZE(lines[0]) + 2] = { "bwrapish" };
		memcpy(argv + 1, lines[i], sizeof(lines[i]));
		problem bad = read_line(argv);
		if (!bad || !strstr(bad, "descriptor 5 is that of --") ||
		    !strstr(bad, "(argument "))
			fail_msg("line %zu: %s", i, bad ? bad : "no problem");
	}
	BAD("--file (argument 5): descriptor 5 is that of --seccomp (argument 3), too: each needs one of its own",
	    "--sync-fd", "5", "--seccomp", "5", "--file", "5", "/a", "c");
	ARGS("--verbose");
	BAD("--args (argument 4): descriptor 3 is that of --bind-fd (argument 1), too: each needs one of its own",
	    "--bind-fd", "3", "/mnt", "--args", "3", "c");
	BAD("--add-seccomp-fd (argument 4): descriptor 4 is that of --file (argument 1), too: each needs one of its own",
	    "--file", "4", "/a", "--add-seccomp-fd", "4", "c");
}

static void test_a_descriptor_that_is_not_used_up_may_be_named_again(void **state)
{
	(void) state;
	GOOD("--file", "5", "/a", "--ro-bind-data", "5", "/b", "--bind-fd", "5", "/c", "--sync-fd",
	     "5", "c");
	GOOD("--bind-fd", "5", "/a", "--ro-bind-fd", "5", "/b", "--overlay-src-fd", "5",
	     "--tmp-overlay", "/c", "c");
	GOOD("--sync-fd", "5", "--json-status-fd", "5", "c");
	GOOD("--unshare-user", "--userns-block-fd", "5", "--block-fd", "5", "--sync-fd", "5",
	     "--info-fd", "6", "c");
	GOOD("--info-fd", "5", "--info-fd", "5", "c");
}

static void test_args_may_be_given_many_times(void **state)
{
	(void) state;
	ARGS("--dir\0/a");
	fake_fd_holds(5, "--dir\0/b", 8);
	GOOD("--args", "3", "--args", "5", "c");
	assert_int_equal(plan.root.n_ops, 2);
	assert_int_equal(plan.n_warnings, 0);
}

static void test_args_cannot_stand_inside_args(void **state)
{
	(void) state;
	ARGS("--verbose\0--args\0"
	     "5");
	BAD("--args (argument 1, word 2): --args cannot stand inside what another --args reads",
	    "--args", "3", "c");
}

static void test_args_hold_options_only(void **state)
{
	(void) state;
	ARGS("--verbose\0--\0");
	BAD("-- (argument 1, word 2): -- cannot come out of --args: only options can", "--args",
	    "3", "c");
	ARGS("sh\0-c\0");
	BAD("sh (argument 1, word 1): COMMAND cannot come out of --args: only options can",
	    "--args", "3", "c");
	ARGS("--verbose\0\0");
	BAD(" (argument 1, word 2): COMMAND cannot come out of --args: only options can", "--args",
	    "3", "c");
}

static void test_an_option_does_not_take_its_words_from_behind_args(void **state)
{
	(void) state;
	ARGS("--bind\0/a");
	BAD("--bind (argument 2, word 1): takes SRC DEST, but the line ends before all of it",
	    "--verbose", "--args", "3", "/b", "c");
}

static void test_args_that_cannot_be_read_say_why(void **state)
{
	(void) state;
	fake_fds[3].error = EISDIR;
	BAD("--args (argument 1): Can't read --args data from descriptor 3: Is a directory",
	    "--args", "3", "c");
}

static void test_many_thousand_words_are_read(void **state)
{
	(void) state;
	struct text text = { 0 };
	for (int i = 0; i < 30000; i++) {
		text_add(&text, "--ro-bind-try");
		text_add_bytes(&text, "\0/s\0", 4);
		text_add(&text, "/%d", i);
		text_add_bytes(&text, "", 1);
	}
	fake_fd_holds(3, text.bytes, text.length);
	GOOD("--args", "3", "c");
	assert_int_equal(plan.root.n_ops, 30000);
	assert_string_equal(plan.root.ops[29999].inner_path, "/29999");
	assert_string_equal(position_text(plan.root.ops[29999].position),
			    "--ro-bind-try (argument 1, word 89998)");
}

/* ---- modifiers ---- */

static void test_a_pending_modifier_carries_into_args(void **state)
{
	(void) state;
	ARGS("--dir\0/a\0--dir\0/b");
	GOOD("--perms", "0700", "--args", "3", "c");
	assert_int_equal(plan.root.ops[0].mode, 0700);
	assert_int_equal(plan.root.ops[1].mode, 0755);
}

static void test_a_pending_modifier_does_not_leave_args(void **state)
{
	(void) state;
	ARGS("--verbose\0--perms\0"
	     "0700");
	BAD("--perms (argument 1, word 2): must be followed by an operation that makes something: --dir, --tmpfs, --file, --bind-data or --ro-bind-data",
	    "--args", "3", "--dir", "/a", "c");
	ARGS("--size\0"
	     "1");
	BAD("--size (argument 1, word 1): must be followed by --tmpfs", "--args", "3", "--tmpfs",
	    "/a", "c");
}

static void test_a_modifier_is_given_once_for_an_operation(void **state)
{
	(void) state;
	BAD("--perms (argument 3): --perms was already given for this operation, at argument 1",
	    "--perms", "700", "--perms", "700", "--dir", "/a", "c");
	BAD("--size (argument 5): --size was already given for this operation, at argument 1",
	    "--size", "1", "--perms", "700", "--size", "2", "--tmpfs", "/a", "c");
	BAD("--propagation (argument 3): --propagation was already given for this operation, at argument 1",
	    "--propagation", "slave", "--propagation", "private", "--bind", "/", "/", "c");
}

static void test_different_modifiers_combine_in_any_order(void **state)
{
	(void) state;
	for (int swapped = 0; swapped < 2; swapped++) {
		if (swapped)
			GOOD("--size", "10", "--perms", "1777", "--tmpfs", "/a", "--tmpfs", "/b",
			     "c");
		else
			GOOD("--perms", "1777", "--size", "10", "--tmpfs", "/a", "--tmpfs", "/b",
			     "c");
		assert_int_equal(plan.root.ops[0].mode, 01777);
		assert_int_equal(plan.root.ops[0].size_bytes, 10);
		assert_int_equal(plan.root.ops[1].mode, 0755);
		assert_int_equal(plan.root.ops[1].size_bytes, 0);
	}
	BAD("--size (argument 3): must be followed by --tmpfs", "--perms", "755", "--size", "1",
	    "--dir", "/a", "c");
}

static void test_a_modifier_stands_before_what_it_modifies_and_nothing_else(void **state)
{
	(void) state;
	static const struct {
		char *modifier, *word, *why;
		const char *takers;
	} modifiers[] = {
		{ "--perms", "755",
		  "must be followed by an operation that makes something: --dir, --tmpfs, --file, --bind-data or --ro-bind-data",
		  " --dir --tmpfs --file --bind-data --ro-bind-data " },
		{ "--size", "1", "must be followed by --tmpfs", " --tmpfs " },
		{ "--propagation", "slave", "must be followed by a bind",
		  " --bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --bind-fd --ro-bind-fd " },
	};
	for (size_t m = 0; m < ARRAY_SIZE(modifiers); m++)
		for (size_t i = 0; i < n_option_rows; i++) {
			const struct option_row *row = option_rows[i];
			char *argv[10] = { "bwrapish", modifiers[m].modifier, modifiers[m].word };
			if (is_modifier(row) || is_overlay(row) || streq(row->name, "--args"))
				continue;
			size_t n = 3 + write_option(row, argv + 3, NO_WORD, NULL);
			argv[n] = arena_printf("c");
			set_up(state);
			if (strstr(modifiers[m].takers, arena_printf(" %s ", row->name)))
				assert_good(argv);
			else
				assert_bad(arena_printf("%s (argument 1): %s",
							modifiers[m].modifier, modifiers[m].why),
					   argv);
		}
}

static void test_a_modifier_at_the_end_modifies_nothing(void **state)
{
	(void) state;
	BAD("--size (argument 1): must be followed by --tmpfs", "--size", "1", "c");
	BAD("--size (argument 2): must be followed by --tmpfs", "--verbose", "--size", "1", "--",
	    "c");
	BAD("--propagation (argument 1): must be followed by a bind", "--propagation", "slave");
}

static void test_layers_and_their_modifiers_belong_to_the_next_overlay(void **state)
{
	(void) state;
	GOOD("--overlay-src", "/a", "--overlay-backend", "fuse", "--overlay-src-fd", "4",
	     "--overlay-opt", "volatile", "--overlay-changes", "5", "--overlay", "/r", "/w", "/d",
	     "--overlay-src", "/b", "--tmp-overlay", "/e", "c");
	const struct overlay *first = plan.root.ops[0].overlay, *second = plan.root.ops[1].overlay;
	assert_int_equal(first->n_layers, 2);
	assert_string_equal(first->layers[0].path, "/a");
	assert_int_equal(first->layers[1].fd, 4);
	assert_string_equal(first->upper.path, "/r");
	assert_string_equal(first->work.path, "/w");
	assert_int_equal(first->backend, OVERLAY_FUSE);
	assert_int_equal(first->changes.fd, 5);
	assert_int_equal(first->n_options, 1);
	assert_true(second->writable);
	assert_int_equal(second->n_layers, 1);
	assert_null(second->upper.path);
	assert_int_equal(second->backend, OVERLAY_AUTO);
	assert_int_equal(second->changes.fd, -1);
	assert_int_equal(second->n_options, 0);
}

static void test_layers_without_an_overlay_are_a_mistake(void **state)
{
	(void) state;
	static const char why[] =
		"must be followed by another --overlay-src or one of --overlay, --tmp-overlay, or --ro-overlay";
	BAD(arena_printf("--overlay-src %s, at --overlay-src (argument 1)", why), "--overlay-src",
	    "/a", "c");
	BAD(arena_printf("--overlay-opt %s, at --overlay-opt (argument 1)", why), "--overlay-opt",
	    "volatile", "--dir", "/a", "c");
	BAD("--overlay-backend (argument 3): --overlay-backend was already given for this operation, at argument 1",
	    "--overlay-backend", "fuse", "--overlay-backend", "kernel", "--overlay-src", "/a",
	    "--tmp-overlay", "/m", "c");
	BAD("--tmp-overlay requires at least one --overlay-src before it, and has none, at --tmp-overlay (argument 1)",
	    "--tmp-overlay", "/m", "c");
	BAD("--overlay requires at least one --overlay-src before it, and has none, at --overlay (argument 1)",
	    "--overlay", "/u", "/w", "/m", "c");
	BAD("--ro-overlay requires at least two --overlay-src before it, and has one, at --ro-overlay (argument 3)",
	    "--overlay-src", "/a", "--ro-overlay", "/m", "c");
}

static void test_propagation_is_private_or_slave(void **state)
{
	(void) state;
	GOOD("--propagation", "private", "--bind", "/", "/", "--propagation", "slave", "--ro-bind",
	     "/", "/", "--bind", "/", "/", "c");
	assert_int_equal(plan.root.ops[0].propagation, PROPAGATION_PRIVATE);
	assert_int_equal(plan.root.ops[1].propagation, PROPAGATION_SLAVE);
	assert_int_equal(plan.root.ops[2].propagation, PROPAGATION_DEFAULT);
	BAD("--propagation (argument 1): Invalid propagation: shared is neither private nor slave",
	    "--propagation", "shared", "--bind", "/", "/", "c");
}

/* ---- the last one wins ---- */

static void test_the_last_one_wins_with_a_warning(void **state)
{
	static char *const lines[][3] = {
		{ "--chdir", "/a", "/b" },
		{ "--exec-label", "a", "b" },
		{ "--file-label", "a", "b" },
		{ "--block-fd", "5", "6" },
		{ "--userns-block-fd", "5", "6" },
		{ "--info-fd", "5", "6" },
		{ "--json-status-fd", "5", "6" },
		{ "--seccomp", "5", "6" },
		{ "--userns", "5", "6" },
		{ "--userns2", "5", "6" },
		{ "--pidns", "5", "6" },
		{ "--uid", "5", "6" },
		{ "--gid", "5", "6" },
		{ "--hostname", "a", "b" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		set_up(state);
		GOOD(lines[i][0], lines[i][1], lines[i][0], lines[i][2], "c");
		assert_int_equal(plan.n_warnings, 1);
		assert_string_equal(
			plan.warnings[0],
			arena_printf("Only the last %s option will take effect", lines[i][0]));
		assert_int_equal(options_position(&plan, lines[i][0]).argument, 3);
	}
}

static void test_the_last_value_is_the_one_kept(void **state)
{
	(void) state;
	GOOD("--chdir", "/a", "--uid", "5", "--block-fd", "7", "--hostname", "a", "--seccomp", "4",
	     "--chdir", "/b", "--uid", "6", "--block-fd", "8", "--hostname", "b", "--seccomp", "5",
	     "--chdir", "/c", "c");
	assert_string_equal(plan.command.chdir, "/c");
	assert_int_equal(plan.ns.inner_uid, 6);
	assert_int_equal(plan.report.block.fd, 8);
	assert_int_equal(plan.report.block.position.argument, 15);
	assert_string_equal(plan.ns.hostname, "b");
	assert_int_equal(plan.filter.n_seccomp, 1);
	assert_int_equal(plan.filter.seccomp[0].at.fd, 5);
	assert_int_equal(plan.n_warnings, 6);
}

static void test_what_may_be_repeated_gives_no_warning(void **state)
{
	(void) state;
	fake_fd_holds(5, "123\0005678", 8);
	GOOD("--dir", "/a", "--dir", "/a", "--setenv", "A", "1", "--setenv", "A", "2", "--cap-add",
	     "CAP_KILL", "--cap-add", "CAP_KILL", "--lock-file", "/l", "--lock-file", "/m",
	     "--keep-fd", "0", "--keep-fd", "0", "--sync-fd", "6", "--sync-fd", "7",
	     "--add-seccomp-fd", "4", "--add-seccomp-fd", "5", "--unshare-pid", "--unshare-pid",
	     "--new-session", "--new-session", "c");
	assert_int_equal(plan.n_warnings, 0);
	assert_int_equal(plan.root.n_ops, 2);
	assert_int_equal(plan.command.n_env_ops, 2);
	assert_int_equal(plan.command.n_cap_ops, 2);
	assert_int_equal(plan.report.n_lock_files, 2);
	assert_int_equal(plan.command.keep_fds.n, 2);
	assert_int_equal(plan.report.sync.n, 2);
	assert_int_equal(plan.report.sync.items[0].fd, 6);
	assert_int_equal(plan.report.sync.items[1].fd, 7);
	assert_int_equal(plan.report.sync.items[1].position.argument,
			 options_position(&plan, "--sync-fd").argument);
	for (size_t i = 0; i < plan.n_fds; i++)
		assert_false(plan.fds[i].is_superseded);
	assert_int_equal(plan.filter.n_seccomp, 2);
	assert_int_equal(plan.filter.seccomp[1].at.fd, 5);
}

static void test_argv0_is_given_once(void **state)
{
	(void) state;
	BAD("--argv0 (argument 3): --argv0 can be given only once", "--argv0", "a", "--argv0", "a",
	    "c");
	GOOD("--argv0", "", "c");
	assert_string_equal(plan.command.argv0, "");
}

/* ---- numbers ---- */

static void test_a_descriptor_is_a_decimal_number(void **state)
{
	(void) state;
	static char *const bad[] = { "",
				     "-1",
				     "+1",
				     " 1",
				     "1 ",
				     "0x1",
				     "1.0",
				     "x",
				     "2147483648",
				     "4294967296",
				     "18446744073709551617" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		BAD(arena_printf(
			    "--sync-fd (argument 1): Invalid fd: %s is not a descriptor's number; a shell opens FILE as number 9 by 9<FILE or 9>FILE at the end of the line",
			    bad[i]),
		    "--sync-fd", bad[i], "c");
	BAD("--sync-fd (argument 1): Invalid fd: descriptor 2147483647 is not open", "--sync-fd",
	    "2147483647", "c");
	GOOD("--sync-fd", "0", "c");
	assert_int_equal(plan.report.sync.items[0].fd, 0);
}

static void test_descriptors_that_were_not_given_are_minus_one(void **state)
{
	(void) state;
	GOOD("--dir", "/a", "c");
	const int fds[] = {
		plan.ns.userns.fd,          plan.ns.userns2.fd,          plan.ns.pidns.fd,
		plan.report.block.fd,       plan.report.userns_block.fd, plan.report.info.fd,
		plan.report.json_status.fd, plan.root.ops[0].outer_fd
	};
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		assert_int_equal(fds[i], -1);
}

static void test_ids_end_before_the_one_that_means_none(void **state)
{
	(void) state;
	GOOD("--uid", "0", "--gid", "4294967294", "c");
	assert_true(plan.ns.has_uid && plan.ns.has_gid);
	assert_int_equal(plan.ns.inner_uid, 0);
	assert_int_equal(plan.ns.inner_gid, 4294967294);
	GOOD("--gid", "010", "c");
	assert_int_equal(plan.ns.inner_gid, 10);
	assert_false(plan.ns.has_uid);
	static char *const bad[] = { "4294967295", "4294967296", "-1", "", "1x", "0x1", "root" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		BAD(arena_printf(
			    "--uid (argument 1): Invalid uid: %s is not a number from 0 to 4294967294",
			    bad[i]),
		    "--uid", bad[i], "c");
		BAD(arena_printf(
			    "--gid (argument 1): Invalid gid: %s is not a number from 0 to 4294967294",
			    bad[i]),
		    "--gid", bad[i], "c");
	}
}

static void test_sizes_go_from_one_to_half_the_address_space(void **state)
{
	(void) state;
	static const struct {
		char *word;
		uint64_t size_bytes;
	} good[] = { { "1", 1 },
		     { "0x10", 16 },
		     { "010", 8 },
		     { "1048576", 1048576 },
		     { "64m", 64 << 20 },
		     { "1K", 1024 },
		     { "3G", UINT64_C(3) << 30 },
		     { "2t", UINT64_C(2) << 40 } };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		GOOD("--size", good[i].word, "--tmpfs", "/a", "c");
		assert_int_equal(plan.root.ops[0].size_bytes, good[i].size_bytes);
	}
	GOOD("--size", arena_printf("%zu", SIZE_MAX / 2), "--tmpfs", "/a", "c");
	assert_int_equal(plan.root.ops[0].size_bytes, SIZE_MAX / 2);
	char *const bad[] = { "0",
			      "00",
			      "0x0",
			      "",
			      "-1",
			      "+1",
			      "k",
			      "-1k",
			      "010K",
			      "0x10K",
			      "0b11",
			      "0K",
			      "1.5M",
			      "8388608T",
			      "1 ",
			      "08",
			      arena_printf("%zu", SIZE_MAX / 2 + 1),
			      arena_printf("%zu", SIZE_MAX),
			      "18446744073709551617" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		BAD(arena_printf(
			    "--size (argument 1): Invalid size: %s is not a number of bytes from 1 to %zu, which may have K, M, G or T behind it",
			    bad[i], SIZE_MAX / 2),
		    "--size", bad[i], "--tmpfs", "/a", "c");
}

static void test_modes_are_octal(void **state)
{
	(void) state;
	GOOD("--perms", "0", "--dir", "/a", "--chmod", "7777", "/b", "c");
	assert_int_equal(plan.root.ops[0].mode, 0);
	assert_int_equal(plan.root.ops[1].mode, 07777);
	static char *const bad[] = { "8", "10000", "", "u=rwx", "-1", "0o7" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		BAD(arena_printf(
			    "--perms (argument 1): Invalid mode: %s is not an octal number up to 7777",
			    bad[i]),
		    "--perms", bad[i], "--dir", "/a", "c");
		BAD(arena_printf(
			    "--chmod (argument 1): Invalid mode: %s is not an octal number up to 7777",
			    bad[i]),
		    "--chmod", bad[i], "/a", "c");
	}
}

/* ---- what operations become ---- */

static void test_the_modes_of_what_is_made_and_of_its_parents(void **state)
{
	(void) state;
	static const struct {
		char *perms, *option;
		mode_t mode, parent_mode;
	} cases[] = {
		{ NULL, "--dir", 0755, 0755 },          { "0750", "--dir", 0750, 0750 },
		{ "0705", "--dir", 0705, 0705 },        { "0700", "--dir", 0700, 0700 },
		{ "0000", "--dir", 0, 0700 },           { "1777", "--dir", 01777, 0755 },
		{ "0010", "--dir", 0010, 0750 },        { NULL, "--tmpfs", 0755, 0755 },
		{ "0700", "--tmpfs", 0700, 0700 },      { NULL, "--file", 0666, 0755 },
		{ "0600", "--file", 0600, 0700 },       { "0640", "--file", 0640, 0750 },
		{ NULL, "--bind-data", 0600, 0700 },    { "0644", "--bind-data", 0644, 0755 },
		{ NULL, "--ro-bind-data", 0600, 0700 }, { "0444", "--ro-bind-data", 0444, 0755 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool has_fd =
			!streq(cases[i].option, "--dir") && !streq(cases[i].option, "--tmpfs");
		char *words[8] = { "bwrapish" };
		size_t n = 1;
		if (cases[i].perms) {
			words[n++] = "--perms";
			words[n++] = cases[i].perms;
		}
		words[n++] = cases[i].option;
		if (has_fd)
			words[n++] = "5";
		words[n++] = "/a/b";
		words[n++] = "c";
		assert_good(words);
		assert_int_equal(plan.root.ops[0].mode, cases[i].mode);
		assert_int_equal(plan.root.ops[0].parent_mode, cases[i].parent_mode);
	}
}

static void test_parents_of_binds_are_private(void **state)
{
	(void) state;
	GOOD("--bind", "/s", "/a/b", "--ro-bind", "/s", "/a/b", "--dev-bind-try", "/s", "/a/b",
	     "--bind-fd", "5", "/a/b", "c");
	for (size_t i = 0; i < plan.root.n_ops; i++)
		assert_int_equal(plan.root.ops[i].parent_mode, 0700);
}

static void test_the_binds_differ_in_what_they_allow(void **state)
{
	(void) state;
	static const struct {
		char *option;
		bool read_only, devices, skip_missing;
	} binds[] = {
		{ "--bind", false, false, false },    { "--bind-try", false, false, true },
		{ "--dev-bind", false, true, false }, { "--dev-bind-try", false, true, true },
		{ "--ro-bind", true, false, false },  { "--ro-bind-try", true, false, true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(binds); i++) {
		GOOD(binds[i].option, "/s", "/d", "c");
		const struct op *op = &plan.root.ops[0];
		assert_int_equal(op->kind, OP_BIND);
		assert_int_equal(op->read_only, binds[i].read_only);
		assert_int_equal(op->devices, binds[i].devices);
		assert_int_equal(op->skip_missing, binds[i].skip_missing);
		assert_string_equal(op->outer_path, "/s");
		assert_string_equal(op->inner_path, "/d");
		assert_int_equal(op->outer_fd, -1);
	}
	GOOD("--ro-bind-fd", "5", "/d", "--bind-fd", "0", "/e", "c");
	assert_true(plan.root.ops[0].read_only && !plan.root.ops[1].read_only);
	assert_int_equal(plan.root.ops[0].outer_fd, 5);
	assert_int_equal(plan.root.ops[1].outer_fd, 0);
	assert_null(plan.root.ops[0].outer_path);
}

static void test_operations_keep_their_order_and_tell_their_position(void **state)
{
	(void) state;
	ARGS("--verbose\0--tmpfs\0/t");
	GOOD("--unshare-pid", "--bind", "/s", "/d", "--args", "3", "--proc", "/p", "c");
	assert_int_equal(plan.root.n_ops, 3);
	assert_string_equal(position_text(plan.root.ops[0].position), "--bind (argument 2)");
	assert_string_equal(position_text(plan.root.ops[1].position),
			    "--tmpfs (argument 5, word 2)");
	assert_string_equal(position_text(plan.root.ops[2].position), "--proc (argument 7)");
	assert_string_equal(position_text(options_position(&plan, "--verbose")),
			    "--verbose (argument 5, word 1)");
	assert_false(options_given(&plan, "--bind-try"));
}

/* ---- environment, capabilities, filters, namespaces ---- */

static void test_variable_names_are_not_empty_and_have_no_equals_sign(void **state)
{
	(void) state;
	static char *const bad[] = { "", "=", "A=", "A=B", "=B" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *why = "Invalid variable name";
		BAD(arena_printf("--setenv (argument 1): %s: \"%s\" is empty or has a = in it", why,
				 bad[i]),
		    "--setenv", bad[i], "v", "c");
		BAD(arena_printf("--unsetenv (argument 1): %s: \"%s\" is empty or has a = in it",
				 why, bad[i]),
		    "--unsetenv", bad[i], "c");
		BAD(arena_printf("--env (argument 1): %s: \"%s\" is empty or has a = in it", why,
				 bad[i]),
		    "--env", bad[i], "c");
	}
}

static void test_environment_options_keep_their_order(void **state)
{
	(void) state;
	GOOD("--setenv", "A", "", "--clearenv", "--setenv", "A", "=--x", "--unsetenv", "A", "--env",
	     "B", "c");
	static const enum env_action actions[] = { ENV_SET, ENV_CLEAR, ENV_SET, ENV_UNSET,
						   ENV_KEEP };
	assert_int_equal(plan.command.n_env_ops, ARRAY_SIZE(actions));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		assert_int_equal(plan.command.env_ops[i].action, actions[i]);
	assert_string_equal(plan.command.env_ops[0].value, "");
	assert_string_equal(plan.command.env_ops[2].value, "=--x");
	assert_string_equal(plan.command.env_ops[4].name, "B");
}

static void test_capabilities_are_named_in_any_case(void **state)
{
	(void) state;
	GOOD("--cap-add", "CAP_SYS_ADMIN", "--cap-drop", "cap_chown", "--cap-add", "Cap_Kill",
	     "--cap-drop", "aLL", "--cap-add", "12", "c");
	static const int caps[] = { 21, 0, 5, -1, 12 };
	assert_int_equal(plan.command.n_cap_ops, ARRAY_SIZE(caps));
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
		assert_int_equal(plan.command.cap_ops[i].cap, caps[i]);
		assert_int_equal(plan.command.cap_ops[i].add, i % 2 == 0);
		assert_int_equal(plan.command.cap_ops[i].position.argument, 1 + 2 * i);
	}
}

static void test_a_capability_is_one_whole_name(void **state)
{
	(void) state;
	static char *const bad[] = { "",
				     "CAP_",
				     "CAP_NONSENSE",
				     "CAP_KILL,CAP_CHOWN",
				     "CAP_KILL CAP_CHOWN",
				     "CAP_KILL ",
				     "CAP_KILL=ep",
				     "CAP_KILLER",
				     "ALL ",
				     "all,",
				     "64",
				     "4294967295",
				     "-1",
				     "5x" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		BAD(arena_printf(
			    "--cap-drop (argument 1): Unknown capability %s (they are named as in capabilities(7), or ALL)",
			    bad[i]),
		    "--cap-drop", bad[i], "c");
	BAD("--cap-add (argument 1): Unknown capability SYS_ADMIN (they are named as in capabilities(7), or ALL); is CAP_SYS_ADMIN meant?",
	    "--cap-add", "SYS_ADMIN", "c");
}

static void test_the_two_forms_of_seccomp_do_not_mix(void **state)
{
	(void) state;
	static const char why[] =
		"--seccomp and --add-seccomp-fd cannot be combined; use --add-seccomp-fd for all";
	BAD(arena_printf("--add-seccomp-fd (argument 3): %s", why), "--seccomp", "5",
	    "--add-seccomp-fd", "4", "c");
	BAD(arena_printf("--seccomp (argument 3): %s", why), "--add-seccomp-fd", "4", "--seccomp",
	    "5", "c");
}

static void test_seccomp_is_read_late_and_add_seccomp_fd_at_once(void **state)
{
	(void) state;
	GOOD("--seccomp", "5", "c");
	assert_null(plan.filter.seccomp[0].bytes);
	assert_false(fake_fds[5].closed);
	GOOD("--add-seccomp-fd", "4", "c");
	assert_true(fake_fds[4].closed);
	assert_int_equal(plan.filter.seccomp[0].length, 16);
	assert_memory_equal(plan.filter.seccomp[0].bytes, "ABC\0EFGHabc\0efgh", 16);
	BAD("--add-seccomp-fd (argument 1): Invalid fd: descriptor 4 is not open",
	    "--add-seccomp-fd", "4", "c");
	fake_fds[6].error = EIO;
	BAD("--add-seccomp-fd (argument 1): Can't read descriptor 6: Input/output error",
	    "--add-seccomp-fd", "6", "c");
}

static void test_what_is_no_seccomp_program_is_refused_at_once(void **state)
{
	(void) state;
	static const struct {
		const char *bytes;
		size_t length;
		const char *why;
	} cases[] = {
		{ "", 0, "it is empty" },
		{ "\177ELF\2\1\1\0", 8, "it is an ELF file" },
		{ "#!/bin/sh\n", 10, "it is text" },
		{ "12345678", 8, "it is text" },
		{ "123456\0", 7,
		  "7 bytes are not a whole number of instructions, of 8 bytes each" },
		{ "12345678\0", 9,
		  "9 bytes are not a whole number of instructions, of 8 bytes each" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_fd_holds(4, cases[i].bytes, cases[i].length);
		BAD(arena_printf("--add-seccomp-fd (argument 1): Not a seccomp program: %s",
				 cases[i].why),
		    "--add-seccomp-fd", "4", "c");
	}
	fake_fd_holds(4, arena_alloc(4096 * 8), 4096 * 8);
	GOOD("--add-seccomp-fd", "4", "c");
	fake_fd_holds(4, arena_alloc(4097 * 8), 4097 * 8);
	BAD("--add-seccomp-fd (argument 1): Not a seccomp program: it has more than the 4096 instructions that the kernel takes",
	    "--add-seccomp-fd", "4", "c");
}

static void test_share_net_undoes_what_was_said_before_it(void **state)
{
	(void) state;
	GOOD("--unshare-all", "--share-net", "c");
	assert_false(plan.ns.unshare_net);
	GOOD("--unshare-net", "--unshare-all", "--share-net", "c");
	assert_false(plan.ns.unshare_net);
	GOOD("--share-net", "--unshare-net", "c");
	assert_true(plan.ns.unshare_net);
	GOOD("--share-net", "--unshare-all", "c");
	assert_true(plan.ns.unshare_net);
	GOOD("--share-net", "c");
	assert_false(plan.ns.unshare_net);
}

static void test_a_wish_does_not_weaken_a_demand(void **state)
{
	(void) state;
	GOOD("--unshare-all", "c");
	assert_int_equal(plan.ns.unshare_user, WANT_TRY);
	assert_int_equal(plan.ns.unshare_cgroup, WANT_TRY);
	assert_true(plan.ns.unshare_ipc && plan.ns.unshare_pid && plan.ns.unshare_net &&
		    plan.ns.unshare_uts);
	GOOD("--unshare-user", "--unshare-cgroup", "--unshare-all", "--unshare-user-try",
	     "--unshare-cgroup-try", "c");
	assert_int_equal(plan.ns.unshare_user, WANT_YES);
	assert_int_equal(plan.ns.unshare_cgroup, WANT_YES);
	GOOD("--unshare-user-try", "--unshare-user", "c");
	assert_int_equal(plan.ns.unshare_user, WANT_YES);
	assert_int_equal(plan.ns.unshare_cgroup, WANT_NO);
}

/* ---- the table ---- */

static bool has_word(const struct option_row *row, const char *word)
{
	return is_word(row, 0, word) || is_word(row, 1, word) || is_word(row, 2, word);
}

static void test_rows_say_what_belongs_together(void **state)
{
	(void) state;
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = option_rows[i];
		bool has_fd = has_word(row, "FD"), is_own = row->form == FORM_OWN;
		bool takes_none = row->form == FORM_FLAG || row->form == FORM_WANT;
		bool for_supervisor = row->traits & (SUPERVISOR_WRITES | SUPERVISOR_WAITS);
		if (has_fd != (row->use != USE_NOT_GIVEN) || (for_supervisor && !has_fd) ||
		    (takes_none != !*row->words && !is_own) ||
		    ((row->form == FORM_FD || row->form == FORM_FDS) && !streq(row->words, "FD")) ||
		    (*row->words && strchr(row->words, ' ') && !is_own))
			fail_msg("the form or the use of %s does not go with its words", row->name);
		if ((row->traits & MODIFIES_NEXT && !is_own) ||
		    (!is_own && row->field >= sizeof(plan)))
			fail_msg("%s is read where it cannot be", row->name);
		const char *needed = arena_copy(row->needs, strcspn(row->needs, ",; "));
		if (*needed && !options_find(needed))
			fail_msg("%s needs %s, and there is none", row->name, needed);
		for (size_t j = 0; j < i; j++)
			if (!is_own && option_rows[j]->form == row->form &&
			    row->form != FORM_WANT && option_rows[j]->field == row->field)
				fail_msg("%s and %s fill the same field", row->name,
					 option_rows[j]->name);
	}
}

static void test_without_an_option_its_descriptor_is_none(void **state)
{
	(void) state;
	size_t n_seen = 0;
	GOOD("c");
	for (size_t i = 0; i < n_option_rows; i++)
		if (option_rows[i]->form == FORM_FD) {
			const void *field = (const char *) &plan + option_rows[i]->field;
			assert_int_equal(((const struct fd_at *) field)->fd, -1);
			n_seen++;
		}
	assert_between(n_seen, 9, 40);
}

static void test_the_choices_of_the_table_are_all_that_there_are(void **state)
{
	(void) state;
	size_t n_choices = 0;
	const char *choices = options_find("--seccomp-profile")->choices;
	for (size_t i = 0; i < n_profiles; i++)
		assert_int_not_equal(operand_choice(choices, profiles[i].name), -1);
	for (; *choices; choices++)
		n_choices += *choices == ' ';
	assert_int_equal(n_choices + 1, n_profiles);
	assert_int_equal(operand_choice("auto kernel fuse", "fuse"), 2);
	assert_int_equal(operand_choice("auto kernel fuse", "fus"), -1);
	assert_int_equal(operand_choice("auto kernel fuse", ""), -1);
}

static void test_the_table_has_each_option_once_and_explains_it(void **state)
{
	(void) state;
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = option_rows[i];
		assert_memory_equal(row->name, "--", 2);
		assert_int_equal(strspn(row->name + 2, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(row->name + 2));
		assert_between(strlen(row->help), 3, 90);
		assert_true(row->group < N_OPTION_GROUPS);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(row->name, option_rows[j]->name);
	}
	for (size_t group = 0; group < N_OPTION_GROUPS; group++)
		assert_non_null(option_group_titles[group]);
}

static void test_help_has_every_option_in_a_hundred_columns(void **state)
{
	(void) state;
	const char *help = options_help("some/bwrap");
	static const char first[] = "usage: some/bwrap [OPTIONS...] [--] COMMAND [ARGS...]\n";
	assert_memory_equal(help, first, sizeof(first) - 1);
	for (size_t i = 0; i < n_option_rows; i++) {
		const struct option_row *row = option_rows[i];
		const char *head =
			arena_printf("\n  %s%s%s ", row->name, *row->words ? " " : "", row->words);
		assert_non_null(strstr(help, head));
		assert_non_null(strstr(help, row->help));
	}
	for (const char *line = help; *line; line = strchr(line, '\n') + 1) {
		size_t width = strcspn(line, "\n");
		if (width > 100)
			fail_msg("%zu columns: %.*s", width, (int) width, line);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_option_takes_the_words_of_its_row_and_no_more),
		TEST(test_every_option_tells_which_words_are_missing),
		TEST(test_every_descriptor_has_to_be_open),
		TEST(test_every_path_must_be_one),
		TEST(test_a_path_may_begin_with_one_dash),
		TEST(test_a_link_has_to_say_something),
		TEST(test_an_unknown_option_is_named_with_what_was_perhaps_meant),
		TEST(test_every_option_is_nearest_to_itself_without_a_letter),
		TEST(test_two_dashes_end_the_options_and_are_dropped),
		TEST(test_the_first_word_without_a_dash_is_the_command),
		TEST(test_no_command_is_no_plan),
		TEST(test_help_and_version_end_the_reading),
		TEST(test_what_was_read_before_a_problem_is_in_the_plan),
		TEST(test_args_are_read_in_place),
		TEST(test_the_last_nul_of_args_is_optional),
		TEST(test_args_may_hold_nothing),
		TEST(test_args_are_closed_once_read),
		TEST(test_a_descriptor_that_one_option_uses_up_is_not_another_ones),
		TEST(test_a_descriptor_that_is_not_used_up_may_be_named_again),
		TEST(test_args_may_be_given_many_times),
		TEST(test_args_cannot_stand_inside_args),
		TEST(test_args_hold_options_only),
		TEST(test_an_option_does_not_take_its_words_from_behind_args),
		TEST(test_args_that_cannot_be_read_say_why),
		TEST(test_many_thousand_words_are_read),
		TEST(test_a_pending_modifier_carries_into_args),
		TEST(test_a_pending_modifier_does_not_leave_args),
		TEST(test_a_modifier_is_given_once_for_an_operation),
		TEST(test_different_modifiers_combine_in_any_order),
		TEST(test_a_modifier_stands_before_what_it_modifies_and_nothing_else),
		TEST(test_a_modifier_at_the_end_modifies_nothing),
		TEST(test_layers_and_their_modifiers_belong_to_the_next_overlay),
		TEST(test_layers_without_an_overlay_are_a_mistake),
		TEST(test_propagation_is_private_or_slave),
		TEST(test_the_last_one_wins_with_a_warning),
		TEST(test_the_last_value_is_the_one_kept),
		TEST(test_what_may_be_repeated_gives_no_warning),
		TEST(test_argv0_is_given_once),
		TEST(test_a_descriptor_is_a_decimal_number),
		TEST(test_descriptors_that_were_not_given_are_minus_one),
		TEST(test_ids_end_before_the_one_that_means_none),
		TEST(test_sizes_go_from_one_to_half_the_address_space),
		TEST(test_modes_are_octal),
		TEST(test_the_modes_of_what_is_made_and_of_its_parents),
		TEST(test_parents_of_binds_are_private),
		TEST(test_the_binds_differ_in_what_they_allow),
		TEST(test_operations_keep_their_order_and_tell_their_position),
		TEST(test_variable_names_are_not_empty_and_have_no_equals_sign),
		TEST(test_environment_options_keep_their_order),
		TEST(test_capabilities_are_named_in_any_case),
		TEST(test_a_capability_is_one_whole_name),
		TEST(test_the_two_forms_of_seccomp_do_not_mix),
		TEST(test_seccomp_is_read_late_and_add_seccomp_fd_at_once),
		TEST(test_what_is_no_seccomp_program_is_refused_at_once),
		TEST(test_share_net_undoes_what_was_said_before_it),
		TEST(test_a_wish_does_not_weaken_a_demand),
		TEST(test_rows_say_what_belongs_together),
		TEST(test_without_an_option_its_descriptor_is_none),
		TEST(test_the_choices_of_the_table_are_all_that_there_are),
		TEST(test_the_table_has_each_option_once_and_explains_it),
		TEST(test_help_has_every_option_in_a_hundred_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
