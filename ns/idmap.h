/* idmap.h - who is who in a new user namespace. */
#ifndef NS_IDMAP_H
#define NS_IDMAP_H

#include "run/run.h"

/* In the first user namespace: writes its maps, or waits until the caller has, and becomes --uid and --gid. */
void idmap_become(struct run *run);
/* In a process that has entered it later: becomes them as well. */
void idmap_switch_ids(const struct run *run);
/* Whether setup wrote the maps of the first itself; they let nobody but us exist, who needs no privilege for the
 * same maps again. */
bool idmap_wrote_first(const struct run *run);
/* Then: writes those of the second, in the process that has entered it. */
void idmap_write_own_second(const struct run *run);

/* Otherwise: finds maps for the second, as the files want them, and writes them for a process that is
 * in it (its number in /proc). */
struct idmap {
	const char *uid, *gid;
	bool single; /* only our own ids: then setgroups(2) is denied */
};
void idmap_find_identity(const struct run *run, struct idmap *ret_map);
void idmap_write_of(const struct run *run, int process, const struct idmap *map);

#endif
