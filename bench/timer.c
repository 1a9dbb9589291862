/* timer.c - how long each of some programs takes from spawn to wait, one after the other, round
 * after round.
 *
 *   timer ROUNDS WIDTH BATCH LINE-FILE...
 *
 * One sample is BATCH runs of a program, WIDTH of them at a time. Each round takes one sample of
 * every program, in an order that changes, so that what one leaves behind (a network namespace
 * being torn down) does not always fall on the same other. Printed: a line per round, nanoseconds,
 * a column per LINE-FILE. A run that fails ends it all.
 *
 * A line file holds NUL-terminated words: any number of `N<PATH` (descriptor N reads PATH) and
 * `N>PATH`, then `--`, then the program's own words, the first of which is its path. The
 * descriptors are opened before the clock starts; they need WIDTH 1 and BATCH 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINES = 10 };

struct line {
	char **redirections, **words;
};

extern char **environ;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "timer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct line read_line(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		fail(path);
	size_t size = (size_t) st.st_size, n = 0;
	char *bytes = malloc(size), **words = calloc(size + 2, sizeof(*words));
	if (!bytes || !words || read(fd, bytes, size) != (ssize_t) size)
		fail(path);
	close(fd);
	for (char *word = bytes; word < bytes + size; word += strlen(word) + 1)
		words[n++] = word;
	for (n = 0; strcmp(words[n], "--") != 0;)
		n++;
	words[n] = NULL;
	return (struct line){ words, words + n + 1 };
}

static void open_redirections(char **redirections)
{
	for (; *redirections; redirections++) {
		char *path;
		int wanted = (int) strtol(*redirections, &path, 10);
		int fd = open(path + 1, *path == '<' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC,
			      0644);
		if (fd < 0)
			fail(*redirections);
		if (fd != wanted && (dup2(fd, wanted) < 0 || close(fd) < 0))
			fail(*redirections);
	}
}

static void close_redirections(char **redirections)
{
	for (; *redirections; redirections++)
		close(atoi(*redirections));
}

static void spawn(char **words)
{
	pid_t pid = vfork();
	if (pid < 0)
		fail("vfork");
	if (pid == 0) {
		execve(words[0], words, environ);
		_exit(127);
	}
}

static void wait_for_one(const char *name)
{
	int status;
	if (wait(&status) < 0)
		fail("wait");
	if (status != 0) {
		fprintf(stderr, "timer: %s: status %#x\n", name, (unsigned) status);
		exit(1);
	}
}

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t sample(const struct line *line, int width, int batch)
{
	open_redirections(line->redirections);
	int64_t start = now_ns();
	for (int started = 0, ended = 0; ended < batch;) {
		if (started < batch && started - ended < width) {
			spawn(line->words);
			started++;
		} else {
			wait_for_one(line->words[0]);
			ended++;
		}
	}
	int64_t took = now_ns() - start;
	close_redirections(line->redirections);
	return took;
}

int main(int argc, char *argv[])
{
	struct line lines[MAX_LINES];
	int n_lines = argc - 4;
	if (n_lines < 1 || n_lines > MAX_LINES) {
		fprintf(stderr, "usage: timer ROUNDS WIDTH BATCH LINE-FILE...\n");
		return 2;
	}
	int rounds = atoi(argv[1]), width = atoi(argv[2]), batch = atoi(argv[3]);
	/* What the programs print is not ours. */
	FILE *results = fdopen(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100), "w");
	if (!results || !freopen("/dev/null", "w", stdout))
		fail("stdout");
	for (int i = 0; i < n_lines; i++) {
		lines[i] = read_line(argv[4 + i]);
		sample(&lines[i], 1, 1); /* warm */
	}
	srand(1);
	for (int round = 0; round < rounds; round++) {
		int64_t took[MAX_LINES];
		int order[MAX_LINES];
		for (int i = 0; i < n_lines; i++) {
			int j = rand() % (i + 1);
			order[i] = order[j];
			order[j] = i;
		}
		for (int i = 0; i < n_lines; i++)
			took[order[i]] = sample(&lines[order[i]], width, batch);
		for (int i = 0; i < n_lines; i++)
			fprintf(results, "%lld%c", (long long) took[i],
				i == n_lines - 1 ? '\n' : '\t');
	}
	return fclose(results) != 0;
}
