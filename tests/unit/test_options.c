/* The grammar: where options end, --args, and which of many holds. */
#include "read_line.h"

#include <string.h>

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
	BAD("Unknown option --chdir=/ (argument 1); --chdir and what it takes are words of their own: --chdir DIR",
	    "--chdir=/", "c");
	BAD("Unknown option --landlock (argument 1); --connect-tcp PORT, --connect-udp PORT, --connect-unix PATH name all that COMMAND may reach",
	    "--landlock", "ls");
	BAD("Unknown option --tmpfs /tmp (argument 1); --tmpfs and what it takes are words of their own: --tmpfs DEST",
	    "--tmpfs /tmp", "c");
	BAD("Unknown option --share-pid (argument 1); --help lists all of them", "--share-pid",
	    "c");
	BAD("Unknown option --VERBOSE (argument 1); is --verbose meant?", "--VERBOSE", "c");
	BAD("Unknown option --Unshare_Net (argument 1); is --unshare-net meant?", "--Unshare_Net",
	    "c");
	BAD("Unknown option -h (argument 1); is --help meant?", "-h");
	BAD("Unknown option -ro-bind (argument 1); is --ro-bind meant?", "-ro-bind", "/", "/", "c");
	BAD("Unknown option -x (argument 1); --help lists all of them", "-x", "c");
	BAD("Unknown option - (argument 1); --help lists all of them", "-", "c");
	ARGS("--verbose\0--bnid\0");
	BAD("Unknown option --bnid (argument 3, word 2); is --bind meant?", "--chdir", "/",
	    "--args", "3", "c");
}

/* Who wants less than a bind, a network or a capability gives shall not be told to take it. */
static void test_what_is_meant_never_gives_more_than_the_word_asked_for(void **state)
{
	(void) state;
	static const char *const pairs[][2] = {
		{ "--bind-ro", "--ro-bind" },
		{ "--bindro", "--ro-bind" },
		{ "--bindr", "--ro-bind" },
		{ "--rbind", "--ro-bind" },
		{ "--read-only", "--ro-bind" },
		{ "--bind-ro-try", "--ro-bind-try" },
		{ "--rodev-bind", "--ro-bind" },
		{ "--ushare-net", "--unshare-net" },
		{ "--nshare-net", "--unshare-net" },
		{ "--no-network", "--unshare-net" },
		{ "--unsharenet", "--unshare-net" },
		{ "--bind-datar", "--ro-bind-data" },
		{ "--cap-drp", "--cap-drop" },
		{ "--r-overlay", "--ro-overlay" },
		{ "--bnd", "--bind" },
		{ "--shar-net", "--share-net" },
		{ "--cap-ad", "--cap-add" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		problem bad = read_line(LINE(arena_string(pairs[i][0])));
		assert_non_null(strstr(bad, arena_printf("is %s meant", pairs[i][1])));
	}
}

static void test_other_names_lead_to_options_that_there_are(void **state)
{
	(void) state;
	static const char *const others[] = {
		"-v",       "-B",        "-C",        "-e",         "-u",         "-g",
		"-V",       "-n",        "-m",        "--cwd",      "--tmp",      "--device",
		"--hide",   "--unshare", "--rootfs",  "--try-bind", "--bind-dev", "--clear-env",
		"--volume", "--rw",      "--exclude",
	};
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		problem bad = read_line(LINE(arena_string(others[i])));
		const char *option = strstr(strchr(bad, ';'), "--");
		assert_non_null(option);
		for (; option; option = strstr(option + 2, "--"))
			assert_non_null(options_find(arena_copy(
				option, 2 + strspn(option + 2, "-abcdefghijklmnopqrstuvwxyz"))));
	}
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
		{ "--netns", "5", "6" },
		{ "--ipcns", "5", "6" },
		{ "--utsns", "5", "6" },
		{ "--cgroupns", "5", "6" },
		{ "--timens", "5", "6" },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_unknown_option_is_named_with_what_was_perhaps_meant),
		TEST(test_what_is_meant_never_gives_more_than_the_word_asked_for),
		TEST(test_other_names_lead_to_options_that_there_are),
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
		TEST(test_the_last_one_wins_with_a_warning),
		TEST(test_the_last_value_is_the_one_kept),
		TEST(test_what_may_be_repeated_gives_no_warning),
		TEST(test_argv0_is_given_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
