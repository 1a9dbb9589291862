/* landlock-options.c - whom COMMAND may reach, as the line asks for it: rows, readers, contradictions, words. */
#include "plan/landlock-options.h"

#include "plan/given.h"
#include "plan/lines.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "utils.h"

#include <string.h>

#define ROW(...) OPTION(LANDLOCK, __VA_ARGS__)
/* clang-format off */
static const struct option_row rows[] = {
	ROW("connect-tcp", "PORT", SECURITY, "TCP connections to PORT, or FIRST-LAST, and no other; repeatable", OWN, .value = LANDLOCK_CONNECT_TCP),
	ROW("bind-tcp", "PORT", SECURITY, "TCP servers at PORT, or FIRST-LAST, and no other; repeatable", OWN, .value = LANDLOCK_BIND_TCP),
	ROW("connect-udp", "PORT", SECURITY, "UDP to PORT, or FIRST-LAST, and no other; repeatable", OWN, .value = LANDLOCK_CONNECT_UDP),
	ROW("bind-udp", "PORT", SECURITY, "UDP from PORT, or FIRST-LAST, and no other; repeatable", OWN, .value = LANDLOCK_BIND_UDP),
	ROW("connect-unix", "PATH", SECURITY, "Unix sockets outside at PATH, or below, and no other; repeatable", OWN, .value = LANDLOCK_CONNECT_UNIX),
	ROW("scope", "WHAT", SECURITY, "reach no abstract-unix socket, or by no signal, who is outside", OWN, .value = LANDLOCK_SCOPE_ABSTRACT, .choices = "abstract-unix signal"),
	ROW("landlock-try", "", SECURITY, "go on with a warning where the kernel cannot do one of these", FLAG, AT(landlock.may_be_missing)),
	ROW("mdwe", "", SECURITY, "memory that is or was writable is never executed", FLAG, AT(landlock.mdwe)),
};
/* clang-format on */
const struct option_rows landlock_option_rows = { rows, ARRAY_SIZE(rows) };

/* Each port is a rule, which takes the kernel 1.5 microseconds. */
enum { MOST_PORTS = 1024 };

static problem read_ports(struct position position, const char *word, struct landlock_rule *rule)
{
	const char *dash = strchr(word, '-');
	const char *first_word = dash ? arena_copy(word, (size_t) (dash - word)) : word;
	uint64_t first, last;
	if (!parse_decimal(first_word, UINT16_MAX, &first) ||
	    !parse_decimal(dash ? dash + 1 : word, UINT16_MAX, &last))
		return problem_at(
			position,
			"Invalid port: %s is neither a number from 0 to 65535 nor two of them with a dash between",
			word);
	if (first > last)
		return problem_at(position, "Invalid port: %s ends before it begins", word);
	if (last - first >= MOST_PORTS)
		return problem_at(
			position,
			"Invalid port: %s are %u ports, and each is a rule: %d are the most", word,
			(unsigned) (last - first + 1), MOST_PORTS);
	rule->first_port = (uint16_t) first;
	rule->last_port = (uint16_t) last;
	return NULL;
}

problem landlock_options_read(struct reader *reader, const struct option_row *row,
			      char *const *words, struct position position)
{
	struct landlock_plan *plan = &reader->plan->landlock;
	struct landlock_rule rule = { .kind = row->value, .position = position };
	problem bad = NULL;
	if (rule.kind == LANDLOCK_CONNECT_UNIX)
		bad = operand_path(position, row->words, rule.path = words[0]);
	else if (rule.kind != LANDLOCK_SCOPE_ABSTRACT)
		bad = read_ports(position, words[0], &rule);
	else if (operand_choice(row->choices, words[0]) < 0)
		bad = problem_at(position, "%s is neither abstract-unix nor signal", words[0]);
	else if (operand_choice(row->choices, words[0]) == 1)
		rule.kind = LANDLOCK_SCOPE_SIGNAL;
	plan->rules = arena_grow(plan->rules, plan->n_rules, &plan->capacity_rules, sizeof(rule));
	plan->rules[plan->n_rules++] = rule;
	return bad;
}

problem landlock_options_check(const struct plan *plan)
{
	if (plan->landlock.may_be_missing && !plan->landlock.n_rules)
		return option_refused(
			plan, "--landlock-try",
			"needs something to be restricted: --connect-tcp, --bind-tcp, --connect-udp, --bind-udp, --connect-unix or --scope");
	return NULL;
}

const struct landlock_rule *landlock_first(const struct plan *plan, enum landlock_kind kind)
{
	for (size_t i = 0; i < plan->landlock.n_rules; i++)
		if (plan->landlock.rules[i].kind == kind)
			return &plan->landlock.rules[i];
	return NULL;
}

bool landlock_judges_tcp(const struct plan *plan)
{
	return landlock_first(plan, LANDLOCK_CONNECT_TCP) ||
	       landlock_first(plan, LANDLOCK_BIND_TCP);
}

/* ---- in words ---- */

static const char *list_text(const struct plan *plan, enum landlock_kind kind)
{
	struct text text = { 0 };
	for (size_t i = 0; i < plan->landlock.n_rules; i++) {
		const struct landlock_rule *rule = &plan->landlock.rules[i];
		if (rule->kind != kind)
			continue;
		const char *gap = text.length ? ", " : "";
		if (rule->path)
			text_add(&text, "%s%s", gap, rule->path);
		else if (rule->first_port == rule->last_port)
			text_add(&text, "%s%u", gap, rule->first_port);
		else
			text_add(&text, "%s%u-%u", gap, rule->first_port, rule->last_port);
	}
	return text.bytes;
}

bool landlock_options_explain_go(const struct plan *plan, struct text *text)
{
	static const char *const words[N_LANDLOCK_KINDS] = {
		[LANDLOCK_CONNECT_TCP] = "TCP connections to port",
		[LANDLOCK_BIND_TCP] = "TCP servers at port",
		[LANDLOCK_CONNECT_UDP] = "UDP to port",
		[LANDLOCK_BIND_UDP] = "UDP from port",
		[LANDLOCK_CONNECT_UNIX] = "Unix sockets outside at",
		[LANDLOCK_SCOPE_ABSTRACT] = "no abstract Unix socket of a process outside",
		[LANDLOCK_SCOPE_SIGNAL] = "no signal to a process outside",
	};
	bool has_begun = false;
	for (enum landlock_kind kind = 0; kind < N_LANDLOCK_KINDS; kind++) {
		if (!landlock_first(plan, kind))
			continue;
		bool has_list = kind < LANDLOCK_SCOPE_ABSTRACT;
		explain_line(text, has_begun ? "" : "go", "%s%s%s%s%s", words[kind],
			     has_list ? " " : "", has_list ? list_text(plan, kind) : "",
			     has_list ? " and no other" : "",
			     plan->landlock.may_be_missing ? ", if the kernel can" : "");
		has_begun = true;
	}
	if (landlock_judges_tcp(plan))
		explain_line(
			text, "",
			"what is TCP by another door is denied: MPTCP, SMC, Fast Open, io_uring");
	if (plan->landlock.mdwe)
		explain_line(text, has_begun ? "" : "go",
			     "memory that is or was writable is never executed");
	return has_begun || plan->landlock.mdwe;
}
