/* loader.c - what the kernel takes for a filter: `loader FILE COMMAND` loads the classic BPF program in FILE, unless it
 * is empty, and becomes COMMAND. */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char *argv[])
{
	static struct sock_filter code[BPF_MAXINSNS];
	int fd = argc == 3 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	ssize_t length = read(fd, code, sizeof(code));
	struct sock_fprog program = { .len = (unsigned short) ((size_t) length / sizeof(*code)),
				      .filter = code };
	if (length < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    (length > 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
				   SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) < 0))
		return 1;
	execl(argv[2], argv[2], (char *) 0);
	return 1;
}
