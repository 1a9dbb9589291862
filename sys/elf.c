/* elf.c - what an ELF file says of how it is started: its loader and its libraries.
 *
 * Of either class, in this machine's byte order. The file may be anybody's. Must not: allocate, or take more steps, by what
 * stands in it.
 */
#include "sys/elf.h"

#include <elf.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SEGMENTS = 64, MOST_ENTRIES = 512 };

struct elf {
	int fd;
	bool wide;
	uint64_t table;
	unsigned n_segments;
};

struct segment {
	uint32_t type;
	uint64_t offset, address, length;
};

static bool read_at(int fd, void *bytes, size_t length, uint64_t at)
{
	return at < INT_MAX && pread(fd, bytes, length, (off_t) at) == (ssize_t) length;
}

static bool begin(int fd, struct elf *ret)
{
	Elf64_Ehdr header64 = { 0 };
	Elf32_Ehdr header32;
	if (pread(fd, &header64, sizeof(header64), 0) < (ssize_t) sizeof(header32) ||
	    memcmp(header64.e_ident, ELFMAG, SELFMAG) != 0)
		return false;
	memcpy(&header32, &header64, sizeof(header32));
	bool wide = header64.e_ident[EI_CLASS] == ELFCLASS64;
	*ret = (struct elf){ .fd = fd,
			     .wide = wide,
			     .table = wide ? header64.e_phoff : header32.e_phoff,
			     .n_segments = wide ? header64.e_phnum : header32.e_phnum };
	if (ret->n_segments > MOST_SEGMENTS)
		ret->n_segments = MOST_SEGMENTS;
	return true;
}

static bool read_segment(const struct elf *elf, unsigned i, struct segment *ret)
{
	Elf64_Phdr wide;
	Elf32_Phdr narrow;
	if (elf->wide) {
		if (!read_at(elf->fd, &wide, sizeof(wide), elf->table + i * sizeof(wide)))
			return false;
		*ret = (struct segment){ wide.p_type, wide.p_offset, wide.p_vaddr, wide.p_filesz };
		return true;
	}
	if (!read_at(elf->fd, &narrow, sizeof(narrow), elf->table + i * sizeof(narrow)))
		return false;
	*ret = (struct segment){ narrow.p_type, narrow.p_offset, narrow.p_vaddr, narrow.p_filesz };
	return true;
}

static bool find_segment(const struct elf *elf, uint32_t type, struct segment *ret)
{
	for (unsigned i = 0; i < elf->n_segments && read_segment(elf, i, ret); i++)
		if (ret->type == type)
			return true;
	return false;
}

bool elf_loader(int fd, char *ret_path, size_t capacity)
{
	struct elf elf;
	struct segment loader;
	return begin(fd, &elf) && find_segment(&elf, PT_INTERP, &loader) && loader.length &&
	       loader.length < capacity &&
	       read_at(fd, ret_path, (size_t) loader.length, loader.offset) &&
	       !ret_path[loader.length - 1];
}

/* ---- its libraries ---- */

static bool read_entry(const struct elf *elf, const struct segment *dynamic, unsigned i,
		       int64_t *ret_tag, uint64_t *ret_value)
{
	Elf64_Dyn wide;
	Elf32_Dyn narrow;
	size_t size = elf->wide ? sizeof(wide) : sizeof(narrow);
	void *entry = elf->wide ? (void *) &wide : &narrow;
	if ((i + 1) * size > dynamic->length ||
	    !read_at(elf->fd, entry, size, dynamic->offset + i * size))
		return false;
	*ret_tag = elf->wide ? wide.d_tag : narrow.d_tag;
	*ret_value = elf->wide ? wide.d_un.d_val : narrow.d_un.d_val;
	return true;
}

/* Where in the file that lies which is to be at an address. */
static bool find_in_file(const struct elf *elf, uint64_t address, uint64_t *ret_offset)
{
	struct segment segment;
	for (unsigned i = 0; i < elf->n_segments && read_segment(elf, i, &segment); i++) {
		if (segment.type != PT_LOAD || address < segment.address ||
		    address - segment.address >= segment.length)
			continue;
		*ret_offset = segment.offset + (address - segment.address);
		return true;
	}
	return false;
}

bool elf_libraries(int fd, struct elf_libraries *ret)
{
	struct elf elf;
	struct segment dynamic;
	uint64_t at[ELF_MOST_LIBRARIES], strings = 0, value;
	int64_t tag;
	size_t n = 0;
	ret->n = 0;
	if (!begin(fd, &elf) || !find_segment(&elf, PT_DYNAMIC, &dynamic))
		return false;
	for (unsigned i = 0; i < MOST_ENTRIES && read_entry(&elf, &dynamic, i, &tag, &value); i++) {
		if (tag == DT_RPATH || tag == DT_RUNPATH)
			return false;
		if (tag == DT_NULL)
			break;
		if (tag == DT_STRTAB)
			strings = value;
		if (tag == DT_NEEDED && n < ELF_MOST_LIBRARIES)
			at[n++] = value;
	}
	if (n && !find_in_file(&elf, strings, &strings))
		return false;
	for (size_t i = 0; i < n; i++) {
		char *name = ret->names[i];
		uint64_t where = strings + at[i];
		ssize_t length =
			where < INT_MAX ? pread(fd, name, ELF_NAME_CAPACITY, (off_t) where) : 0;
		if (length <= 0 || !memchr(name, '\0', (size_t) length) || !*name)
			return false;
		ret->n = i + 1;
	}
	return true;
}
