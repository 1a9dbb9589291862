/* interpreter.c - which program or loader runs another program. */
#include "sys/interpreter.h"

#include "sys/elf.h"

#include <string.h>
#include <unistd.h>

bool interpreter_of(int fd, char *ret_path, size_t capacity)
{
	char head[256] = "";
	if (pread(fd, head, sizeof(head) - 1, 0) < 4)
		return false;
	if (head[0] != '#' || head[1] != '!')
		return elf_loader(fd, ret_path, capacity);
	const char *start = head + 2 + strspn(head + 2, " \t");
	size_t length = strcspn(start, " \t\n"); /* for the kernel '\r' is part of the name */
	if (!length || length >= capacity)
		return false;
	memcpy(ret_path, start, length);
	ret_path[length] = '\0';
	return true;
}
