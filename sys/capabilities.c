/* capabilities.c - what COMMAND keeps and what everybody else loses, through libcap.
 *
 * Whatever is set here is read back: COMMAND is not started unless all five sets are what was asked
 * for.
 */
#include "sys/capabilities.h"

#include "utils.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>

bool caps_from_name(const char *word, int *ret_cap)
{
	cap_value_t cap = -1;
	uint64_t number;
	*ret_cap = -1;
	if (strcasecmp(word, "ALL") == 0)
		return true;
	if (parse_decimal(word, (uint64_t) caps_last(), &number)) {
		*ret_cap = (int) number;
		return true;
	}
	/* cap_from_name() also takes what only begins with a name. */
	if (cap_from_name(word, &cap) < 0 || cap > caps_last() ||
	    strcasecmp(word, caps_name(cap)) != 0)
		return false;
	*ret_cap = cap;
	return true;
}

const char *caps_name(int cap)
{
	char *name = cap_to_name(cap);
	const char *copy = arena_string(name ? name : "a capability without a name");
	cap_free(name);
	return copy;
}

int caps_last(void)
{
	return (int) cap_max_bits() - 1;
}

/* A bit per capability number. Through libcap's capget() and capset(): its cap_t takes a call, and a
 * lock, for each bit. */
struct sets {
	uint64_t permitted, effective, inheritable;
};

static struct sets read_sets(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];
	if (capget(&header, halves) < 0)
		die_errno(errno, "Can't read the process's capabilities");
	return (struct sets){
		.permitted = (uint64_t) halves[1].permitted << 32 | halves[0].permitted,
		.effective = (uint64_t) halves[1].effective << 32 | halves[0].effective,
		.inheritable = (uint64_t) halves[1].inheritable << 32 | halves[0].inheritable,
	};
}

static void set_process(uint64_t permitted, uint64_t effective, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];
	for (unsigned i = 0; i < ARRAY_SIZE(halves); i++)
		halves[i] = (struct __user_cap_data_struct){
			.permitted = (uint32_t) (permitted >> (32 * i)),
			.effective = (uint32_t) (effective >> (32 * i)),
			.inheritable = (uint32_t) (inheritable >> (32 * i)),
		};
	if (capset(&header, halves) < 0)
		die_errno(errno, "Can't set capabilities");
}

static uint64_t ambient_bits(void)
{
	uint64_t bits = 0;
	for (int cap = 0; cap <= caps_last(); cap++)
		if (cap_get_ambient(cap) == 1)
			bits |= UINT64_C(1) << cap;
	return bits;
}

void caps_of_process(uint64_t *ret_permitted, uint64_t *ret_effective, uint64_t *ret_ambient)
{
	struct sets sets = read_sets();
	*ret_permitted = sets.permitted;
	*ret_effective = sets.effective;
	*ret_ambient =
		sets.permitted ? ambient_bits() : 0; /* a subset of permitted: capabilities(7) */
}

static bool may_drop_bounding(void)
{
	return read_sets().effective >> CAP_SETPCAP & 1;
}

/* A caller who may mount and has no CAP_SETPCAP keeps its bounding set, which is good for nothing: only
 * an exec could gain what is in it, and no_new_privs is in the way of that (capabilities(7)). */
void caps_drop_bounding(uint64_t keep)
{
	int last = caps_last();
	for (int cap = 0; cap <= last; cap++) {
		if (keep >> cap & 1 || cap_drop_bound(cap) == 0)
			continue;
		int error = errno;
		if (cap_get_bound(cap) != 0 && (error != EPERM || may_drop_bounding()))
			die_errno(error, "Can't drop %s from the bounding set", caps_name(cap));
	}
}

void caps_drop_all(void)
{
	set_process(0, 0, 0);
}

void caps_drop_all_but(uint64_t keep)
{
	set_process(keep, keep, 0);
}

void caps_raise_permitted(void)
{
	struct sets sets = read_sets();
	set_process(sets.permitted, sets.permitted, 0);
}

void caps_lower(uint64_t bits)
{
	struct sets sets = read_sets();
	set_process(sets.permitted, sets.effective & ~bits, 0);
}

void caps_keep(uint64_t keep, uint64_t ambient)
{
	/* The bounding set while CAP_SETPCAP is still there, then the sets, then ambient, which
	 * needs permitted and inheritable. */
	int last = caps_last();
	bool is_bounding_ours = may_drop_bounding();
	caps_drop_bounding(keep);
	/* One call; libcap's cap_reset_ambient() first asks for each of the forty. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		die_errno(errno, "Can't clear the ambient capabilities");
	set_process(keep, keep, ambient);
	for (int cap = 0; cap <= last; cap++)
		if (ambient >> cap & 1 && cap_set_ambient(cap, CAP_SET) < 0)
			die_errno(errno, "Can't make %s ambient", caps_name(cap));

	struct sets sets = read_sets();
	/* The kernel keeps ambient within permitted and inheritable: capabilities(7). */
	bool as_asked = sets.permitted == keep && sets.effective == keep &&
			sets.inheritable == ambient && (!keep || ambient_bits() == ambient);
	for (int cap = 0; is_bounding_ours && cap <= last; cap++)
		as_asked &= (cap_get_bound(cap) == 1) <= (int) (keep >> cap & 1);
	if (!as_asked)
		die("The capabilities read back are not those that were set; nothing was run");
}
