/* rawcalls - makes the system calls that standard input asks for, one a line, and prints what came of each.
 *
 *   native NUMBER ARGUMENT...	as this program's own architecture calls: x86_64, and x32 where bit 30 of the number is set; arm64; arm
 *   i386 NUMBER ARGUMENT...	by int 0x80, on x86_64 only
 *
 * Missing arguments are -1, which no call takes for a pointer, a descriptor or a flag word of its own. The answer is a
 * line: the error's number, 0 for success. Needs nothing but read, write and exit, so that it runs under an allow list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { N_ARGUMENTS = 6 };

static long call_native(long number, const long *a)
{
#ifdef __x86_64__
	register long r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a[0], x1 __asm__("x1") = a[1];
	register long x2 __asm__("x2") = a[2], x3 __asm__("x3") = a[3], x4 __asm__("x4") = a[4];
	register long x5 __asm__("x5") = a[5];
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
	return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? -errno : 0;
#endif
}

#ifdef __x86_64__
static long call_i386(long number, const long *a)
{
	long result;
	/* rbx and rbp are the compiler's own; the sixth argument stays what rbp holds. */
	__asm__ volatile("push %%rbx\n\tmov %2, %%rbx\n\tint $0x80\n\tpop %%rbx"
			 : "=a"(result)
			 : "a"(number), "r"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
			 : "r8", "r9", "r10", "r11", "memory");
	return (int) result;
}
#endif

static long make_call(const char *line)
{
	char *end;
	long number = strtol(line + strcspn(line, " "), &end, 0), arguments[N_ARGUMENTS];
	for (int i = 0; i < N_ARGUMENTS; i++) {
		char *before = end;
		arguments[i] = (long) strtoul(before, &end, 0);
		if (end == before)
			arguments[i] = -1;
	}
#ifdef __x86_64__
	if (strncmp(line, "i386 ", 5) == 0)
		return call_i386(number, arguments);
#endif
	return call_native(number, arguments);
}

int main(void)
{
	static char text[1 << 20];
	size_t length = 0;
	for (ssize_t n; (n = read(0, text + length, sizeof(text) - 1 - length)) > 0;)
		length += (size_t) n;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		long result = make_call(line);
		char answer[24];
		size_t n = sizeof(answer);
		answer[--n] = '\n';
		long error = result < 0 && result > -4096 ? -result : 0;
		do
			answer[--n] = (char) ('0' + error % 10);
		while (error /= 10);
		if (write(1, answer + n, sizeof(answer) - n) < 0)
			return 1;
	}
	return 0;
}
