/* map-options.c - more ids than one, as the line asks for them: --map-auto, --uid-map, --gid-map, --keep-groups. */
#include "plan/map-options.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "sys/kernel.h"
#include "utils.h"

#include <linux/capability.h>

enum { UID_MAP, GID_MAP };

#define ROW(...) OPTION(MAPS, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("map-auto", "", NAMESPACES, "be uid and gid 0 inside, and have the subordinate ids as 1 and up", FLAG, AT(ns.map_auto)),
	ROW("uid-map", "INNER OUTER COUNT", NAMESPACES, "have so many uids from OUTER on as INNER and up", OWN, .value = UID_MAP),
	ROW("gid-map", "INNER OUTER COUNT", NAMESPACES, "have so many gids from OUTER on as INNER and up", OWN, .value = GID_MAP),
	ROW("keep-groups", "", NAMESPACES, "keep the caller's supplementary groups where they could be left", FLAG, AT(ns.keep_groups)),
};
/* clang-format on */
const struct option_rows map_option_rows = { rows, ARRAY_SIZE(rows) };

problem map_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			 struct position position)
{
	static const char *const names[] = { "INNER", "OUTER", "COUNT" };
	struct id_ranges *map =
		row->value == UID_MAP ? &reader->plan->ns.uid_map : &reader->plan->ns.gid_map;
	uint64_t numbers[ARRAY_SIZE(names)];
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!parse_decimal(words[i], UINT32_MAX - 1, &numbers[i]))
			return problem_at(position, "Invalid %s: %s is not a number from 0 to %u",
					  names[i], words[i], UINT32_MAX - 1);
	if (!numbers[2])
		return problem_at(position, "Invalid COUNT: a range has at least one id");
	for (size_t i = 0; i < 2; i++)
		if (numbers[i] + numbers[2] > UINT32_MAX)
			return problem_at(position,
					  "%llu ids from %s %llu on go beyond the last one, %u",
					  (unsigned long long) numbers[2], names[i],
					  (unsigned long long) numbers[i], UINT32_MAX - 1);
	map->items = arena_grow(map->items, map->n, &map->capacity, sizeof(*map->items));
	map->items[map->n++] = (struct id_range){ .inner = (uint32_t) numbers[0],
						  .outer = (uint32_t) numbers[1],
						  .count = (uint32_t) numbers[2],
						  .position = position };
	return NULL;
}

bool map_options_in_use(const struct plan *plan)
{
	return plan->ns.map_auto || plan->ns.uid_map.n || plan->ns.gid_map.n;
}

/* ---- what follows ---- */

bool map_has_inner(const struct id_ranges *map, uint32_t id)
{
	for (size_t i = 0; i < map->n; i++)
		if (id >= map->items[i].inner && id - map->items[i].inner < map->items[i].count)
			return true;
	return false;
}

/* The range that has the id outside; NULL: none. */
static const struct id_range *range_of(const struct id_ranges *map, uint32_t outer)
{
	for (size_t i = 0; i < map->n; i++)
		if (outer >= map->items[i].outer &&
		    outer - map->items[i].outer < map->items[i].count)
			return &map->items[i];
	return NULL;
}

/* The id inside that the caller's own is; its own number where there are no ranges, or none has it. */
static uint32_t inner_of(const struct id_ranges *map, uint32_t outer)
{
	const struct id_range *range = range_of(map, outer);
	return range ? range->inner + (outer - range->outer) : outer;
}

/* A process may map its own id, and no other, in the user namespace that it has made: user_namespaces(7). */
static bool is_more_than_own(const struct id_ranges *map, uint32_t own)
{
	return map->n > 1 || (map->n && (map->items[0].outer != own || map->items[0].count != 1));
}

void map_options_shape(const struct plan *plan, const struct caller *caller, struct shape *shape)
{
	const struct ns_plan *ns = &plan->ns;
	if (!ns->has_uid)
		shape->inner_uid = ns->map_auto ? 0 : inner_of(&ns->uid_map, caller->uid);
	if (!ns->has_gid)
		shape->inner_gid = ns->map_auto ? 0 : inner_of(&ns->gid_map, caller->gid);
	shape->maps_uids = ns->map_auto || is_more_than_own(&ns->uid_map, caller->uid);
	shape->maps_gids = ns->map_auto || is_more_than_own(&ns->gid_map, caller->gid);
}

bool map_options_give_caps(const struct plan *plan)
{
	return plan->ns.map_auto || plan->ns.uid_map.n;
}

/* What package tools do as root, and nothing that reaches beyond files, ids and processes of the sandbox's. */
uint64_t map_options_caps(const struct shape *shape)
{
	const uint64_t of_root = CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_DAC_OVERRIDE) |
				 CAP_BIT(CAP_FOWNER) | CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_SETUID) |
				 CAP_BIT(CAP_SETGID) | CAP_BIT(CAP_SETFCAP) | CAP_BIT(CAP_KILL) |
				 CAP_BIT(CAP_SYS_CHROOT);
	return shape->inner_uid == 0 ? of_root : 0;
}

/* ---- contradictions ---- */

static bool overlap(uint32_t one, uint32_t n_one, uint32_t other, uint32_t n_other)
{
	return one <= other ? other - one < n_one : one - other < n_other;
}

static problem check_ranges(const struct id_ranges *map)
{
	enum { MOST_RANGES = 340 }; /* UID_GID_MAP_MAX_EXTENTS, user_namespaces(7) */
	if (map->n > MOST_RANGES)
		return problem_at(map->items[MOST_RANGES].position,
				  "the kernel takes no more than %d ranges in one map",
				  MOST_RANGES);
	for (size_t i = 0; i < map->n; i++)
		for (size_t j = 0; j < i; j++) {
			const struct id_range *a = &map->items[j], *b = &map->items[i];
			bool inside = overlap(a->inner, a->count, b->inner, b->count);
			if (inside || overlap(a->outer, a->count, b->outer, b->count))
				return problem_at(b->position, "%s overlap those of %s",
						  inside ? "its ids inside" : "its ids outside",
						  position_text(a->position));
		}
	return NULL;
}

/* `option` chooses who COMMAND is. */
static problem check_command(const struct plan *plan, const struct id_ranges *map,
			     const char *option, uint32_t inner, uint32_t own)
{
	bool chosen = options_given(plan, option);
	if (!map->n || (chosen ? map_has_inner(map, inner) : range_of(map, own) != NULL))
		return NULL;
	if (chosen)
		return option_refused(
			plan, option,
			arena_printf("%u is none of the ids that %s-map gives", inner, option));
	return problem_at(map->items[0].position,
			  "the caller's own %s %u is not mapped: %s says who COMMAND is instead",
			  option + 2 /* its dashes */, own, option);
}

problem map_options_check(const struct plan *plan, const struct caller *caller,
			  const struct shape *shape)
{
	const struct ns_plan *ns = &plan->ns;
	if (!map_options_in_use(plan))
		return NULL;
	const char *option = ns->map_auto    ? "--map-auto"
			     : ns->uid_map.n ? "--uid-map"
					     : "--gid-map";
	if (ns->map_auto && (ns->uid_map.n || ns->gid_map.n))
		return option_refused(plan, option,
				      "cannot be combined with --uid-map or --gid-map");
	if (ns->userns.fd >= 0)
		return option_refused(
			plan, option,
			"cannot be combined with --userns: that user namespace has its ids already");
	if (plan->report.userns_block.fd >= 0)
		return option_refused(
			plan, option,
			"cannot be combined with --userns-block-fd, with which the caller writes the id maps");
	problem bad = check_ranges(&ns->uid_map);
	if (!bad)
		bad = check_ranges(&ns->gid_map);
	if (!bad)
		bad = check_command(plan, &ns->uid_map, "--uid", shape->inner_uid, caller->uid);
	return bad ? bad
		   : check_command(plan, &ns->gid_map, "--gid", shape->inner_gid, caller->gid);
}

/* ---- words ---- */

static void explain_map(const struct id_ranges *map, const char *kind, uint32_t inner,
			uint32_t outer, struct text *text)
{
	if (!map->n)
		explain_line(text, "", "%s %u inside is %u outside; no other exists", kind, inner,
			     outer);
	for (size_t i = 0; i < map->n; i++) {
		const struct id_range *range = &map->items[i];
		explain_line(text, "", "%s: %ss %u to %u inside are %u to %u outside",
			     position_text(range->position), kind, range->inner,
			     range->inner + (range->count - 1), range->outer,
			     range->outer + (range->count - 1));
	}
}

static void explain_writer(bool may_itself, const char *kind, struct text *text)
{
	explain_line(text, "",
		     may_itself ? "the caller's CAP_SET%cID writes the map of %s"
				: "new%cidmap writes the map of %s",
		     may_itself ? kind[0] - 'a' + 'A' : kind[0], kind);
}

void map_options_explain(const struct plan *plan, const struct shape *shape,
			 const struct caller *caller, struct text *text)
{
	const struct ns_plan *ns = &plan->ns;
	if (ns->map_auto) {
		explain_line(
			text, "",
			"uid 0 inside is %u outside, gid 0 is %u; 1 and up are the caller's subordinate ids, of /etc/subuid and /etc/subgid",
			caller->uid, caller->gid);
	} else {
		explain_map(&ns->uid_map, "uid", shape->inner_uid, caller->uid, text);
		explain_map(&ns->gid_map, "gid", shape->inner_gid, caller->gid, text);
	}
	if (shape->maps_uids)
		explain_writer(caller->permitted_caps & CAP_BIT(CAP_SETUID), "uids", text);
	if (shape->maps_gids)
		explain_writer(caller->permitted_caps & CAP_BIT(CAP_SETGID), "gids", text);
	explain_line(text, "", "COMMAND is uid %u and gid %u", shape->inner_uid, shape->inner_gid);
	if (ns->keep_groups)
		explain_line(text, "", "it keeps the caller's supplementary groups");
}
