/* What --trace-denied suggests: the options for one path, and the fewest for all. */
#include "plan/denied.h"

#include "utils.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HOME "/home/me"

enum { READ = 0, CHANGE = 1, DIRECTORY = 2, DEVICE = 4 };
struct asked {
	const char *place;
	int how;
	const char *links[4]; /* path and target in turn */
};

static struct denied denied_of(const struct asked *want)
{
	return (struct denied){ .call = "openat",
				.path = want->links[0] ? want->links[0] : want->place,
				.place = want->place,
				.error = ENOENT,
				.links = want->links,
				.n_links = (size_t) (!!want->links[0] + !!want->links[2]),
				.is_directory = want->how & DIRECTORY,
				.is_device = want->how & DEVICE,
				.is_to_change = want->how & CHANGE };
}

static const struct {
	struct asked want;
	const char *option; /* NULL: none is told */
} options_of_one[] = {
	{ { "/etc/hostname", READ, { 0 } }, "--ro-bind-try /etc/hostname /etc/hostname" },
	{ { "/usr/bin/cc", READ, { 0 } }, "--ro-bind-try /usr/bin/cc /usr/bin/cc" },
	{ { "/usr/bin/cc", READ, { "/bin", "usr/bin" } },
	  "--symlink usr/bin /bin --ro-bind-try /usr/bin/cc /usr/bin/cc" },
	{ { "/srv/a b", READ, { 0 } }, "--ro-bind-try '/srv/a b' '/srv/a b'" },
	{ { "/srv/it's", READ, { 0 } }, "--ro-bind-try '/srv/it'\\''s' '/srv/it'\\''s'" },
	{ { "/srv/$x`y`", READ, { 0 } }, "--ro-bind-try '/srv/$x`y`' '/srv/$x`y`'" },
	{ { "/proc/self/stat", READ, { 0 } }, "--proc /proc" },
	{ { "/proc", READ, { "/etc/mtab", "../proc/self/mounts" } },
	  "--symlink ../proc/self/mounts /etc/mtab --proc /proc" },
	{ { "/dev/null", CHANGE | DEVICE, { 0 } }, "--dev /dev" },
	{ { "/dev/shm", DIRECTORY, { 0 } }, "--dev /dev" },
	{ { "/dev/dri/card0", DEVICE, { 0 } }, "--dev-bind-try /dev/dri/card0 /dev/dri/card0" },
	{ { "/dev/nullx", READ, { 0 } }, NULL },
	{ { "/dev/disk", DIRECTORY, { 0 } }, NULL },
	{ { "/tmp", CHANGE | DIRECTORY, { 0 } }, "--tmpfs /tmp" },
	{ { "/tmp/.X11-unix/X0", READ, { 0 } },
	  "--ro-bind-try /tmp/.X11-unix/X0 /tmp/.X11-unix/X0" },
	{ { "/var/tmp/x", CHANGE, { 0 } }, "--tmpfs /var/tmp" },
	{ { HOME "/project", CHANGE | DIRECTORY, { 0 } },
	  "--bind-try " HOME "/project " HOME "/project" },
	/* too much */
	{ { "/", DIRECTORY, { 0 } }, NULL },
	{ { "/", CHANGE | DIRECTORY, { 0 } }, NULL },
	{ { "/etc", DIRECTORY, { 0 } }, "--dir /etc" },
	{ { "/home", DIRECTORY, { 0 } }, "--dir /home" },
	{ { "/home/other", DIRECTORY, { 0 } }, "--dir /home/other" },
	{ { HOME, DIRECTORY, { 0 } }, "--dir " HOME },
	{ { HOME, CHANGE | DIRECTORY, { 0 } }, "--dir " HOME },
	{ { HOME "/.config", DIRECTORY, { 0 } }, "--dir " HOME "/.config" },
	{ { HOME "/.local/share", CHANGE | DIRECTORY, { 0 } }, "--dir " HOME "/.local/share" },
	/* secrets */
	{ { HOME "/.ssh", DIRECTORY, { 0 } }, NULL },
	{ { HOME "/.ssh/config", READ, { 0 } }, NULL },
	{ { HOME "/.sshx", READ, { 0 } }, "--ro-bind-try " HOME "/.sshx " HOME "/.sshx" },
	{ { HOME "/.config/gh/hosts.yml", READ, { 0 } }, NULL },
	{ { HOME "/a/.env.local", READ, { 0 } }, NULL },
	{ { HOME "/.bash_history", READ, { 0 } }, NULL },
	{ { "/etc/shadow", READ, { 0 } }, NULL },
	{ { "/etc/ssl/private/key.pem", READ, { 0 } }, NULL },
	{ { "/run/docker.sock", READ, { 0 } }, NULL },
	{ { "/tmp/ssh-XX/agent.1", READ, { 0 } }, NULL },
	{ { "/run/user/1000/keyring/ssh", READ, { 0 } }, NULL },
	/* by a link whose name says nothing */
	{ { HOME "/.ssh/id", READ, { "/srv/innocent", HOME "/.ssh/id" } }, NULL },
	{ { NULL, READ, { 0 } }, NULL },
};

static void test_one_path_has_the_option_that_shows_it_and_no_more(void **state)
{
	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(options_of_one); i++) {
		struct denied denied = denied_of(&options_of_one[i].want);
		const char *option = denied_option(&denied, &(struct plan){ 0 }, HOME);
		if (!option || !options_of_one[i].option) {
			if (option != options_of_one[i].option)
				fail_msg("%s: %s", options_of_one[i].want.place, option);
			continue;
		}
		assert_string_equal(option, options_of_one[i].option);
	}
}

static void test_what_is_only_looked_at_in_tmp_may_be_anothers(void **state)
{
	(void) state;
	struct denied denied = denied_of(&(struct asked){ "/tmp/a", READ, { 0 } });
	denied.call = "stat";
	assert_null(denied_option(&denied, &(struct plan){ 0 }, HOME));
}

static void test_what_only_cannot_be_changed_gets_no_empty_directory_over_it(void **state)
{
	(void) state;
	struct denied denied = denied_of(&(struct asked){ HOME, CHANGE | DIRECTORY, { 0 } });
	denied.error = EROFS;
	assert_null(denied_option(&denied, &(struct plan){ 0 }, HOME));
}

static void test_what_is_mounted_on_no_option_lets_be_removed(void **state)
{
	(void) state;
	struct denied denied = denied_of(&(struct asked){ HOME "/project", CHANGE, { 0 } });
	denied.error = EBUSY;
	assert_null(denied_option(&denied, &(struct plan){ 0 }, HOME));
}

#define AND(path)           \
	{                   \
		path, READ, \
		{           \
			0   \
		}           \
	}

static void test_all_have_the_fewest_options(void **state)
{
	(void) state;
	static const struct {
		struct asked wants[6];
		const char *options;
	} rows[] = {
		{ { AND(NULL) }, "" },
		{ { AND("/etc/b"), AND("/etc/a"), AND("/etc/b") },
		  "--ro-bind-try /etc/a /etc/a --ro-bind-try /etc/b /etc/b" },
		{ { AND("/usr/lib/a.so") }, "--ro-bind-try /usr/lib /usr/lib" },
		{ { AND("/usr/lib64/a.so"), AND("/usr/lib32/a.so"), AND("/usr/lib/a.so") },
		  "--ro-bind-try /usr/lib /usr/lib --ro-bind-try /usr/lib32 /usr/lib32 --ro-bind-try /usr/lib64 /usr/lib64" },
		{ { AND("/usr/bin/a"), AND("/usr/lib/a.so") },
		  "--ro-bind-try /usr/bin/a /usr/bin/a --ro-bind-try /usr/lib /usr/lib" },
		{ { AND("/usr/bin/a"), AND("/usr/bin/b") }, "--ro-bind-try /usr/bin /usr/bin" },
		{ { AND("/usr/share/perl/5/JSON.pm") },
		  "--ro-bind-try /usr/share/perl /usr/share/perl" },
		{ { AND("/usr/share/perl/5/JSON.pm"), AND("/usr/share/dpkg/x") },
		  "--ro-bind-try /usr/share /usr/share" },
		{ { AND("/usr/bin/a"), AND("/usr/lib/a.so"), AND("/usr/share/a") },
		  "--ro-bind-try /usr /usr" },
		{ { AND("/etc/ssl/certs/a"), AND("/etc/ssl/openssl.cnf"), AND("/etc/ssh/x") },
		  "--ro-bind-try /etc/ssl/certs /etc/ssl/certs --ro-bind-try /etc/ssl/openssl.cnf /etc/ssl/openssl.cnf" },
		{ { AND(HOME "/a/1"), AND(HOME "/a/2"), AND(HOME "/a/3") },
		  "--ro-bind-try " HOME "/a/1 " HOME "/a/1 --ro-bind-try " HOME "/a/2 " HOME
		  "/a/2 --ro-bind-try " HOME "/a/3 " HOME "/a/3" },
		{ { AND(HOME "/a/1"), { HOME "/a", CHANGE | DIRECTORY, { 0 } } },
		  "--bind-try " HOME "/a " HOME "/a" },
		{ { AND("/srv/a/1"), { "/srv/a", DIRECTORY, { 0 } } },
		  "--ro-bind-try /srv/a /srv/a" },
		/* what is read-only around it comes before what can be changed */
		{ { { "/srv/a/1", CHANGE, { 0 } }, { "/srv/a", DIRECTORY, { 0 } } },
		  "--ro-bind-try /srv/a /srv/a --bind-try /srv/a/1 /srv/a/1" },
		{ { { "/usr/bin/cc", READ, { "/bin", "usr/bin" } },
		    AND("/usr/bin/ld"),
		    AND("/dev/null"),
		    AND("/proc/1") },
		  "--symlink usr/bin /bin --proc /proc --dev /dev --ro-bind-try /usr/bin /usr/bin" },
		/* a link in a directory that is shown whole is there */
		{ { { "/usr/bin/mawk",
		      READ,
		      { "/usr/bin/awk", "/etc/alternatives/awk", "/etc/alternatives/awk",
			"/usr/bin/mawk" } } },
		  "--ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /usr/bin /usr/bin" },
	};
	static const struct plan plan = { 0 };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct denied denied[ARRAY_SIZE(rows->wants)];
		size_t n = 0;
		for (; n < ARRAY_SIZE(denied) && rows[i].wants[n].place; n++)
			denied[n] = denied_of(&rows[i].wants[n]);
		bool is_truncated;
		assert_string_equal(denied_options(denied, n, &plan, HOME, &is_truncated),
				    rows[i].options);
		assert_false(is_truncated);
	}
}

/* What takes minutes where each is compared with each other. */
static void test_links_without_number_are_told_in_time_and_not_all(void **state)
{
	(void) state;
	enum { N_KINDS = 1000, N_LINKS = 39 };
	static struct denied many[N_KINDS];
	static const struct plan plan = { 0 };
	bool is_truncated = false;
	for (int i = 0; i < N_KINDS; i++) {
		const char **links = arena_alloc(2 * N_LINKS * sizeof(*links));
		for (int j = 0; j < N_LINKS; j++) {
			links[2 * j] = arena_printf("/usr/share/project/%d/%d", i, j);
			links[2 * j + 1] = "x";
		}
		const char *place = arena_printf("/usr/share/project/%d/end", i);
		many[i] = denied_of(&(struct asked){ place, READ, { 0 } });
		many[i].links = links;
		many[i].n_links = N_LINKS;
	}
	assert_non_null(denied_options(many, N_KINDS, &plan, HOME, &is_truncated));
	assert_true(is_truncated);
}

static const char *options_beside(struct op *ops, size_t n_ops, const char *place)
{
	struct denied denied = denied_of(&(struct asked){ place, READ, { 0 } });
	struct plan plan = { .root = { .ops = ops, .n_ops = n_ops } };
	bool is_truncated;
	return denied_options(&denied, 1, &plan, HOME, &is_truncated);
}

static void test_what_the_line_shows_counts_and_what_it_hides_stays_hidden(void **state)
{
	(void) state;
	struct op shown[] = {
		{ .kind = OP_BIND, .outer_path = "/usr/bin/a", .inner_path = "/usr/bin/a" },
		{ .kind = OP_BIND, .outer_path = "/usr/lib", .inner_path = "/usr/lib" },
	};
	assert_string_equal(options_beside(shown, 2, "/usr/bin/b"),
			    "--ro-bind-try /usr/bin /usr/bin");
	assert_string_equal(options_beside(shown, 2, "/usr/include/b.h"),
			    "--ro-bind-try /usr /usr");
	struct op hidden[] = {
		shown[0],
		shown[1],
		{ .kind = OP_TMPFS, .inner_path = "/usr/bin/secret" },
	};
	assert_string_equal(options_beside(hidden, 3, "/usr/bin/b"),
			    "--ro-bind-try /usr/bin/b /usr/bin/b");
	struct op scratch = { .kind = OP_TMPFS, .inner_path = "/tmp" };
	assert_string_equal(options_beside(&scratch, 1, "/tmp"), "");
	assert_string_equal(options_beside(&scratch, 1, "/var/tmp"), "--tmpfs /var/tmp");
	assert_string_equal(options_beside(hidden, 3, "/usr/include/b.h"),
			    "--ro-bind-try /usr/include/b.h /usr/include/b.h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_path_has_the_option_that_shows_it_and_no_more),
		cmocka_unit_test(test_what_is_only_looked_at_in_tmp_may_be_anothers),
		cmocka_unit_test(test_what_only_cannot_be_changed_gets_no_empty_directory_over_it),
		cmocka_unit_test(test_what_is_mounted_on_no_option_lets_be_removed),
		cmocka_unit_test(test_all_have_the_fewest_options),
		cmocka_unit_test(test_links_without_number_are_told_in_time_and_not_all),
		cmocka_unit_test(test_what_the_line_shows_counts_and_what_it_hides_stays_hidden),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
