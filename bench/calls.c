/* calls.c - what one system call costs: `calls ROUNDS` prints the nanoseconds of getpid, read, openat (with close) and
 * ioctl, each the smallest mean of ROUNDS batches. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 20000 };

static int zero_fd, root_fd;

static void call_getpid(void)
{
	syscall(SYS_getpid);
}

static void call_read(void)
{
	char byte;
	if (read(zero_fd, &byte, 1) != 1)
		exit(1);
}

static void call_openat(void)
{
	int fd = openat(root_fd, "usr", O_PATH | O_CLOEXEC);
	if (fd < 0)
		exit(1);
	close(fd);
}

static void call_ioctl(void)
{
	ioctl(zero_fd, FIOCLEX);
}

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static double best_ns(void (*call)(void), int rounds)
{
	double best = 1e18;
	for (int round = 0; round < rounds; round++) {
		double start = now_ns();
		for (int i = 0; i < BATCH; i++)
			call();
		double took = (now_ns() - start) / BATCH;
		if (took < best)
			best = took;
	}
	return best;
}

int main(int argc, char *argv[])
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	zero_fd = open("/dev/zero", O_RDONLY);
	root_fd = open("/", O_PATH | O_DIRECTORY);
	if (zero_fd < 0 || root_fd < 0)
		return 1;
	printf("%.1f %.1f %.1f %.1f\n", best_ns(call_getpid, rounds), best_ns(call_read, rounds),
	       best_ns(call_openat, rounds), best_ns(call_ioctl, rounds));
	return 0;
}
