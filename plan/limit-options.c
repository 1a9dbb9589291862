/* limit-options.c - limits as the line asks for them: rows, readers, contradictions, words.
 *
 * rlimits.c applies --rlimit, cgroup.c --limit, and the supervisor keeps the time.
 */
#include "plan/limit-options.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/nearest.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "plan/shape.h"
#include "utils.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

enum { RLIMIT, LIMIT, LIMIT_TRY };

#define ROW(...) OPTION(LIMIT, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("rlimit", "NAME SOFT[:HARD]", LIMITS, "a resource limit of COMMAND's, named as in getrlimit(2)", OWN, .value = RLIMIT),
	ROW("limit", "KEY VALUE", LIMITS, "limit the sandbox by its own control group's file KEY", OWN, .value = LIMIT, .supervised = 7, .traits = ENDS_WITH_COMMAND),
	ROW("limit-try", "KEY VALUE", LIMITS, "the same, or warn and go on where it cannot be had", OWN, .value = LIMIT_TRY, .supervised = 7, .traits = ENDS_WITH_COMMAND),
	ROW("cgroup", "PATH", LIMITS, "make that group below this one (cgroup v2)", WORD, AT(limit.cgroup), .supervised = 8, .traits = ENDS_WITH_COMMAND),
	ROW("timeout", "SECONDS", LIMITS, "end the sandbox after this time; exit code 124", SECONDS, AT(limit.timeout_ms), .supervised = 6, .traits = ENDS_WITH_COMMAND),
	ROW("kill-after", "SECONDS", LIMITS, "how long --timeout waits between SIGTERM and SIGKILL (5)", SECONDS, AT(limit.kill_after_ms), .value = 1, .needs = "--timeout"),
};
/* clang-format on */
const struct option_rows limit_option_rows = { rows, ARRAY_SIZE(rows) };

/* ---- --rlimit ---- */

static const struct {
	const char *name;
	uint8_t resource;
} resources[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static const char *nth_resource_name(size_t i)
{
	return resources[i].name;
}

const char *limits_resource_name(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(resources); i++)
		if (resources[i].resource == resource)
			return resources[i].name;
	return "";
}

static bool read_rlim(const char *word, rlim_t *ret_value)
{
	uint64_t value = RLIM_INFINITY;
	if (!streq(word, "unlimited") && !parse_size(word, RLIM_INFINITY - 1, &value))
		return false;
	*ret_value = value;
	return true;
}

static problem read_rlimit_words(const char *name, const char *values, struct rlimit_op *op)
{
	const char *bare = strncasecmp(name, "RLIMIT_", 7) == 0 ? name + 7 : name;
	size_t i = 0;
	while (i < ARRAY_SIZE(resources) && strcasecmp(resources[i].name, bare) != 0)
		i++;
	if (i == ARRAY_SIZE(resources)) {
		const char *near = nearest_word(bare, nth_resource_name, ARRAY_SIZE(resources));
		return arena_printf(
			"Unknown resource %s (they are named as in getrlimit(2), nofile for RLIMIT_NOFILE)%s%s%s%s",
			name, operand_in_one_word(name), near ? "; is " : "", near ? near : "",
			near ? " meant?" : "");
	}
	op->resource = resources[i].resource;

	const char *colon = strchrnul(values, ':'), *hard = *colon ? colon + 1 : values;
	const char *soft = arena_copy(values, (size_t) (colon - values));
	if (!read_rlim(soft, &op->limit.rlim_cur))
		return arena_printf(
			"Invalid limit: %s is neither a number, with K, M, G or T behind it or not, nor unlimited",
			soft);
	if (!read_rlim(hard, &op->limit.rlim_max))
		return arena_printf(
			"Invalid limit: %s is neither a number, with K, M, G or T behind it or not, nor unlimited",
			hard);
	if (op->limit.rlim_cur > op->limit.rlim_max)
		return arena_printf("Invalid limit: the soft limit %s is above the hard limit %s",
				    soft, hard);
	return NULL;
}

const char *limits_rlim_text(rlim_t value)
{
	return value == RLIM_INFINITY ? "unlimited" : arena_number(value, 10);
}

/* ---- --limit, its words ---- */

enum value_kind {
	VALUE_SIZE,  /* bytes, or max */
	VALUE_COUNT, /* a number, or max */
	VALUE_RANGE, /* a number from `least` to `most` */
	VALUE_CPU,   /* "50%", "QUOTA", "QUOTA PERIOD" in microseconds, or max */
	VALUE_WORDS, /* the kernel's own syntax, passed on */
};

/* The files of a control group that limit something: Documentation/admin-guide/cgroup-v2.rst as of
 * Linux 6.18. */
static const struct limit_key {
	char name[24], controller[12]; /* not pointers: see struct option_row */
	enum value_kind kind;
	int least, most;
} limit_keys[] = {
	{ "cgroup.max.depth", "", VALUE_COUNT, 0, 0 },
	{ "cgroup.max.descendants", "", VALUE_COUNT, 0, 0 },
	{ "cpu.idle", "cpu", VALUE_RANGE, 0, 1 },
	{ "cpu.max", "cpu", VALUE_CPU, 0, 0 },
	{ "cpu.max.burst", "cpu", VALUE_COUNT, 0, 0 },
	{ "cpu.uclamp.max", "cpu", VALUE_WORDS, 0, 0 },
	{ "cpu.uclamp.min", "cpu", VALUE_WORDS, 0, 0 },
	{ "cpu.weight", "cpu", VALUE_RANGE, 1, 10000 },
	{ "cpu.weight.nice", "cpu", VALUE_RANGE, -20, 19 },
	{ "cpuset.cpus", "cpuset", VALUE_WORDS, 0, 0 },
	{ "cpuset.cpus.exclusive", "cpuset", VALUE_WORDS, 0, 0 },
	{ "cpuset.cpus.partition", "cpuset", VALUE_WORDS, 0, 0 },
	{ "cpuset.mems", "cpuset", VALUE_WORDS, 0, 0 },
	{ "dmem.low", "dmem", VALUE_WORDS, 0, 0 },
	{ "dmem.max", "dmem", VALUE_WORDS, 0, 0 },
	{ "dmem.min", "dmem", VALUE_WORDS, 0, 0 },
	{ "hugetlb.1GB.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "hugetlb.1GB.rsvd.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "hugetlb.2MB.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "hugetlb.2MB.rsvd.max", "hugetlb", VALUE_SIZE, 0, 0 },
	{ "io.bfq.weight", "io", VALUE_WORDS, 0, 0 },
	{ "io.latency", "io", VALUE_WORDS, 0, 0 },
	{ "io.max", "io", VALUE_WORDS, 0, 0 },
	{ "io.prio.class", "io", VALUE_WORDS, 0, 0 },
	{ "io.weight", "io", VALUE_WORDS, 0, 0 },
	{ "memory.high", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.low", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.max", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.min", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.oom.group", "memory", VALUE_RANGE, 0, 1 },
	{ "memory.swap.high", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.swap.max", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.zswap.max", "memory", VALUE_SIZE, 0, 0 },
	{ "memory.zswap.writeback", "memory", VALUE_RANGE, 0, 1 },
	{ "misc.max", "misc", VALUE_WORDS, 0, 0 },
	{ "pids.max", "pids", VALUE_COUNT, 0, 0 },
	{ "rdma.max", "rdma", VALUE_WORDS, 0, 0 },
};

static const char *nth_limit_key(size_t i)
{
	return limit_keys[i].name;
}

/* cgroup-v2.rst: a period from 1 ms to 1 s, a quota of 1 ms at least. */
static problem read_cpu_max(const char *value, struct limit_op *op)
{
	enum { LEAST_US = 1000 };
	size_t length = strlen(value);
	op->period_us = 100000;
	if (length > 1 && value[length - 1] == '%') {
		uint64_t percent;
		if (!parse_decimal(arena_copy(value, length - 1), 100000, &percent) || !percent)
			return arena_printf(
				"Invalid limit: %s is not a share of one CPU, like 50%% or 150%%",
				value);
		op->number = percent * 1000;
		return NULL;
	}
	const char *blank = strchrnul(value, ' '),
		   *quota = arena_copy(value, (size_t) (blank - value));
	op->number = UINT64_MAX;
	if ((!streq(quota, "max") && !parse_decimal(quota, UINT64_MAX / 2, &op->number)) ||
	    (*blank && !parse_decimal(blank + 1, 1000000, &op->period_us)))
		return arena_printf(
			"Invalid limit: %s is neither a share of one CPU, like 50%%, nor microseconds, QUOTA or \"QUOTA PERIOD\", nor max",
			value);
	if (op->number < LEAST_US || op->period_us < LEAST_US)
		return arena_printf(
			"Invalid limit: a quota and a period in %s are microseconds, %d at least; for half a CPU say 50%%",
			value, LEAST_US);
	return NULL;
}

static problem read_limit_value(const struct limit_key *key, const char *value, struct limit_op *op)
{
	bool is_max = streq(value, "max");
	op->number = UINT64_MAX;
	op->value = value;
	switch (key->kind) {
	case VALUE_SIZE:
		if (!is_max && !parse_size(value, INT64_MAX, &op->number))
			return arena_printf(
				"Invalid size: %s is neither a number of bytes, with K, M, G or T behind it or not, nor max",
				value);
		break;
	case VALUE_COUNT:
		if (!is_max && !parse_size(value, INT64_MAX, &op->number))
			return arena_printf("Invalid limit: %s is neither a number nor max", value);
		break;
	case VALUE_RANGE: {
		bool negative = value[0] == '-';
		uint64_t size;
		if (!parse_decimal(value + negative, 10000, &size) ||
		    (negative ? -(int) size : (int) size) < key->least ||
		    (negative ? -(int) size : (int) size) > key->most)
			return arena_printf("Invalid limit: %s is not a number from %d to %d",
					    value, key->least, key->most);
		op->number = size;
		return NULL;
	}
	case VALUE_CPU: {
		problem bad = read_cpu_max(value, op);
		if (bad)
			return bad;
		const char *quota = op->number == UINT64_MAX ? "max" : arena_number(op->number, 10);
		op->value = arena_join(arena_join(quota, " "), arena_number(op->period_us, 10));
		return NULL;
	}
	case VALUE_WORDS:
		if (!*value || strchr(value, '\n'))
			return "Invalid limit: it is empty or has a line break in it";
		return NULL;
	}
	if (!is_max)
		op->value = arena_number(op->number, 10);
	return NULL;
}

/* "memory" for memory.max, "mem.max" too, or what is spelled nearly so; NULL: none. */
static const char *nearest_key(const char *word)
{
	size_t n_first = strcspn(word, ".");
	const char *rest = word[n_first] ? word + n_first : ".max";
	for (size_t i = 0; i < ARRAY_SIZE(limit_keys) && n_first; i++) {
		const char *name = limit_keys[i].name;
		if (strncmp(name, word, n_first) == 0 && streq(strchr(name, '.'), rest))
			return name;
	}
	return nearest_word(word, nth_limit_key, ARRAY_SIZE(limit_keys));
}

static problem read_limit_words(const char *key, const char *value, struct limit_op *op)
{
	for (size_t i = 0; i < ARRAY_SIZE(limit_keys); i++) {
		if (!streq(limit_keys[i].name, key))
			continue;
		op->key = limit_keys[i].name;
		op->controller = limit_keys[i].controller;
		return read_limit_value(&limit_keys[i], value, op);
	}
	const char *near = nearest_key(arena_copy(key, strcspn(key, "=")));
	return arena_printf(
		"Unknown key %s (they are named like the files of a control group, as memory.max)%s%s%s%s",
		key, operand_in_one_word(key), near ? "; is " : "", near ? near : "",
		near ? " meant?" : "");
}

/* ---- reading ---- */

static problem read_rlimit(struct plan *plan, char *const *words, struct position position)
{
	struct limit_plan *limit = &plan->limit;
	struct rlimit_op op = { .position = position };
	problem bad = read_rlimit_words(words[0], words[1], &op);
	if (bad)
		return problem_at(position, "%s", bad);
	for (size_t i = 0; i < limit->n_rlimits; i++) {
		if (limit->rlimits[i].resource != op.resource)
			continue;
		limit->rlimits[i] = op;
		options_warn(plan,
			     arena_printf("Only the last %s %s will take effect", position.option,
					  limits_resource_name(op.resource)));
		return NULL;
	}
	limit->rlimits =
		arena_grow(limit->rlimits, limit->n_rlimits, &limit->capacity_rlimits, sizeof(op));
	limit->rlimits[limit->n_rlimits++] = op;
	return NULL;
}

static problem read_limit(struct limit_plan *limit, bool optional, char *const *words,
			  struct position position)
{
	struct limit_op op = { .optional = optional, .position = position };
	problem bad = read_limit_words(words[0], words[1], &op);
	if (bad)
		return problem_at(position, "%s", bad);
	limit->limits =
		arena_grow(limit->limits, limit->n_limits, &limit->capacity_limits, sizeof(op));
	limit->limits[limit->n_limits++] = op;
	return NULL;
}

problem limit_options_read(struct reader *reader, const struct option_row *row, char *const *words,
			   struct position position)
{
	if (row->value == RLIMIT)
		return read_rlimit(reader->plan, words, position);
	return read_limit(&reader->plan->limit, row->value == LIMIT_TRY, words, position);
}

/* ---- contradictions ---- */

problem limit_options_check(const struct plan *plan)
{
	/* An orphan goes to the first process of its own pid namespace; one that was joined is not
	 * ours to end. */
	bool has_group = plan->limit.cgroup;
	for (size_t i = 0; i < plan->limit.n_limits; i++)
		has_group |= !plan->limit.limits[i].optional;
	const char *option = plan->limit.timeout_ms           ? "--timeout"
			     : plan->command.die_with_command ? "--die-with-command"
							      : NULL;
	if (option && !has_group && plan->ns.pidns.fd >= 0 && !plan->ns.unshare_pid)
		return option_refused(
			plan, option,
			"with --pidns needs --unshare-pid or --limit, to find what COMMAND leaves behind");
	return NULL;
}

/* ---- where it stands ---- */

const char *limits_position(const struct plan *plan, const char *key)
{
	for (size_t i = plan->limit.n_limits; i-- > 0;)
		if (streq(plan->limit.limits[i].key, key))
			return position_text(plan->limit.limits[i].position);
	return NULL;
}

const char *limits_cause(const struct plan *plan, int error)
{
	const char *key = error == EAGAIN ? "pids.max" : error == ENOMEM ? "memory.max" : NULL;
	const char *position = key ? limits_position(plan, key) : NULL;
	return position ? arena_printf("; the %s of %s leaves no room for it", key, position) : "";
}

/* ---- in words ---- */

void limit_options_explain_split(const struct plan *plan, const struct shape *shape,
				 struct text *text)
{
	if (shape->ends_with_command)
		explain_line(text, "", "what COMMAND leaves behind is killed when it ends");
	for (size_t i = 0; i < plan->limit.n_limits; i++)
		explain_line(text, "", "%s: a control group with %s %s%s",
			     position_text(plan->limit.limits[i].position),
			     plan->limit.limits[i].key, plan->limit.limits[i].value,
			     plan->limit.limits[i].optional ? ", if it can be had" : "");
	if (plan->limit.cgroup)
		explain_line(text, "", "%s: made in %s",
			     position_text(options_position(plan, "--cgroup")), plan->limit.cgroup);
	if (plan->limit.timeout_ms)
		explain_line(text, "",
			     "%s: SIGTERM after %g s, and %g s later SIGKILL for everything",
			     position_text(options_position(plan, "--timeout")),
			     (double) plan->limit.timeout_ms / 1000,
			     (double) plan->limit.kill_after_ms / 1000);
	if (plan->limit.timeout_ms && !shape->pid_namespace)
		explain_line(
			text, "",
			"without --unshare-pid COMMAND may stop and kill whoever keeps this time");
}

void limit_options_explain_prepare(const struct plan *plan, struct text *text)
{
	for (size_t i = 0; i < plan->limit.n_rlimits; i++)
		explain_line(text, "",
			     "%s: %s at most %s, and no more than %s by COMMAND's own choice",
			     position_text(plan->limit.rlimits[i].position),
			     limits_resource_name(plan->limit.rlimits[i].resource),
			     limits_rlim_text(plan->limit.rlimits[i].limit.rlim_cur),
			     limits_rlim_text(plan->limit.rlimits[i].limit.rlim_max));
}
