/* The words behind an option: numbers, variables, capabilities, filters, and which namespaces they ask for. */
#include "read_line.h"

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
	const int fds[] = { plan.ns.userns.fd,        plan.ns.userns2.fd,
			    plan.ns.pidns.fd,         plan.ns.netns.fd,
			    plan.ns.ipcns.fd,         plan.ns.utsns.fd,
			    plan.ns.cgroupns.fd,      plan.ns.timens.fd,
			    plan.report.block.fd,     plan.report.userns_block.fd,
			    plan.report.info.fd,      plan.report.json_status.fd,
			    plan.root.ops[0].outer_fd };
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		assert_int_equal(fds[i], -1);
}

static void test_an_offset_has_a_sign_and_nine_digits_behind_a_point(void **state)
{
	(void) state;
	static const struct {
		char *word;
		int64_t ns;
	} good[] = { { "0", 0 },
		     { "-0", 0 },
		     { "+2.5", 2500000000 },
		     { "-0.000000001", -1 },
		     { "1.999999999", 1999999999 },
		     { "0004611686018.5", 4611686018500000000 },
		     { "-4611686018", -4611686018000000000 } };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		GOOD("--unshare-time", "--monotonic-offset", good[i].word, "c");
		assert_int_equal(plan.ns.monotonic_offset_ns, good[i].ns);
		assert_int_equal(plan.ns.boottime_offset_ns, 0);
	}
	static char *const bad[] = {
		"", "-", ".", "1.", ".5", "--1", "4611686019", "1.0000000000"
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		BAD(arena_printf(
			    "--boottime-offset (argument 1): Invalid time: %s is not a number of seconds from -4611686018 to 4611686018, like 2 or -0.5",
			    bad[i]),
		    "--boottime-offset", bad[i], "c");
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
	static char *const bad[] = { "4294967295", "4294967296", "-1", "", "1x", "0x1" };
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
	BAD("--uid (argument 1): Invalid uid: root is not a number from 0 to 4294967294; id -u root tells that of a user",
	    "--uid", "root", "c");
	BAD("--gid (argument 1): Invalid gid: a b is not a number from 0 to 4294967294; getent group 'a b' tells that of a group",
	    "--gid", "a b", "c");
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

/* ---- environment, capabilities, filters, namespaces ---- */

static void test_variable_names_are_not_empty_and_have_no_equals_sign(void **state)
{
	(void) state;
	static char *const bad[] = { "", "=", "=B" };
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
	BAD("--setenv (argument 1): Invalid variable name: \"A=\" is empty or has a = in it; its value is a word of its own, A ''",
	    "--setenv", "A=", "c", "d");
	BAD("--env (argument 1): Invalid variable name: \"A=B\" is empty or has a = in it; --setenv sets one; its value is a word of its own, A B",
	    "--env", "A=B", "c");
	BAD("--unsetenv (argument 1): Invalid variable name: \"A=B\" is empty or has a = in it",
	    "--unsetenv", "A=B", "c");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_descriptor_is_a_decimal_number),
		TEST(test_descriptors_that_were_not_given_are_minus_one),
		TEST(test_an_offset_has_a_sign_and_nine_digits_behind_a_point),
		TEST(test_ids_end_before_the_one_that_means_none),
		TEST(test_sizes_go_from_one_to_half_the_address_space),
		TEST(test_modes_are_octal),
		TEST(test_variable_names_are_not_empty_and_have_no_equals_sign),
		TEST(test_environment_options_keep_their_order),
		TEST(test_capabilities_are_named_in_any_case),
		TEST(test_a_capability_is_one_whole_name),
		TEST(test_the_two_forms_of_seccomp_do_not_mix),
		TEST(test_seccomp_is_read_late_and_add_seccomp_fd_at_once),
		TEST(test_what_is_no_seccomp_program_is_refused_at_once),
		TEST(test_share_net_undoes_what_was_said_before_it),
		TEST(test_a_wish_does_not_weaken_a_demand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
