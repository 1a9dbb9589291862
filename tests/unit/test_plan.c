/* shape.c: what is refused, and what follows from a plan. Lines are read by options.c, so that they can be written as
 * a caller writes them. */
#include "plan/cover.h"
#include "plan_line.h"
#include "sys/capabilities.h"

#include <sched.h>
#include <string.h>

#define CAP(n) (UINT64_C(1) << (n))
enum { CAP_CHOWN = 0, CAP_KILL = 5, CAP_NET_ADMIN = 12, CAP_SYS_ADMIN = 21 };
#define ALL_CAPS (UINT64_MAX >> (63 - caps_last()))

static const struct caller leader = {
	.uid = 1000, .gid = 1000, .is_group_leader = true, .directory = "/home/me"
};
/* root in a container: some capabilities */
static const struct caller root = { .permitted_caps =
					    CAP(CAP_CHOWN) | CAP(CAP_KILL) | CAP(CAP_SYS_ADMIN),
				    .may_mount = true,
				    .directory = "/root" };
static const struct caller weak_root = { .permitted_caps = CAP(CAP_CHOWN) | CAP(CAP_KILL),
					 .directory = "/root" };

static problem check_line(const struct caller *caller, char *const *words)
{
	fake_reset();
	problem bad = read_line(words, &fake_io);
	if (bad)
		fail_msg("this was to be read without a problem: %s", bad);
	return plan_check(&plan, caller, &shape);
}

static void assert_refused(const struct caller *caller, const char *expected, char *const *words)
{
	problem bad = check_line(caller, words);
	if (!bad)
		fail_msg("accepted, but expected: %s", expected);
	assert_string_equal(bad, expected);
}

static void assert_accepted(const struct caller *caller, char *const *words)
{
	problem bad = check_line(caller, words);
	if (bad)
		fail_msg("%s", bad);
}
#define REFUSED(expected, ...) assert_refused(&user, expected, LINE(__VA_ARGS__, "c"))
#define ACCEPTED(...)          assert_accepted(&user, LINE(__VA_ARGS__, "c"))

/* ---- contradictions ---- */

static void test_the_empty_plan_is_sound(void **state)
{
	(void) state;
	assert_accepted(&user, LINE("c"));
	assert_accepted(&root, LINE("c"));
}

static void test_a_user_namespace_is_joined_or_made_not_both(void **state)
{
	(void) state;
	static char *const makers[] = { "--unshare-user", "--unshare-user-try", "--unshare-all" };
	static const char why[] =
		"cannot be combined with --unshare-user, --unshare-user-try or --unshare-all: a user namespace is joined or made, not both";
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		REFUSED(arena_printf("--userns (argument 1): %s", why), "--userns", "5", makers[i]);
		REFUSED(arena_printf("--userns (argument 2): %s", why), makers[i], "--userns", "5");
	}
	ACCEPTED("--userns", "5", "--unshare-pid", "--unshare-net");
	ACCEPTED("--userns2", "5", "--unshare-user");
}

static void test_every_other_kind_is_joined_or_made_not_both(void **state)
{
	(void) state;
	REFUSED("--netns (argument 1): cannot be combined with --unshare-net or --unshare-all without --share-net: a namespace is joined or made, not both",
		"--netns", "5", "--unshare-all");
	REFUSED("--cgroupns (argument 2): cannot be combined with --unshare-cgroup or --unshare-all: a namespace is joined or made, not both",
		"--unshare-cgroup-try", "--cgroupns", "5");
	REFUSED("--timens (argument 2): cannot be combined with --unshare-time: a namespace is joined or made, not both",
		"--unshare-time", "--timens", "5");
	ACCEPTED("--unshare-all", "--share-net", "--netns", "5");
	ACCEPTED("--unshare-all", "--timens", "5");
	ACCEPTED("--unshare-net", "--ipcns", "5", "--utsns", "6", "--cgroupns", "7");
}

static void test_userns_block_fd_needs_unshare_user_and_info_fd(void **state)
{
	(void) state;
	REFUSED("--userns-block-fd (argument 1): needs --unshare-user", "--userns-block-fd", "5",
		"--info-fd", "6");
	REFUSED("--userns-block-fd (argument 2): needs --info-fd, which tells the caller whose id maps to write",
		"--unshare-user", "--userns-block-fd", "5");
	ACCEPTED("--unshare-user", "--userns-block-fd", "5", "--info-fd", "6");
}

static void test_disable_userns_needs_unshare_user(void **state)
{
	(void) state;
	REFUSED("--disable-userns (argument 1): needs --unshare-user", "--disable-userns");
	REFUSED("--disable-userns (argument 1): needs --unshare-user", "--disable-userns",
		"--unshare-user-try");
	REFUSED("--disable-userns (argument 2): needs --unshare-user", "--unshare-all",
		"--disable-userns");
	REFUSED("--disable-userns (argument 1): needs --unshare-user", "--disable-userns",
		"--userns", "5");
	REFUSED("--disable-userns (argument 6): cannot be combined with --userns-block-fd",
		"--unshare-user", "--userns-block-fd", "5", "--info-fd", "6", "--disable-userns");
	REFUSED("--disable-userns (argument 2): cannot be combined with --userns2",
		"--unshare-user", "--disable-userns", "--userns2", "5");
	ACCEPTED("--unshare-user", "--disable-userns");
	ACCEPTED("--unshare-all", "--unshare-user", "--disable-userns", "--assert-userns-disabled");
	ACCEPTED("--assert-userns-disabled");
}

static void test_other_ids_need_a_user_namespace(void **state)
{
	(void) state;
	ACCEPTED("--uid", "0", "--gid", "0"); /* a normal user always gets one */
	static const struct {
		char *option, *other;
	} ids[] = { { "--uid", "5" }, { "--gid", "5" } };
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const char *why = arena_printf("%s (argument 1): needs --unshare-user or --userns",
					       ids[i].option);
		assert_refused(&root, why, LINE(ids[i].option, ids[i].other, "c"));
		assert_accepted(&root, LINE(ids[i].option, "0", "c"));
		assert_accepted(&root, LINE(ids[i].option, ids[i].other, "--unshare-user", "c"));
		assert_accepted(&root, LINE(ids[i].option, ids[i].other, "--userns", "5", "c"));
		assert_accepted(&weak_root, LINE(ids[i].option, ids[i].other,
						 "c")); /* by capability, not by uid 0 */
	}
}

static void test_a_host_name_needs_a_namespace_for_it(void **state)
{
	(void) state;
	REFUSED("--hostname (argument 1): needs --unshare-uts", "--hostname", "h");
	REFUSED("--hostname (argument 2): needs --unshare-uts", "--unshare-user", "--hostname",
		"h");
	ACCEPTED("--hostname", "h", "--unshare-uts");
	ACCEPTED("--hostname", "h", "--unshare-all");
	char longest[66];
	memset(longest, 'h', 65);
	longest[64] = '\0';
	ACCEPTED("--unshare-uts", "--hostname", longest);
	longest[64] = 'h';
	longest[65] = '\0';
	REFUSED("--hostname (argument 2): a host name has at most 64 bytes", "--unshare-uts",
		"--hostname", longest);
}

static void test_as_pid_1_needs_a_pid_namespace_without_our_own_processes(void **state)
{
	(void) state;
	REFUSED("--as-pid-1 (argument 1): needs --unshare-pid", "--as-pid-1");
	REFUSED("--as-pid-1 (argument 3): needs --unshare-pid", "--pidns", "5", "--as-pid-1");
	REFUSED("--as-pid-1 (argument 2): cannot be combined with --lock-file, which needs a process to hold it",
		"--unshare-pid", "--as-pid-1", "--lock-file", "/l");
	ACCEPTED("--as-pid-1", "--unshare-pid");
	ACCEPTED("--as-pid-1", "--unshare-all", "--sync-fd", "5");
}

static void test_share_net_is_never_an_error(void **state)
{
	(void) state;
	ACCEPTED("--share-net");
	ACCEPTED("--unshare-net", "--share-net", "--unshare-net", "--share-net");
	ACCEPTED("--unshare-all", "--share-net", "--share-net");
}

static void test_a_capability_without_a_user_namespace_must_be_the_callers(void **state)
{
	(void) state;
	assert_refused(
		&root,
		"--cap-add (argument 3): the caller does not have cap_net_admin itself; with --unshare-user it can be given within the sandbox",
		LINE("--cap-add", "CAP_CHOWN", "--cap-add", "CAP_NET_ADMIN", "c"));
	assert_accepted(&root, LINE("--cap-add", "CAP_CHOWN", "--cap-drop", "CAP_NET_ADMIN",
				    "--cap-add", "ALL", "c"));
	assert_accepted(&root, LINE("--cap-add", "CAP_NET_ADMIN", "--unshare-user", "c"));
	assert_accepted(&root, LINE("--cap-add", "CAP_NET_ADMIN", "--userns", "5", "c"));
	ACCEPTED("--cap-add", "CAP_NET_ADMIN");
}

static void test_a_problem_inside_args_is_found_there(void **state)
{
	(void) state;
	fake_reset();
	static const char words[] = "--dir\0/a\0--hostname\0h";
	fake_fd_holds(3, words, sizeof(words));
	assert_null(read_line(LINE("--args", "3", "c"), &fake_io));
	assert_string_equal(plan_check(&plan, &user, &shape),
			    "--hostname (argument 1, word 3): needs --unshare-uts");
}

/* ---- shapes ---- */

static struct shape shape_of(const struct caller *caller, char *const *words)
{
	assert_accepted(caller, words);
	return shape;
}

static void test_no_process_that_nobody_needs(void **state)
{
	(void) state;
	const struct {
		char *const *words;
		const struct caller *caller;
		enum topology topology;
		const char *reason;
	} lines[] = {
		{ LINE("c"), &user, RUN_ALONE, NULL },
		{ LINE("--unshare-user", "--unshare-net", "--unshare-ipc", "--unshare-uts",
		       "--unshare-cgroup", "--proc", "/proc", "--dev", "/dev", "--bind", "/", "/",
		       "c"),
		  &leader, RUN_ALONE, NULL },
		{ LINE("--info-fd", "5", "--block-fd", "6", "--seccomp", "7", "c"), &user,
		  RUN_ALONE, NULL },
		{ LINE("--userns", "5", "--userns2", "6", "c"), &user, RUN_ALONE, NULL },
		{ LINE("--netns", "5", "--timens", "6", "c"), &user, RUN_ALONE, NULL },
		{ LINE("--new-session", "c"), &user, RUN_ALONE, NULL },
		{ LINE("--new-session", "c"), &leader, RUN_SUPERVISED, "--new-session" },
		{ LINE("--unshare-pid", "--as-pid-1", "c"), &user, RUN_SUPERVISED, "--as-pid-1" },
		{ LINE("--unshare-pid", "--as-pid-1", "--sync-fd", "5", "c"), &user, RUN_SUPERVISED,
		  "--as-pid-1" },
		{ LINE("--json-status-fd", "5", "c"), &user, RUN_SUPERVISED, "--json-status-fd" },
		{ LINE("--die-with-parent", "c"), &user, RUN_SUPERVISED, "--die-with-parent" },
		{ LINE("--pidns", "5", "c"), &user, RUN_SUPERVISED, "--pidns" },
		{ LINE("--unshare-pid", "c"), &user, RUN_WITH_INIT, "--unshare-pid" },
		{ LINE("--unshare-all", "c"), &user, RUN_WITH_INIT, "--unshare-pid" },
		{ LINE("--unshare-pid", "--die-with-parent", "--json-status-fd", "5", "c"), &leader,
		  RUN_WITH_INIT, "--unshare-pid" },
		{ LINE("--lock-file", "/l", "c"), &user, RUN_WITH_INIT, "--lock-file" },
		{ LINE("--sync-fd", "0", "c"), &user, RUN_WITH_INIT, "--sync-fd" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		shape = shape_of(lines[i].caller, lines[i].words);
		assert_int_equal(shape.topology, lines[i].topology);
		assert_string_equal(shape.topology_reason ? shape.topology_reason : "nothing",
				    lines[i].reason ? lines[i].reason : "nothing");
	}
}

static void test_a_user_namespace_is_made_where_it_is_wanted_or_needed(void **state)
{
	(void) state;
	const struct {
		const struct caller *caller;
		char *const *words;
		bool made, optional;
	} lines[] = {
		{ &user, LINE("c"), true, false },
		{ &weak_root, LINE("c"), true, false },
		{ &root, LINE("c"), false, false },
		{ &user, LINE("--unshare-user-try", "c"), true, false }, /* cannot do without */
		{ &root, LINE("--unshare-user-try", "c"), true, true },
		{ &root, LINE("--unshare-all", "c"), true, true },
		{ &root, LINE("--unshare-user", "--unshare-user-try", "c"), true, false },
		{ &user, LINE("--userns", "5", "c"), false, false },
		{ &root, LINE("--userns", "0", "c"), false, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		shape = shape_of(lines[i].caller, lines[i].words);
		assert_int_equal(shape.user_namespace, lines[i].made);
		assert_int_equal((shape.optional_namespaces & CLONE_NEWUSER) != 0,
				 lines[i].optional);
		assert_int_equal((shape.namespaces & CLONE_NEWUSER) != 0, lines[i].made);
	}
}

static void test_what_the_kernel_lacks_is_dropped_and_stays_so(void **state)
{
	(void) state;
	shape = shape_of(&root, LINE("--unshare-all", "c"));
	assert_int_equal(shape.optional_namespaces, CLONE_NEWUSER | CLONE_NEWCGROUP);
	assert_null(plan_drop_namespaces(&plan, &root, CLONE_NEWCGROUP, &shape));
	assert_int_equal(shape.optional_namespaces, CLONE_NEWUSER);
	assert_int_equal(shape.namespaces & (CLONE_NEWUSER | CLONE_NEWCGROUP), CLONE_NEWUSER);
	assert_null(plan_drop_namespaces(&plan, &root, CLONE_NEWUSER, &shape));
	assert_int_equal(shape.optional_namespaces, 0);
	assert_int_equal(shape.namespaces & (CLONE_NEWUSER | CLONE_NEWCGROUP), 0);
	assert_false(shape.user_namespace);
	shape = shape_of(&root, LINE("--unshare-user-try", "--uid", "5", "c"));
	assert_string_equal(plan_drop_namespaces(&plan, &root, CLONE_NEWUSER, &shape),
			    "--uid (argument 2): needs --unshare-user or --userns");
}

static void test_the_namespaces_are_those_asked_for_and_always_mount(void **state)
{
	(void) state;
	const struct {
		char *option;
		unsigned long flag;
	} kinds[] = {
		{ "--unshare-ipc", CLONE_NEWIPC },       { "--unshare-pid", CLONE_NEWPID },
		{ "--unshare-net", CLONE_NEWNET },       { "--unshare-uts", CLONE_NEWUTS },
		{ "--unshare-cgroup", CLONE_NEWCGROUP }, { "--unshare-cgroup-try", CLONE_NEWCGROUP }
	};
	assert_int_equal(shape_of(&root, LINE("c")).namespaces, CLONE_NEWNS);
	assert_int_equal(shape_of(&user, LINE("c")).namespaces, CLONE_NEWNS | CLONE_NEWUSER);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		assert_int_equal(shape_of(&root, LINE(kinds[i].option, "c")).namespaces,
				 CLONE_NEWNS | kinds[i].flag);
	unsigned long all = CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWPID |
			    CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWCGROUP;
	assert_int_equal(shape_of(&user, LINE("--unshare-all", "c")).namespaces, all);
	assert_int_equal(shape_of(&user, LINE("--unshare-all", "--share-net", "c")).namespaces,
			 all & ~(unsigned long) CLONE_NEWNET);
}

static void test_a_procfs_is_new_with_a_new_or_joined_pid_namespace(void **state)
{
	(void) state;
	assert_false(shape_of(&user, LINE("--proc", "/proc", "c")).new_proc);
	assert_true(shape_of(&user, LINE("--proc", "/proc", "--unshare-pid", "c")).new_proc);
	assert_true(shape_of(&user, LINE("--proc", "/proc", "--pidns", "0", "c")).new_proc);
	assert_false(shape_of(&user, LINE("--pidns", "0", "c")).pid_namespace);
	assert_true(shape_of(&user, LINE("--pidns", "0", "--unshare-pid", "c")).pid_namespace);
}

static void test_ids_inside_are_the_callers_unless_told(void **state)
{
	(void) state;
	shape = shape_of(&user, LINE("c"));
	assert_int_equal(shape.inner_uid, 1000);
	assert_int_equal(shape.inner_gid, 1000);
	shape = shape_of(&user, LINE("--uid", "0", "--gid", "4294967294", "c"));
	assert_int_equal(shape.inner_uid, 0);
	assert_int_equal(shape.inner_gid, 4294967294);
}

static void test_capabilities_are_kept_by_uid_0_and_given_to_others(void **state)
{
	(void) state;
	const uint64_t own = root.permitted_caps, admin = CAP(CAP_NET_ADMIN),
		       chown = CAP(CAP_CHOWN);
	const struct {
		const struct caller *caller;
		char *const *words;
		uint64_t caps, ambient_caps;
	} lines[] = {
		{ &user, LINE("c"), 0, 0 },
		{ &user, LINE("--uid", "0", "c"), 0, 0 }, /* the caller's uid counts */
		{ &user, LINE("--cap-add", "CAP_NET_ADMIN", "c"), admin, admin },
		{ &user, LINE("--cap-add", "ALL", "c"), ALL_CAPS, ALL_CAPS },
		{ &user, LINE("--cap-add", "ALL", "--cap-drop", "CAP_CHOWN", "c"),
		  ALL_CAPS & ~chown, ALL_CAPS & ~chown },
		{ &user, LINE("--cap-drop", "CAP_CHOWN", "--cap-add", "ALL", "c"), ALL_CAPS,
		  ALL_CAPS },
		{ &user,
		  LINE("--cap-add", "ALL", "--cap-drop", "ALL", "--cap-add", "CAP_CHOWN", "c"),
		  chown, chown },
		{ &root, LINE("c"), own, 0 },
		{ &root, LINE("--cap-drop", "CAP_CHOWN", "c"), own & ~chown, 0 },
		{ &root, LINE("--cap-drop", "ALL", "c"), 0, 0 },
		{ &root, LINE("--cap-drop", "ALL", "--cap-add", "CAP_CHOWN", "c"), chown, chown },
		{ &root, LINE("--cap-add", "ALL", "c"), own, own }, /* all that the caller has */
		{ &root, LINE("--unshare-user", "c"), own, 0 },
		{ &root, LINE("--unshare-user", "--cap-add", "CAP_NET_ADMIN", "c"), own | admin,
		  admin },
		{ &root, LINE("--userns", "5", "--cap-add", "CAP_NET_ADMIN", "c"), own | admin,
		  admin },
		{ &weak_root, LINE("c"), weak_root.permitted_caps, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		shape = shape_of(lines[i].caller, lines[i].words);
		assert_int_equal(shape.caps, lines[i].caps);
		assert_int_equal(shape.ambient_caps, lines[i].ambient_caps);
	}
}

static void test_a_second_user_namespace_where_command_could_harm_the_first(void **state)
{
	(void) state;
	const struct {
		const struct caller *caller;
		char *const *words;
		bool level, required;
	} lines[] = {
		{ &user, LINE("c"), false, false },
		{ &user, LINE("--dev", "/dev", "c"), false, false },
		{ &user, LINE("--unshare-pid", "c"), true, false },
		{ &user, LINE("--unshare-pid", "--as-pid-1", "c"), false, false },
		{ &user, LINE("--lock-file", "/l", "c"), true, false },
		{ &user, LINE("--cap-add", "CAP_CHOWN", "c"), true, true },
		{ &user, LINE("--unshare-user", "--disable-userns", "c"), true, true },
		{ &user,
		  LINE("--unshare-user", "--userns2", "5", "--unshare-pid", "--cap-add", "ALL",
		       "c"),
		  false, false },
		{ &user, LINE("--userns", "5", "--unshare-pid", "c"), false, false },
		{ &user, LINE("--userns", "5", "--cap-add", "CAP_CHOWN", "c"), true, true },
		{ &root, LINE("c"), false, false },
		{ &root, LINE("--unshare-pid", "c"), false, false },
		{ &root, LINE("--unshare-user", "c"), true, true },
		{ &root, LINE("--unshare-user", "--cap-drop", "ALL", "c"), false, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		shape = shape_of(lines[i].caller, lines[i].words);
		assert_int_equal(shape.second_userns, lines[i].level);
		assert_int_equal(shape.second_userns_required, lines[i].required);
	}
}

static void test_with_capabilities_the_second_one_owns_what_they_are_good_for(void **state)
{
	(void) state;
	shape = shape_of(&user, LINE("--unshare-all", "--cap-add", "CAP_NET_ADMIN", "c"));
	assert_int_equal(shape.second_namespaces,
			 CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC);
	assert_int_equal(shape.namespaces,
			 CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWCGROUP);
	shape = shape_of(
		&user, LINE("--unshare-all", "--mqueue", "/m", "--cap-add", "CAP_NET_ADMIN", "c"));
	assert_int_equal(shape.second_namespaces, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS);
	assert_int_equal(shape.namespaces, CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWPID |
						   CLONE_NEWCGROUP | CLONE_NEWIPC);
	shape = shape_of(&user, LINE("--unshare-user", "--disable-userns", "--unshare-net", "c"));
	assert_int_equal(shape.second_namespaces, 0);
}

static void test_the_first_operation_may_be_the_whole_root(void **state)
{
	(void) state;
	const struct {
		char *const *words;
		bool is_root;
	} lines[] = {
		{ LINE("c"), false },
		{ LINE("--bind", "/", "/", "c"), true },
		{ LINE("--ro-bind", "/x", "///", "c"), true },
		{ LINE("--tmpfs", "/", "c"), true },
		{ LINE("--bind", "/", "/a", "c"), false },
		{ LINE("--dir", "/", "c"), false },
		{ LINE("--dir", "/a", "--bind", "/", "/", "c"), false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_accepted(&user, lines[i].words);
		assert_int_equal(plan_first_op_is_root(&plan), lines[i].is_root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_empty_plan_is_sound),
		cmocka_unit_test(test_a_user_namespace_is_joined_or_made_not_both),
		cmocka_unit_test(test_every_other_kind_is_joined_or_made_not_both),
		cmocka_unit_test(test_userns_block_fd_needs_unshare_user_and_info_fd),
		cmocka_unit_test(test_disable_userns_needs_unshare_user),
		cmocka_unit_test(test_other_ids_need_a_user_namespace),
		cmocka_unit_test(test_a_host_name_needs_a_namespace_for_it),
		cmocka_unit_test(test_as_pid_1_needs_a_pid_namespace_without_our_own_processes),
		cmocka_unit_test(test_share_net_is_never_an_error),
		cmocka_unit_test(test_a_capability_without_a_user_namespace_must_be_the_callers),
		cmocka_unit_test(test_a_problem_inside_args_is_found_there),
		cmocka_unit_test(test_no_process_that_nobody_needs),
		cmocka_unit_test(test_a_user_namespace_is_made_where_it_is_wanted_or_needed),
		cmocka_unit_test(test_what_the_kernel_lacks_is_dropped_and_stays_so),
		cmocka_unit_test(test_the_namespaces_are_those_asked_for_and_always_mount),
		cmocka_unit_test(test_a_procfs_is_new_with_a_new_or_joined_pid_namespace),
		cmocka_unit_test(test_ids_inside_are_the_callers_unless_told),
		cmocka_unit_test(test_capabilities_are_kept_by_uid_0_and_given_to_others),
		cmocka_unit_test(test_a_second_user_namespace_where_command_could_harm_the_first),
		cmocka_unit_test(test_with_capabilities_the_second_one_owns_what_they_are_good_for),
		cmocka_unit_test(test_the_first_operation_may_be_the_whole_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
