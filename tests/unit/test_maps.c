/* map-options.c: maps of more ids than one, read and checked. */
#include "plan/map-options.h"
#include "plan_line.h"

#include <sched.h>

static const struct caller root = { .permitted_caps = ~UINT64_C(0), .may_mount = true };

static problem check_line(const struct caller *caller, char *const *words)
{
	fake_reset();
	problem bad = read_line(words, &fake_io);
	return bad ? bad : plan_check(&plan, caller, &shape);
}

static void refuse(const char *expected, char *const *words)
{
	problem bad = check_line(&user, words);
	if (!bad)
		fail_msg("accepted, but expected: %s", expected);
	assert_string_equal(bad, expected);
}

static void accept(const struct caller *caller, char *const *words)
{
	problem bad = check_line(caller, words);
	if (bad)
		fail_msg("%s", bad);
}
#define REFUSED(expected, ...) refuse(expected, LINE(__VA_ARGS__, "c"))
#define ACCEPTED(...)          accept(&user, LINE(__VA_ARGS__, "c"))

static void test_numbers_are_ids_and_a_count(void **state)
{
	(void) state;
	REFUSED("--uid-map (argument 1): Invalid INNER: -1 is not a number from 0 to 4294967294",
		"--uid-map", "-1", "0", "1");
	REFUSED("--gid-map (argument 1): Invalid OUTER: 4294967295 is not a number from 0 to 4294967294",
		"--gid-map", "0", "4294967295", "1");
	REFUSED("--uid-map (argument 1): Invalid COUNT: a range has at least one id", "--uid-map",
		"0", "1000", "0");
	REFUSED("--uid-map (argument 1): 4294967294 ids from INNER 2 on go beyond the last one, 4294967294",
		"--uid-map", "2", "0", "4294967294");
	REFUSED("--gid-map (argument 1): 2 ids from OUTER 4294967294 on go beyond the last one, 4294967294",
		"--gid-map", "0", "4294967294", "2");
	ACCEPTED("--uid-map", "4294967294", "1000", "1");
	ACCEPTED("--uid-map", "1", "0", "4294967294");
}

static void test_no_id_is_mapped_twice(void **state)
{
	(void) state;
	REFUSED("--uid-map (argument 5): its ids inside overlap those of --uid-map (argument 1)",
		"--uid-map", "0", "1000", "10", "--uid-map", "9", "2000", "1");
	REFUSED("--gid-map (argument 9): its ids outside overlap those of --gid-map (argument 1)",
		"--gid-map", "5", "1000", "10", "--gid-map", "0", "995", "5", "--gid-map", "30",
		"990", "20");
	ACCEPTED("--uid-map", "0", "1000", "10", "--uid-map", "10", "1010", "10", "--gid-map", "0",
		 "1000", "1");
}

static void test_the_kernel_takes_340_ranges(void **state)
{
	(void) state;
	enum { MOST = 340 };
	char **words = arena_alloc((4 * (MOST + 1) + 3) * sizeof(*words));
	size_t n = 0;
	words[n++] = "bwrapish";
	for (unsigned i = 0; i <= MOST; i++) {
		words[n++] = "--uid-map";
		words[n++] = arena_printf("%u", 2 * i);
		words[n++] = arena_printf("%u", 1000 + 2 * i);
		words[n++] = "1";
	}
	words[n] = "c";
	refuse("--uid-map (argument 1361): the kernel takes no more than 340 ranges in one map",
	       words);
	words[n - 4] = "c";
	words[n - 3] = NULL;
	accept(&user, words);
}

static void test_command_is_one_of_them(void **state)
{
	(void) state;
	REFUSED("--uid-map (argument 1): the caller's own uid 1000 is not mapped: --uid says who COMMAND is instead",
		"--uid-map", "0", "100000", "10");
	/* 1000 is there inside, and a stranger's. */
	REFUSED("--uid-map (argument 1): the caller's own uid 1000 is not mapped: --uid says who COMMAND is instead",
		"--uid-map", "0", "100000", "65536");
	REFUSED("--gid-map (argument 1): the caller's own gid 1000 is not mapped: --gid says who COMMAND is instead",
		"--gid-map", "0", "100000", "65536");
	ACCEPTED("--uid-map", "0", "100000", "65536", "--uid", "1000");
	assert_int_equal(shape.inner_uid, 1000);
	REFUSED("--uid (argument 5): 10 is none of the ids that --uid-map gives", "--uid-map", "0",
		"100000", "10", "--uid", "10");
	ACCEPTED("--uid-map", "0", "100000", "10", "--uid", "9");
	assert_int_equal(shape.inner_uid, 9);
	ACCEPTED("--uid-map", "0", "990", "20");
	assert_int_equal(shape.inner_uid, 10);
	ACCEPTED("--map-auto");
	assert_int_equal(shape.inner_uid, 0);
	assert_int_equal(shape.inner_gid, 0);
	ACCEPTED("--map-auto", "--gid", "8");
	assert_int_equal(shape.inner_gid, 8);
}

static void test_maps_go_with_nobody_elses(void **state)
{
	(void) state;
	REFUSED("--map-auto (argument 1): cannot be combined with --uid-map or --gid-map",
		"--map-auto", "--gid-map", "0", "1000", "1");
	REFUSED("--map-auto (argument 3): cannot be combined with --userns: that user namespace has its ids already",
		"--userns", "5", "--map-auto");
	REFUSED("--gid-map (argument 6): cannot be combined with --userns-block-fd, with which the caller writes the id maps",
		"--unshare-user", "--userns-block-fd", "5", "--info-fd", "6", "--gid-map", "0",
		"1000", "1");
}

static void test_only_more_than_ones_own_id_takes_another_process(void **state)
{
	(void) state;
	ACCEPTED("--uid-map", "0", "1000", "1", "--gid-map", "3", "1000", "1");
	assert_false(shape.maps_uids || shape.maps_gids);
	ACCEPTED("--uid-map", "0", "1000", "2");
	assert_true(shape.maps_uids && !shape.maps_gids);
	ACCEPTED("--gid-map", "0", "999", "1", "--gid", "0");
	assert_true(!shape.maps_uids && shape.maps_gids);
	ACCEPTED("--map-auto");
	assert_true(shape.maps_uids && shape.maps_gids);
}

static void test_root_of_them_has_nine_capabilities(void **state)
{
	(void) state;
	const uint64_t nine = 0x800400fb, sys_admin = UINT64_C(1) << 21;
	ACCEPTED("--map-auto", "--unshare-net");
	assert_int_equal(shape.caps, nine);
	assert_int_equal(shape.ambient_caps, 0);
	assert_true(shape.second_userns_required && shape.second_namespaces & CLONE_NEWNS);
	ACCEPTED("--uid-map", "0", "1000", "1");
	assert_int_equal(shape.caps, nine);
	ACCEPTED("--map-auto", "--uid", "5");
	assert_int_equal(shape.caps, 0);
	ACCEPTED("--map-auto", "--cap-drop", "CAP_CHOWN", "--cap-add", "CAP_SYS_ADMIN");
	assert_int_equal(shape.caps, (nine & ~UINT64_C(1)) | sys_admin);
	accept(&root, LINE("--map-auto", "c"));
	assert_int_equal(shape.caps, nine);
	assert_true(shape.user_namespace && !shape.optional_namespaces);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_ids_and_a_count),
		cmocka_unit_test(test_no_id_is_mapped_twice),
		cmocka_unit_test(test_the_kernel_takes_340_ranges),
		cmocka_unit_test(test_command_is_one_of_them),
		cmocka_unit_test(test_maps_go_with_nobody_elses),
		cmocka_unit_test(test_only_more_than_ones_own_id_takes_another_process),
		cmocka_unit_test(test_root_of_them_has_nine_capabilities),
	};
	return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
