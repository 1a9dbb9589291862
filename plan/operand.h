/* operand.h - one word behind an option: a path, an id, a time, a mode, a size. */
#ifndef PLAN_OPERAND_H
#define PLAN_OPERAND_H

#include "plan/position.h"

#include <sys/types.h>

/* `kind` is the operand's name in the option table. */
problem operand_path(struct position position, const char *kind, const char *word);
/* And not relative: inside it would begin at the root, and whoever writes it means where he is. */
problem operand_absolute(struct position position, const char *kind, const char *word);
problem operand_id(struct position position, const char *word, uint32_t *ret_id);
problem operand_seconds(struct position position, const char *word, bool zero_allowed,
			int64_t *ret_ms);
/* With a sign or without, up to what the kernel lets a clock show. */
enum { NS_PER_SECOND = 1000000000 };
problem operand_offset(struct position position, const char *word, int64_t *ret_ns);
problem operand_mode(struct position position, const char *word, mode_t *ret_mode);
/* Of a tmpfs. */
problem operand_size(struct position position, const char *word, uint64_t *ret_bytes);
/* Which of the words in `choices` it is, from 0; -1: none. */
int operand_choice(const char *choices, const char *word);
/* What modifies one operation is given once for it; `before` is where it stood first, argument 0: nowhere. */
problem operand_once(struct position position, struct position before);
/* "; its value is a word of its own, A b" for A=b, else "". */
const char *operand_in_one_word(const char *word);

#endif
