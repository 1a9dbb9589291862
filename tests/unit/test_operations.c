/* What operations become, and the modifiers before them. */
#include "read_line.h"

#include <string.h>

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
	BAD("--perms (argument 1, word 2): must be followed by an operation that makes something: --dir, --tmpfs, --file, --bind-data, --ro-bind-data, --data or --unix-out",
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

/* "" where there is none. */
static const char *found(const char *sentence)
{
	struct position position = { 0 };
	return position_find(sentence, &position) ? position_text(position) : "";
}

static void test_the_position_is_found_in_what_was_said(void **state)
{
	(void) state;
	const struct position places[] = { { "--bind", 3, 0 }, { "--x-2", 4294967295, 17 } };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *place = position_text(places[i]);
		assert_string_equal(found(problem_at(places[i], "no, at --uid (argument 9)")),
				    place);
		assert_string_equal(found(arena_join("Unknown option ", place)), place);
		assert_string_equal(found(arena_printf("no COMMAND: %s took it", place)), place);
		assert_string_equal(found(arena_printf("Unknown option %s; is --y meant?", place)),
				    place);
		assert_string_equal(
			found(arena_join("Can't find /a, at --b (argument 1): x, at ", place)),
			place);
		assert_string_equal(found(arena_printf("Can't, at %s; Linux is old", place)),
				    place);
		assert_string_equal(found(arena_printf("Can't, at %s, or so", place)), "");
		assert_string_equal(found(arena_printf("Can't %s: x", place)), "");
	}
	assert_string_equal(found("Unknown option --a (argument 7) (argument 2); --help"),
			    "--a (argument 7) (argument 2)");
	const char *const none[] = { "",
				     "--",
				     "--bind",
				     "--bind (argument ",
				     "--bind (argument 3",
				     "--bind (argument 3, word )",
				     "--bind (argument 4294967296): x",
				     "--bind (argument -1): x",
				     "--bind (argument 3) x",
				     "Unknown option -",
				     "bind (argument 3): x",
				     "Can't go, at ",
				     "Can't go, at bind (argument 3)" };
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		assert_string_equal(found(none[i]), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_pending_modifier_carries_into_args),
		TEST(test_a_pending_modifier_does_not_leave_args),
		TEST(test_a_modifier_is_given_once_for_an_operation),
		TEST(test_different_modifiers_combine_in_any_order),
		TEST(test_a_modifier_at_the_end_modifies_nothing),
		TEST(test_layers_and_their_modifiers_belong_to_the_next_overlay),
		TEST(test_layers_without_an_overlay_are_a_mistake),
		TEST(test_propagation_is_private_or_slave),
		TEST(test_the_modes_of_what_is_made_and_of_its_parents),
		TEST(test_parents_of_binds_are_private),
		TEST(test_the_binds_differ_in_what_they_allow),
		TEST(test_operations_keep_their_order_and_tell_their_position),
		TEST(test_the_position_is_found_in_what_was_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
