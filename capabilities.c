/* capabilities.c - what COMMAND keeps and what everybody else loses, through libcap.
 *
 * Whatever is set here is read back: COMMAND is not started unless all five sets are what was asked
 * for.
 */
#include "bwrapish.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>

bool caps_from_name(const char *word, int *ret_cap)
{
	cap_value_t cap = -1;
	*ret_cap = -1;
	if (strcasecmp(word, "ALL") == 0)
		return true;
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
	const char *copy = arena_printf("%s", name ? name : "a capability without a name");
	cap_free(name);
	return copy;
}

int caps_last(void)
{
	return (int) cap_max_bits() - 1;
}

static uint64_t flag_bits(cap_t set, cap_flag_t flag)
{
	uint64_t bits = 0;
	for (int cap = 0; cap <= caps_last(); cap++) {
		cap_flag_value_t value = CAP_CLEAR;
		if (cap_get_flag(set, cap, flag, &value) == 0 && value == CAP_SET)
			bits |= UINT64_C(1) << cap;
	}
	return bits;
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
	cap_t set = cap_get_proc();
	if (!set)
		die_errno(errno, "Can't read the process's capabilities");
	*ret_permitted = flag_bits(set, CAP_PERMITTED);
	*ret_effective = flag_bits(set, CAP_EFFECTIVE);
	*ret_ambient =
		*ret_permitted ? ambient_bits() : 0; /* a subset of permitted: capabilities(7) */
	cap_free(set);
}

static void set_process(uint64_t bits, uint64_t inheritable)
{
	const struct {
		cap_flag_t flag;
		uint64_t bits;
	} sets[] = { { CAP_PERMITTED, bits },
		     { CAP_EFFECTIVE, bits },
		     { CAP_INHERITABLE, inheritable } };
	cap_t set = cap_init();
	for (size_t i = 0; set && i < ARRAY_SIZE(sets); i++)
		for (cap_value_t cap = 0; cap <= caps_last(); cap++)
			if (sets[i].bits >> cap & 1)
				cap_set_flag(set, sets[i].flag, 1, &cap, CAP_SET);
	if (!set || cap_set_proc(set) < 0)
		die_errno(errno, "Can't set capabilities");
	cap_free(set);
}

void caps_drop_all(void)
{
	set_process(0, 0);
}

void caps_drop_all_but(uint64_t keep)
{
	set_process(keep, 0);
}

void caps_raise_permitted(void)
{
	uint64_t permitted, effective, ambient;
	caps_of_process(&permitted, &effective, &ambient);
	set_process(permitted, 0);
}

void caps_keep(uint64_t keep, uint64_t ambient)
{
	/* The bounding set while CAP_SETPCAP is still there, then the sets, then ambient, which
	 * needs permitted and inheritable. */
	for (int cap = 0; cap <= caps_last(); cap++)
		if (!(keep >> cap & 1) && cap_drop_bound(cap) < 0 && cap_get_bound(cap) != 0)
			die_errno(errno, "Can't drop %s from the bounding set", caps_name(cap));
	/* One call; libcap's cap_reset_ambient() first asks for each of the forty. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		die_errno(errno, "Can't clear the ambient capabilities");
	set_process(keep, ambient);
	for (int cap = 0; cap <= caps_last(); cap++)
		if (ambient >> cap & 1 && cap_set_ambient(cap, CAP_SET) < 0)
			die_errno(errno, "Can't make %s ambient", caps_name(cap));

	cap_t set = cap_get_proc();
	if (!set)
		die_errno(errno, "Can't read capabilities back");
	/* The kernel keeps ambient within permitted and inheritable: capabilities(7). */
	bool as_asked =
		flag_bits(set, CAP_PERMITTED) == keep && flag_bits(set, CAP_EFFECTIVE) == keep &&
		flag_bits(set, CAP_INHERITABLE) == ambient && (!keep || ambient_bits() == ambient);
	for (int cap = 0; cap <= caps_last(); cap++)
		as_asked &= (cap_get_bound(cap) == 1) <= (int) (keep >> cap & 1);
	cap_free(set);
	if (!as_asked)
		die("The capabilities read back are not those that were set; nothing was run");
}
