/* interpreter.c - which program or loader runs another program. */
#include "sys/interpreter.h"

#include "sys/elf.h"

#include <string.h>
#include <unistd.h>

/* For the kernel '\r' is part of a word. */
static const char blanks[] = " \t", ends[] = " \t\n";

static bool copy_word(const char *start, const char *until, char *ret, size_t capacity)
{
	size_t length = strcspn(start, until);
	if (!length || length >= capacity)
		return false;
	memcpy(ret, start, length);
	ret[length] = '\0';
	return true;
}

/* What stands behind "#!", or NULL. */
static const char *read_first_line(int fd, char head[256])
{
	memset(head, 0, 256);
	if (pread(fd, head, 255, 0) < 4 || head[0] != '#' || head[1] != '!')
		return NULL;
	return head + 2 + strspn(head + 2, blanks);
}

bool interpreter_of(int fd, char *ret_path, size_t capacity)
{
	char head[256];
	const char *line = read_first_line(fd, head);
	return line ? copy_word(line, ends, ret_path, capacity)
		    : elf_loader(fd, ret_path, capacity);
}

bool interpreter_sought_by_env(int fd, char *ret_name, size_t capacity)
{
	char head[256];
	const char *word = read_first_line(fd, head);
	size_t length = word ? strcspn(word, ends) : 0;
	if (length < 4 || strncmp(word + length - 4, "/env", 4) != 0)
		return false;
	word += length + strspn(word + length, blanks);
	bool splits = strncmp(word, "-S", 2) == 0; /* without it all the rest is one name */
	if (splits)
		word += 2 + strspn(word + 2, blanks);
	return copy_word(word, splits ? ends : "\n", ret_name, capacity) && *ret_name != '-' &&
	       !strpbrk(ret_name, splits ? "=\\'\"$" : "=");
}
