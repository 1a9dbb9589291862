/* finding.c - what was found out, and telling it: as lines for people, as JSON for programs. */
#include "check/finding.h"

#include "plan/position.h"
#include "run/causes.h"
#include "run/json.h"

#include <string.h>

struct finding *finding_add(struct findings *findings, const char *name, enum verdict verdict,
			    const char *good_for, const char *words)
{
	findings->items = arena_grow(findings->items, findings->n, &findings->capacity,
				     sizeof(*findings->items));
	struct finding *finding = &findings->items[findings->n++];
	*finding = (struct finding){
		.name = name, .verdict = verdict, .good_for = good_for, .words = words
	};
	return finding;
}

const char *findings_as_lines(const struct findings *findings, const char *conclusion)
{
	static const char marks[][4] = {
		[WORKS] = "ok", [FAILS] = "no", [ABSENT] = "-", [UNTRIED] = "-"
	};
	static const char *const usual[] = { [WORKS] = "works",
					     [FAILS] = "fails",
					     [ABSENT] = "is not there",
					     [UNTRIED] = "not tried" };
	struct text text = { 0 };
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];
		const char *words = finding->words ? finding->words : usual[finding->verdict];
		text_add(&text, "%-3s %s%s%s%s: %s\n", marks[finding->verdict], finding->name,
			 finding->good_for ? " (" : "", finding->good_for ? finding->good_for : "",
			 finding->good_for ? ")" : "", words);
		for (size_t j = 0; j < finding->n_notes; j++)
			text_add(&text, "      %s\n", finding->notes[j]);
	}
	text_add(&text, "%s\n", conclusion);
	return text.bytes;
}

static void add_member(struct text *json, const char *name, const char *string)
{
	text_add(json, ", \"%s\": ", name);
	json_add_string(json, string);
}

static void add_failure(struct text *json, const char *message)
{
	struct position position;
	enum cause cause = cause_find(message);
	if (cause < N_CAUSES)
		add_member(json, "cause", causes[cause].id);
	if (!position_find(message, &position))
		return;
	add_member(json, "option", position.option);
	text_add(json, ", \"argument\": %u", position.argument);
	if (position.args_word)
		text_add(json, ", \"word\": %u", position.args_word);
}

const char *findings_as_json(const struct findings *findings, bool works)
{
	static const char verdicts[][12] = {
		[WORKS] = "works", [FAILS] = "fails", [ABSENT] = "absent", [UNTRIED] = "not tried"
	};
	struct text json = { 0 };
	text_add(&json, "{ \"version\": \"" BWRAPISH_VERSION "\", \"works\": %s, \"checks\": [",
		 works ? "true" : "false");
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];
		text_add(&json, "%s\n  { \"name\": \"%s\", \"verdict\": \"%s\"", i ? "," : "",
			 finding->name, verdicts[finding->verdict]);
		if (finding->good_for)
			add_member(&json, "for", finding->good_for);
		if (finding->words)
			add_member(&json, "message", finding->words);
		if (finding->words && finding->verdict == FAILS)
			add_failure(&json, finding->words);
		for (size_t j = 0; j < finding->n_notes; j++) {
			text_add(&json, j ? ", " : ", \"notes\": [");
			json_add_string(&json, finding->notes[j]);
		}
		text_add(&json, "%s }", finding->n_notes ? "]" : "");
	}
	text_add(&json, "\n] }\n");
	return json.bytes;
}
