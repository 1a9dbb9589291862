/* elf.h - what an ELF file says of how it is started: its loader and its libraries. */
#ifndef SYS_ELF_H
#define SYS_ELF_H

#include <stdbool.h>
#include <stddef.h>

/* PT_INTERP. False: it is none, or has none. */
bool elf_loader(int fd, char *ret_path, size_t capacity);

enum { ELF_MOST_LIBRARIES = 64, ELF_NAME_CAPACITY = 256 };
struct elf_libraries {
	size_t n;
	char names[ELF_MOST_LIBRARIES][ELF_NAME_CAPACITY];
};
/* DT_NEEDED. False: it is none, is damaged, or names places of its own where they are looked for. */
bool elf_libraries(int fd, struct elf_libraries *ret);

#endif
