/* flatten.h - at build time: the same answers in fewer instructions. */
#ifndef TOOLS_FLATTEN_H
#define TOOLS_FLATTEN_H

#include "filter/compose.h"

struct program flatten(const struct program *program, uint32_t native);

#endif
