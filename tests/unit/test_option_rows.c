/* The option table: each row takes the words that it names, and says what belongs together. */
#include "plan/calls.h"
#include "plan/operand.h"
#include "read_line.h"

#include <string.h>

/* ---- rows and their words ---- */

/* A word that an argument of this name can be. */
static char *sample(const struct option_row *row, const char *name, size_t length)
{
	if (streq(row->name, "--mount-flags"))
		return arena_printf("noexec");
	if (strncmp(row->name, "--dev-add", 9) == 0)
		return arena_printf("kvm");
	static const struct {
		const char *name, *word;
	} samples[] = {
		{ "FD", "4" },          { "UID", "1" },
		{ "GID", "1" },         { "NAME", "core" },
		{ "SRC", "/s" },        { "DEST", "/d" },
		{ "DIR", "/" },         { "TYPE", "slave" },
		{ "PATH", "/p" },       { "OCTAL", "755" },
		{ "BYTES", "4096" },    { "VAR", "V" },
		{ "VALUE", "v" },       { "LABEL", "l" },
		{ "CAP", "CAP_KILL" },  { "KEY", "io.max" },
		{ "SOFT[:HARD]", "1" }, { "SECONDS", "2" },
		{ "LIST", "read" },     { "ACTION", "EPERM" },
		{ "PROFILE", "build" }, { "RWSRC", "/r" },
		{ "WORKDIR", "/w" },    { "BACKEND", "kernel" },
		{ "OPT", "volatile" },  { "N", "7" },
		{ "TEXT", "t" },        { "CODES", "env" },
		{ "PATTERN", "/p/*" },  { "PORT", "80" },
		{ "WHAT", "signal" },   { "INNER", "0" },
		{ "OUTER", "1000" },    { "COUNT", "1" },
		{ "TARGET", "unix:t" }, { "ADDR:PORT", "[::1]:80" },
		{ "FROM", "auto" },     { "NAME=ADDR", "a=::1" },
		{ "WORD", "-4" },       { "[ADDR:]PORT[:PORT]", "80" },
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
		argv[n] = at == n - 1 ? arena_string(special) : sample(row, name, length);
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
	       streq(row->name, "--inodes") || streq(row->name, "--propagation") ||
	       streq(row->name, "--mount-flags");
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
	if (before && strncmp(row->name, "--dev-add", 9) == 0) {
		argv[n++] = arena_printf("--dev");
		argv[n++] = arena_printf("/dev");
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

/* Descriptor 4 has what the option reads, and as many bytes as a seccomp program may have. */
static void hold_what_is_read(const struct option_row *row)
{
	bool reads_words = streq(row->name, "--args");
	fake_fd_holds(4, reads_words ? "--verbose" : "A=34567\0", reads_words ? 9 : 8);
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
		hold_what_is_read(row);
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
	assert_string_equal(plan.root.ops[0].text, "any text = fine");
	assert_null(plan.root.ops[0].outer_path);
}

static void test_a_modifier_stands_before_what_it_modifies_and_nothing_else(void **state)
{
	(void) state;
	static const struct {
		char *modifier, *word, *why;
		const char *takers;
	} modifiers[] = {
		{ "--perms", "755",
		  "must be followed by an operation that makes something: --dir, --tmpfs, --file, --bind-data, --ro-bind-data, --data or --unix-out",
		  " --dir --tmpfs --file --bind-data --ro-bind-data --data --unix-out " },
		{ "--size", "1", "must be followed by --tmpfs", " --tmpfs " },
		{ "--inodes", "1", "must be followed by --tmpfs", " --tmpfs " },
		{ "--mount-flags", "noexec,ro",
		  "must be followed by an operation that mounts something",
		  " --bind --bind-try --ro-bind --ro-bind-try --bind-fd --ro-bind-fd --dev-bind --dev-bind-try --same-bind --same-bind-try --same-ro-bind --same-ro-bind-try --bind-create --bind-inner --bind-data --ro-bind-data --data --resolv-conf --hosts --unix-out --tmpfs --proc --proc-pid --proc-try --sys --cgroup2 --dev --mqueue " },
		{ "--propagation", "slave", "must be followed by a bind",
		  " --bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --bind-fd --ro-bind-fd --same-bind --same-bind-try --same-ro-bind --same-ro-bind-try --bind-create --bind-inner " },
	};
	for (size_t m = 0; m < ARRAY_SIZE(modifiers); m++)
		for (size_t i = 0; i < n_option_rows; i++) {
			const struct option_row *row = option_rows[i];
			char *argv[10] = { "bwrapish", modifiers[m].modifier, modifiers[m].word };
			if (is_modifier(row) || is_overlay(row) || streq(row->name, "--args") ||
			    strncmp(row->name, "--dev-add", 9) == 0)
				continue;
			size_t n = 3 + write_option(row, argv + 3, NO_WORD, NULL);
			argv[n] = arena_printf("c");
			set_up(state);
			hold_what_is_read(row);
			if (strstr(modifiers[m].takers, arena_printf(" %s ", row->name)))
				assert_good(argv);
			else
				assert_bad(arena_printf("%s (argument 1): %s",
							modifiers[m].modifier, modifiers[m].why),
					   argv);
		}
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
		bool has_fd = has_word(row, "FD") || has_word(row, "TARGET"); /* fd:N */
		bool is_own = row->form == FORM_OWN;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_option_takes_the_words_of_its_row_and_no_more),
		TEST(test_every_option_tells_which_words_are_missing),
		TEST(test_every_descriptor_has_to_be_open),
		TEST(test_every_path_must_be_one),
		TEST(test_a_path_may_begin_with_one_dash),
		TEST(test_a_link_has_to_say_something),
		TEST(test_a_modifier_stands_before_what_it_modifies_and_nothing_else),
		TEST(test_rows_say_what_belongs_together),
		TEST(test_without_an_option_its_descriptor_is_none),
		TEST(test_the_choices_of_the_table_are_all_that_there_are),
		TEST(test_the_table_has_each_option_once_and_explains_it),
		TEST(test_help_has_every_option_in_a_hundred_columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
