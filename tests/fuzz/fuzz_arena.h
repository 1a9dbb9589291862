/* fuzz_arena.h - each arena_alloc() a block of its own, freed after each input. Included once by each target. */
#ifndef FUZZ_ARENA_H
#define FUZZ_ARENA_H

#include "tests/fuzz/fuzz_arena.h"

#include "utils.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void **fuzz_blocks;
static size_t n_fuzz_blocks, n_fuzz_room;

void *arena_alloc(size_t size_bytes)
{
	if (n_fuzz_blocks == n_fuzz_room) {
		n_fuzz_room = n_fuzz_room ? 2 * n_fuzz_room : 1024;
		fuzz_blocks = realloc(fuzz_blocks, n_fuzz_room * sizeof(*fuzz_blocks));
	}
	void *block = calloc(1, size_bytes ? size_bytes : 1);
	if (!fuzz_blocks || !block)
		abort();
	return fuzz_blocks[n_fuzz_blocks++] = block;
}

static void fuzz_free_arena(void)
{
	while (n_fuzz_blocks)
		free(fuzz_blocks[--n_fuzz_blocks]);
}

/* What holds whatever the input is. */
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#endif
