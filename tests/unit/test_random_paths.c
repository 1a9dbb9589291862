/* path.c: paths and trees at random, the same each time; both engines must give the same answer, and stay inside. */
#include "path_tree.h"

#include <limits.h>
#include <string.h>

static uint32_t dice_state;
static uint32_t dice(uint32_t sides)
{
	dice_state = dice_state * 1664525 +
		     1013904223; /* Numerical Recipes' LCG; its high bits are the better ones */
	return (dice_state >> 8) % sides;
}

static const char *random_path(size_t most)
{
	static const char *const names[] = { "a",  "b", "c",  "d", "l", "m", "n",
					     "..", ".", "..", "",  "a", "f" };
	struct text text = { 0 };
	text_add(&text, "%s", dice(3) ? "" : "/");
	for (size_t n = 1 + dice((uint32_t) most); n; n--)
		text_add(&text, "%s%s", names[dice(ARRAY_SIZE(names))],
			 n > 1 || !dice(4) ? "/" : "");
	return text.length ? text.bytes : "/";
}

/* The same in each of two roots. */
static void grow_random(const int roots[2])
{
	static const char *const names[] = { "a", "b", "c", "d", "l", "m", "n", "f" };
	path_engine = PATH_ENGINE_OPENAT2;
	for (int i = 0; i < 60; i++) {
		struct text parent = { 0 };
		for (uint32_t depth = 1 + dice(4); depth; depth--)
			text_add(&parent, "/%s", depth > 1 ? names[dice(4)] : "");
		const char *name = names[dice(ARRAY_SIZE(names))], *target = random_path(4);
		uint32_t kind = dice(5);
		int results[2];
		for (int r = 0; r < 2; r++) {
			AUTO_CLOSE int fd = path_open(roots[r], parent.bytes, PD);
			results[r] = kind < 2   ? mkdirat(fd, name, 0755)
				     : kind < 3 ? mknodat(fd, name, S_IFREG | 0644, 0)
						: symlinkat(target, fd, name);
		}
		assert_int_equal(results[0], results[1]);
	}
}

static void assert_inside(int root, const char *path)
{
	char link[PATH_MAX], root_link[PATH_MAX];
	path_engine = PATH_ENGINE_WALK;
	AUTO_CLOSE int fd = path_open(root, path, O_PATH);
	if (fd < 0)
		return;
	ssize_t n = readlink(arena_printf("/proc/self/fd/%d", fd), link, sizeof(link));
	ssize_t n_root =
		readlink(arena_printf("/proc/self/fd/%d", root), root_link, sizeof(root_link));
	if (n < n_root || n_root <= 0 || memcmp(link, root_link, (size_t) n_root) != 0)
		fail_msg("\"%s\" leads to %.*s", path, (int) n, link);
}

static void test_random_paths_lead_to_the_same_place_inside(void **state)
{
	(void) state;
	static const int flags[] = {
		P, P, P, PD, PN, O_RDONLY, O_RDONLY | O_NOFOLLOW, O_RDONLY | O_DIRECTORY
	};
	dice_state = 20261122;
	size_t n_opened = 0;
	for (int t = 0; t < 10; t++) {
		AUTO_CLOSE int one = -1, two = -1;
		new_root(&one);
		new_root(&two);
		grow_random((int[]){ one, two });
		for (int i = 0; i < 400; i++) {
			const char *path = random_path(7);
			n_opened += !ask_both(one, path, flags[dice(ARRAY_SIZE(flags))]).error;
			assert_inside(one, path);
		}
	}
	assert_between(n_opened, 400, 3900); /* neither all nor none, or the tree is no good */
}

static void test_random_parents_are_made_the_same_way(void **state)
{
	(void) state;
	dice_state = 11222026;
	size_t n_opened = 0;
	for (int t = 0; t < 30; t++) {
		AUTO_CLOSE int one = -1, two = -1;
		const char *paths[] = { new_root(&one), new_root(&two) };
		const int roots[] = { one, two };
		grow_random(roots);
		for (int i = 0; i < 25; i++) {
			const char *path = random_path(5), *names[2], *left[2];
			int errors[2];
			for (int r = 0; r < 2; r++) {
				path_engine = engines[r];
				AUTO_CLOSE int fd = path_open_parent(
					roots[r], path, 0755, r ? &(struct path_guard){ 0 } : NULL,
					&names[r]);
				errors[r] = fd < 0 ? errno : 0;
				left[r] = names_below(paths[r]);
			}
			if (errors[0] != errors[1] || !streq(left[0], left[1]))
				fail_msg("parents of \"%s\": %s or %s; left %s or %s", path,
					 errno_text(errors[0]), errno_text(errors[1]), left[0],
					 left[1]);
			assert_string_equal(names[0], names[1]);
			n_opened += !errors[0];
		}
	}
	assert_between(n_opened, 100, 740);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_paths_lead_to_the_same_place_inside),
		cmocka_unit_test(test_random_parents_are_made_the_same_way),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
