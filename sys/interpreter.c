/* interpreter.c - which program or loader runs another program. */
#include "sys/interpreter.h"

#include <elf.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static bool read_at(int fd, void *bytes, size_t length, uint64_t at)
{
	return at < INT_MAX && pread(fd, bytes, length, (off_t) at) == (ssize_t) length;
}

/* PT_INTERP of either class, in this machine's byte order. */
static bool loader_of(int fd, const char *head, char *ret_path, size_t capacity)
{
	enum { MOST_SEGMENTS = 64 };
	bool wide = head[EI_CLASS] == ELFCLASS64;
	Elf64_Ehdr header64;
	Elf32_Ehdr header32;
	memcpy(&header64, head, sizeof(header64));
	memcpy(&header32, head, sizeof(header32));
	uint64_t table = wide ? header64.e_phoff : header32.e_phoff;
	unsigned n = wide ? header64.e_phnum : header32.e_phnum;
	for (unsigned i = 0; i < n && i < MOST_SEGMENTS; i++) {
		Elf64_Phdr row64 = { 0 };
		Elf32_Phdr row32 = { 0 };
		if (!(wide ? read_at(fd, &row64, sizeof(row64), table + i * sizeof(row64))
			   : read_at(fd, &row32, sizeof(row32), table + i * sizeof(row32))))
			return false;
		if ((wide ? row64.p_type : row32.p_type) != PT_INTERP)
			continue;
		uint64_t length = wide ? row64.p_filesz : row32.p_filesz;
		return length && length < capacity &&
		       read_at(fd, ret_path, length, wide ? row64.p_offset : row32.p_offset) &&
		       !ret_path[length - 1];
	}
	return false;
}

bool interpreter_of(int fd, char *ret_path, size_t capacity)
{
	char head[256] = "";
	if (pread(fd, head, sizeof(head) - 1, 0) < 4)
		return false;
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		return loader_of(fd, head, ret_path, capacity);
	if (head[0] != '#' || head[1] != '!')
		return false;
	const char *start = head + 2 + strspn(head + 2, " \t");
	size_t length = strcspn(start, " \t\n"); /* for the kernel '\r' is part of the name */
	if (!length || length >= capacity)
		return false;
	memcpy(ret_path, start, length);
	ret_path[length] = '\0';
	return true;
}
