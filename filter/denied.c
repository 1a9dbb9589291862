/* denied.c - --trace-denied, in the supervisor: what its helper has found, each kind once, and which options would
 * allow it.
 */
#include "filter/denied.h"

#include "filter/denied-calls.h"
#include "filter/look.h"
#include "filter/notify.h"
#include "filter/state.h"
#include "plan/cover.h"
#include "plan/denied.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/json.h"
#include "utils.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What COMMAND does must not fill the memory, of which its own limits do not count this. */
enum { MOST_KINDS = 1000 };

struct denials {
	struct denied kinds[MOST_KINDS];
	size_t n;
	bool truncated, is_unheard;
};

void denied_prepare(const struct run *run)
{
	const char *home = get_variable(run->host->envp, "HOME");
	struct plan *outside = arena_alloc(sizeof(*outside));
	struct root_plan *root = &outside->root;
	*root = run->plan->root;
	root->ops = arena_alloc((root->n_ops + 1) * sizeof(*root->ops));
	for (size_t i = 0; i < root->n_ops; i++) {
		root->ops[i] = run->plan->root.ops[i];
		char *real = plan_is_mask(&root->ops[i]) ? realpath(root->ops[i].inner_path, NULL)
							 : NULL;
		if (real)
			root->ops[i].inner_path = arena_string(real);
		free(real);
	}
	run->filters->outside = outside;
	run->filters->home = home ? arena_string(home) : NULL;
}

static struct denials *denials_of(const struct run *run)
{
	if (!run->filters->denials)
		run->filters->denials = arena_alloc(sizeof(struct denials));
	return run->filters->denials;
}

static void add_member(struct text *json, const char *name, const char *value)
{
	text_add(json, "%s\"%s\": ", json->length > 2 ? ", " : "", name);
	if (value)
		json_add_string(json, value);
	else
		text_add(json, "null");
}

static void tell(const struct run *run, const struct denied *kind, const char *unknown)
{
	struct text json = { 0 };
	text_add(&json, "{ ");
	add_member(&json, "call", kind->call);
	add_member(&json, "path", kind->path);
	add_member(&json, "errno", kind->error ? errno_name(kind->error) : NULL);
	add_member(&json, "option", denied_option(kind, run->plan, run->filters->home));
	if (kind->held_by)
		add_member(&json, "held-by", position_text(kind->held_by->position));
	if (unknown)
		add_member(&json, "unknown", unknown);
	text_add(&json, " }\n");
	notify_write_line(&run->plan->report.denied, &denials_of(run)->is_unheard, json.bytes);
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? streq(a, b) : a == b;
}

/* False: it is known, or there are too many. */
static bool is_new(struct denials *denials, const char *call, const char *path, int error)
{
	for (size_t i = 0; i < denials->n; i++) {
		const struct denied *kind = &denials->kinds[i];
		if (kind->error == error && streq(kind->call, call) && is_same(kind->path, path))
			return false;
	}
	denials->truncated |= denials->n == MOST_KINDS;
	return denials->n < MOST_KINDS;
}

/* Path and target in turn, of as many as are whole: an empty word is behind the last one. */
static void copy_links(struct denied *kind, const char *words, uint64_t n_links)
{
	const char **links = NULL;
	size_t n = 0, capacity = 0;
	for (; n < n_links * 2 && n < WORDS_CAPACITY && *words; n++) {
		links = arena_grow(links, n, &capacity, sizeof(*links));
		links[n] = arena_string(words);
		words += strlen(words) + 1;
	}
	kind->links = links;
	kind->n_links = n / 2;
}

/* What COMMAND has asked for, or where that leads, by a link that it has made perhaps; and a link may be on the way to what
 * the line names. */
static const struct op *who_holds(const struct run *run, const struct denied *kind)
{
	const char *const paths[] = { kind->path, kind->place };
	const struct plan *const plans[] = { run->plan, run->filters->outside };
	const struct op *holder = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(paths) && !holder; i++)
		for (size_t j = 0; j < ARRAY_SIZE(plans) && !holder; j++) {
			holder = plan_find_mask(plans[j], OP_MASK, paths[i]);
			if (!holder && kind->is_to_change)
				holder = plan_find_mask(plans[j], OP_PROTECT, paths[i]);
			if (!holder && kind->error == EBUSY)
				holder = plan_who_keeps(plans[j], paths[i]);
		}
	return holder;
}

void denied_note(const struct run *run, const struct message *message, const char *words)
{
	struct denials *denials = denials_of(run);
	const uint64_t *numbers = message->numbers;
	if (numbers[DENIED_CALL] >= n_looked_calls) /* COMMAND has taken the helper over */
		return;
	const char *call = looked_calls[numbers[DENIED_CALL]].name;
	const char *path = *words ? words : NULL, *place = path ? path + strlen(path) + 1 : NULL;
	if (!is_new(denials, call, path, message->value))
		return;
	struct denied *kind = &denials->kinds[denials->n++];
	*kind = (struct denied){ .call = call, .error = message->value };
	if (!path) {
		tell(run, kind, "this process cannot be looked into");
		return;
	}
	kind->path = arena_string(path);
	kind->place = arena_string(place);
	if (*place) /* with nothing, what is behind it is not the message's */
		copy_links(kind, place + strlen(place) + 1, numbers[DENIED_N_LINKS]);
	kind->is_directory = numbers[DENIED_IS_DIRECTORY];
	kind->is_device = numbers[DENIED_IS_DEVICE];
	kind->is_to_change = numbers[DENIED_IS_TO_CHANGE];
	kind->held_by = who_holds(run, kind);
	tell(run, kind, NULL);
}

void denied_note_hung(const struct run *run, const struct seccomp_notif *call,
		      const struct look_memory *memory, bool last)
{
	struct denials *denials = denials_of(run);
	size_t number = denied_find_call(call->data.arch, call->data.nr);
	const char *name = looked_calls[number < n_looked_calls ? number : 0].name;
	denials->truncated |= last;
	if (!is_new(denials, name, memory->asked, 0))
		return;
	struct denied *kind = &denials->kinds[denials->n++];
	*kind = (struct denied){ .call = name, .path = arena_string(memory->asked) };
	tell(run, kind,
	     last ? "its file system does not answer, and nothing is looked at any more"
		  : "its file system does not answer");
}

void denied_finish(const struct run *run)
{
	struct denials *denials = denials_of(run);
	struct text json = { 0 };
	text_add(&json, "{ ");
	bool is_truncated;
	add_member(&json, "options",
		   denied_options(denials->kinds, denials->n, run->plan, run->filters->home,
				  &is_truncated));
	text_add(&json, "%s }\n",
		 denials->truncated || is_truncated ? ", \"truncated\": true" : "");
	notify_write_line(&run->plan->report.denied, &denials->is_unheard, json.bytes);
}
