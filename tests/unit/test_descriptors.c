/* Descriptors, and the small files that the kernel keeps. */
#include "in_child.h"
#include "sys/procfile.h"
#include "sys/self.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static void assert_sigpipe(bool blocked, bool is_pending)
{
	sigset_t now, pending;
	assert_return_code(sigprocmask(SIG_SETMASK, NULL, &now), errno);
	assert_int_equal(sigismember(&now, SIGPIPE), blocked);
	assert_return_code(sigpending(&pending), errno);
	assert_int_equal(sigismember(&pending, SIGPIPE), is_pending);
}

static void write_to_closed_pipe(void)
{
	int ends[2];
	assert_return_code(pipe(ends), errno);
	close(ends[0]);
	errno = 0;
	assert_false(write_all(ends[1], "x", 1));
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
}

static void test_a_closed_pipe_is_an_error_and_not_a_signal(void **state)
{
	(void) state;
	signal(SIGPIPE, SIG_DFL);
	write_to_closed_pipe();
	assert_sigpipe(false, false);
}

static void test_a_closed_pipe_leaves_no_signal_behind_a_mask(void **state)
{
	(void) state;
	sigset_t pipe_only;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_BLOCK, &pipe_only, NULL);
	write_to_closed_pipe();
	sigset_t pending;
	sigpending(&pending);
	bool left_pending = sigismember(&pending, SIGPIPE);
	if (left_pending)
		sigwaitinfo(&pipe_only, NULL);
	sigprocmask(SIG_UNBLOCK, &pipe_only, NULL);
	assert_false(left_pending);
}

static void test_a_signal_that_was_pending_before_stays(void **state)
{
	(void) state;
	sigset_t pipe_only;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, NULL);
	raise(SIGPIPE);
	write_to_closed_pipe();
	assert_sigpipe(true, true);
	assert_int_equal(sigwaitinfo(&pipe_only, NULL), SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &pipe_only, NULL);
}

static void test_writing_waits_for_a_full_pipe(void **state)
{
	(void) state;
	enum { MUCH = 300000 };
	int ends[2];
	assert_return_code(pipe2(ends, O_NONBLOCK), errno);
	pid_t pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		close(ends[1]);
		char *bytes;
		size_t length;
		usleep(50000);
		_exit(read_all(ends[0], MUCH, &bytes, &length) && length == MUCH ? 0 : 1);
	}
	close(ends[0]);
	assert_true(write_all(ends[1], arena_alloc(MUCH), MUCH));
	close(ends[1]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool may_always(const void *argument)
{
	(void) argument;
	return true;
}

static void write_to_full_pipe(int flags)
{
	enum { MUCH = 300000, MS = 10 };
	int ends[2];
	assert_return_code(pipe2(ends, flags), errno);
	assert_true(write_all_within(ends[1], "x", 1, MS));
	assert_false(write_all_within(ends[1], arena_alloc(MUCH), MUCH, MS));
	assert_int_equal(errno, ETIME);
	assert_false(write_all_within(ends[1], "x", 1, MS));
	assert_int_equal(errno, ETIME);
	close(ends[0]);
	assert_false(write_all_within(ends[1], "x", 1, MS));
	assert_int_equal(errno, EPIPE);
	close(ends[1]);
}

static void test_writing_gives_up_in_time_where_nobody_reads(void **state)
{
	(void) state;
	write_to_full_pipe(O_NONBLOCK);
	assert_true(write_patiently(may_always, NULL));
	write_to_full_pipe(0);
	assert_true(write_patiently(NULL, NULL));
}

static void test_nothing_can_be_written_anywhere(void **state)
{
	(void) state;
	assert_true(write_all(-1, "", 0));
	assert_false(write_all(-1, "x", 1));
	assert_int_equal(errno, EBADF);
}

static int pipe_with(const char *bytes, size_t length)
{
	int ends[2];
	assert_return_code(pipe(ends), errno);
	assert_true(write_all(ends[1], bytes, length));
	close(ends[1]);
	return ends[0];
}

static void test_reading_ends_at_the_limit(void **state)
{
	(void) state;
	static const struct {
		size_t length, max_bytes;
		bool fits;
	} cases[] = { { 0, 0, true },         { 1, 0, false },       { 10, 10, true },
		      { 11, 10, false },      { 4095, 4095, true },  { 4096, 4096, true },
		      { 4096, 4095, false },  { 4097, 60000, true }, { 60000, 60000, true },
		      { 60000, 59999, false } };
	char *sent = arena_alloc(60000);
	for (size_t i = 0; i < 60000; i++)
		sent[i] = (char) (i * 7);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_CLOSE int fd = pipe_with(sent, cases[i].length);
		char *bytes;
		size_t length;
		assert_int_equal(read_all(fd, cases[i].max_bytes, &bytes, &length), cases[i].fits);
		if (!cases[i].fits) {
			assert_int_equal(errno, EFBIG);
			continue;
		}
		assert_int_equal(length, cases[i].length);
		assert_memory_equal(bytes, sent, length);
		assert_int_equal(bytes[length], 0);
	}
}

static void test_reading_what_cannot_be_read_says_why(void **state)
{
	(void) state;
	char *bytes;
	size_t length;
	assert_false(read_all(-1, 10, &bytes, &length));
	assert_int_equal(errno, EBADF);
	AUTO_CLOSE int directory = open("/", O_RDONLY | O_CLOEXEC);
	assert_false(read_all(directory, 10, &bytes, &length));
	assert_int_equal(errno, EISDIR);
}

static void test_reading_waits_for_a_slow_writer(void **state)
{
	(void) state;
	int ends[2];
	assert_return_code(pipe2(ends, O_NONBLOCK), errno);
	pid_t pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0) {
		usleep(50000);
		_exit(write_all(ends[1], "late", 4) ? 0 : 1);
	}
	close(ends[1]);
	char *bytes;
	size_t length;
	assert_true(read_all(ends[0], 100, &bytes, &length));
	assert_string_equal(bytes, "late");
	close(ends[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_close_fd_forgets_the_number(void **state)
{
	(void) state;
	int fd = pipe_with("", 0), copy = fd;
	assert_true(fd_is_open(copy));
	close_fd(&fd);
	assert_int_equal(fd, -1);
	assert_false(fd_is_open(copy));
	close_fd(&fd);
	assert_int_equal(fd, -1);
}

static void keep_some(void)
{
	for (int fd = 3; fd < 40; fd++)
		dup2(STDERR_FILENO, fd);
	int keep[] = { 30, -1, 3, 9, 9, 31, 1 };
	if (!close_all_except(keep, ARRAY_SIZE(keep)))
		die("refused");
	for (int fd = 0; fd < 50; fd++)
		if (fd_is_open(fd) != (fd <= 2 || fd == 3 || fd == 9 || fd == 30 || fd == 31))
			die("descriptor %d", fd);
}

static void keep_none(void)
{
	dup2(STDERR_FILENO, 3);
	dup2(STDERR_FILENO, 700);
	int none;
	if (!close_all_except(&none, 0) || fd_is_open(3) || fd_is_open(700) || !fd_is_open(2))
		die("wrong");
}

static void test_all_descriptors_but_those_kept_are_closed(void **state)
{
	(void) state;
	assert_string_equal(in_child(keep_some).said, "");
	assert_string_equal(in_child(keep_none).said, "");
}

/* What /proc shows of a file with these bytes. */
static const char *file_of(const char *bytes, size_t length)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	assert_true(fd >= 0 && write_all(fd, bytes, length));
	return arena_printf("/proc/self/fd/%d", fd);
}

static void test_small_files_of_any_length_are_read_whole(void **state)
{
	(void) state;
	static const size_t lengths[] = { 0, 1, 2047, 2048, 2049, 9000 };
	char bytes[9001];
	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		bytes[lengths[i]] = '\n';
		const char *file = file_of(bytes, lengths[i] + 1);
		assert_int_equal(strlen(procfile_read(AT_FDCWD, file)), lengths[i]);
		assert_int_equal(strlen(procfile_read_lines(AT_FDCWD, file)), lengths[i] + 1);
		bytes[lengths[i]] = 'x';
	}
	char little[4] = "";
	assert_true(procfile_read_into(AT_FDCWD, file_of("12345", 5), little, sizeof(little)));
	assert_string_equal(little, "123");
	assert_null(procfile_read(AT_FDCWD, "/proc/self/nothing"));
	assert_false(procfile_read_into(AT_FDCWD, "/proc/self/nothing", little, sizeof(little)));
	assert_string_equal(little, "");
}

static void test_a_small_file_is_a_number_or_takes_one(void **state)
{
	(void) state;
	const char *file = file_of("max 100000\n", 11);
	assert_int_equal(procfile_number(AT_FDCWD, file), 0);
	assert_int_equal(procfile_number(AT_FDCWD, "/proc/self/nothing"), -1);
	assert_true(procfile_write(AT_FDCWD, file, "712 "));
	assert_int_equal(procfile_number(AT_FDCWD, file), 712);
	assert_false(procfile_write(AT_FDCWD, "/proc/self/nothing", "1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_closed_pipe_is_an_error_and_not_a_signal),
		cmocka_unit_test(test_a_closed_pipe_leaves_no_signal_behind_a_mask),
		cmocka_unit_test(test_a_signal_that_was_pending_before_stays),
		cmocka_unit_test(test_writing_waits_for_a_full_pipe),
		cmocka_unit_test(test_writing_gives_up_in_time_where_nobody_reads),
		cmocka_unit_test(test_nothing_can_be_written_anywhere),
		cmocka_unit_test(test_reading_ends_at_the_limit),
		cmocka_unit_test(test_reading_what_cannot_be_read_says_why),
		cmocka_unit_test(test_reading_waits_for_a_slow_writer),
		cmocka_unit_test(test_close_fd_forgets_the_number),
		cmocka_unit_test(test_all_descriptors_but_those_kept_are_closed),
		cmocka_unit_test(test_small_files_of_any_length_are_read_whole),
		cmocka_unit_test(test_a_small_file_is_a_number_or_takes_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
