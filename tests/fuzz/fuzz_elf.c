/* Whatever a program's file holds, what is read of it ends where it must. */
#include "fuzz_arena.h"
#include "sys/elf.h"
#include "sys/interpreter.h"

#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct elf_libraries libraries;
	char path[64];
	AUTO_CLOSE int fd = memfd_create("elf", MFD_CLOEXEC);
	MUST(fd >= 0 && write_all(fd, data, size));
	if (interpreter_of(fd, path, sizeof(path)))
		MUST(memchr(path, '\0', sizeof(path)));
	elf_libraries(fd, &libraries);
	MUST(libraries.n <= ELF_MOST_LIBRARIES);
	for (size_t i = 0; i < libraries.n; i++)
		MUST(memchr(libraries.names[i], '\0', ELF_NAME_CAPACITY));
	fuzz_free_arena();
	return 0;
}
