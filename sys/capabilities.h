/* capabilities.h - the five sets: kept and lost, and read back. */
#ifndef SYS_CAPABILITIES_H
#define SYS_CAPABILITIES_H

#include <stdbool.h>
#include <stdint.h>

/* "CAP_SYS_ADMIN" in any case, or ALL (-1). */
bool caps_from_name(const char *word, int *ret_cap);
const char *caps_name(int cap); /* arena memory */
int caps_last(void);            /* the highest capability number the kernel has */

void caps_of_process(uint64_t *ret_permitted, uint64_t *ret_effective, uint64_t *ret_ambient);
/* Leaves exactly `keep` permitted and effective and nothing beyond it in the bounding set, and
 * exactly `ambient` (part of it) inheritable and ambient; reads all five sets back. */
void caps_keep(uint64_t keep, uint64_t ambient);
/* Leaves nothing beyond `keep` in the bounding set; needs CAP_SETPCAP for what is still there. */
void caps_drop_bounding(uint64_t keep);
/* Gives up every capability of one of our own processes. */
void caps_drop_all(void);
/* Those of `keep` have to be permitted. */
void caps_drop_all_but(uint64_t keep);
/* Makes what a change of uid, or caps_lower(), took effective again. */
void caps_raise_permitted(void);
/* Takes these out of effect until then. */
void caps_lower(uint64_t bits);

#endif
