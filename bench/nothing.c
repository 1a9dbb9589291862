/* The command inside every timed sandbox: does nothing; with an argument it waits to be killed. */
#include <unistd.h>

int main(int argc, char *argv[])
{
	(void) argv;
	while (argc > 1)
		pause();
	return 0;
}
