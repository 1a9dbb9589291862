/* interpreter.h - which program or loader runs another program. */
#ifndef SYS_INTERPRETER_H
#define SYS_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>

/* Of what fd can be read of: an ELF file's loader, or what stands behind "#!". False: none, or nothing to go by. */
bool interpreter_of(int fd, char *ret_path, size_t capacity);

#endif
