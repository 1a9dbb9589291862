/* interpreter.h - which program or loader runs another program. */
#ifndef SYS_INTERPRETER_H
#define SYS_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>

/* So many programs there can be of which each runs the one before: exec_binprm() in Linux. */
enum { INTERPRETERS_MOST = 6 };

/* Of what fd can be read of: an ELF file's loader, or what stands behind "#!". False: none, or nothing to go by. */
bool interpreter_of(int fd, char *ret_path, size_t capacity);

/* What a script has env(1) look for: "#!/usr/bin/env NAME". False: nothing, or in ways that are not followed here. */
bool interpreter_sought_by_env(int fd, char *ret_name, size_t capacity);

#endif
