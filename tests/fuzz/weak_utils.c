/* utils.c with an arena that a fuzz target can replace: blocks of their own let the sanitizer see where each ends,
 * and can be freed after each input. */
#include "utils.h"

#pragma weak arena_alloc
#include "../../utils.c"
