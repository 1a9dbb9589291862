/* subids.h - the subordinate ids that the system's administrator gave to the caller. */
#ifndef NS_SUBIDS_H
#define NS_SUBIDS_H

#include "run/run.h"

enum id_kind { ID_UID, ID_GID, N_ID_KINDS };
/* The caller's name, or its uid where it has none; arena memory. */
const char *subids_owner(const struct run *run);
/* All of them, in the order of their file, no id twice; none where there are none. */
void subids_find(const struct run *run, enum id_kind kind, struct id_ranges *ret_ranges);

#endif
