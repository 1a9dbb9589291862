/* denied.c - which options would have allowed what --trace-denied has seen denied.
 *
 * Pure. What is told is for a person to judge, and so never more than was asked for, but for directories that hold
 * nothing of the user's; never / or a whole home; and nothing where keys and passwords are kept.
 */
#include "plan/denied.h"

#include "sys/path.h"
#include "utils.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In this order they are told; those of one path from ITEM_DIR on by path: a parent comes before what is in it. */
enum item_kind {
	ITEM_LINK,
	ITEM_PROC,
	ITEM_DEV,
	ITEM_TMPFS,
	ITEM_DIR,
	ITEM_RO,
	ITEM_DEVICE,
	ITEM_RW
};
struct item {
	enum item_kind kind;
	const char *path, *target;
	bool is_given; /* by the line: it counts, and is not told */
	bool is_dropped;
};
struct items {
	struct item *items;
	size_t n, capacity;
	bool is_full;
};
/* Each is compared with each other, and COMMAND can have them made, by links without number. */
enum { MOST_ITEMS = 3000 };

static void push(struct items *items, struct item item)
{
	items->items = arena_grow(items->items, items->n, &items->capacity, sizeof(item));
	items->items[items->n++] = item;
}

static void add(struct items *items, enum item_kind kind, const char *path, const char *target)
{
	for (size_t i = 0; i < items->n && !items->is_full; i++)
		if (items->items[i].kind == kind && !items->items[i].is_given &&
		    streq(items->items[i].path, path))
			return;
	items->is_full |= items->n >= MOST_ITEMS;
	if (!items->is_full)
		push(items, (struct item){ .kind = kind, .path = path, .target = target });
}

static bool is_below(const char *path, const char *top)
{
	return path_is_within(path, top) && !streq(path, top);
}

/* ---- what is not told ---- */

/* Whole components, wherever they are. */
static bool has_components(const char *path, const char *components)
{
	size_t length = strlen(components);
	for (const char *at = path; (at = strstr(at, components)); at++)
		if (at > path && at[-1] == '/' && (at[length] == '/' || !at[length]))
			return true;
	return false;
}

static bool is_secret(const char *path)
{
	static const char names[][24] = {
		".ssh",
		".gnupg",
		".aws",
		".azure",
		".kube",
		".docker",
		".netrc",
		".pgpass",
		".my.cnf",
		".git-credentials",
		".password-store",
		".npmrc",
		".pypirc",
		".vault-token",
		".mozilla",
		".thunderbird",
		".config/gh",
		".config/gcloud",
		".config/chromium",
		".config/google-chrome",
		".local/share/keyrings",
		".local/share/kwalletd",
		".electrum",
		".bitcoin",
	};
	static const char places[][24] = {
		"/etc/shadow",      "/etc/shadow-",         "/etc/gshadow",   "/etc/gshadow-",
		"/etc/ssh",         "/etc/sudoers",         "/etc/sudoers.d", "/etc/ssl/private",
		"/run/docker.sock", "/var/run/docker.sock", "/run/podman",    "/run/containerd",
		"/run/secrets",     "/run/credentials",
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (has_components(path, names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (path_is_within(path, places[i]))
			return true;
	const char *name = strrchr(path, '/');
	size_t length = strlen(path);
	return (path_is_within(path, "/run/user") &&
		(has_components(path, "keyring") || has_components(path, "gnupg"))) ||
	       strncmp(path, "/tmp/ssh-", 9) == 0 || (name && strncmp(name, "/.env", 5) == 0) ||
	       (length > 8 && streq(path + length - 8, "_history"));
}

/* Directories that hold much beside what was wanted. */
static bool is_too_much(const char *directory, const char *home)
{
	static const char tops[][16] = {
		"/",           "/boot",    "/dev",       "/etc",       "/home",
		"/lost+found", "/media",   "/mnt",       "/opt",       "/proc",
		"/root",       "/run",     "/run/user",  "/srv",       "/sys",
		"/tmp",        "/usr",     "/usr/local", "/var",       "/var/cache",
		"/var/home",   "/var/lib", "/var/log",   "/var/spool", "/var/tmp",
	};
	static const char parents[][12] = { "/home", "/var/home", "/run/user" };
	static const char of_home[][16] = { ".config", ".local", ".local/share", ".local/state",
					    ".cache" };
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++)
		if (streq(directory, tops[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(parents); i++)
		if (is_below(directory, parents[i]) &&
		    !strchr(directory + strlen(parents[i]) + 1, '/'))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(of_home); i++) {
		size_t length = strlen(directory), n = strlen(of_home[i]);
		if (length > n && directory[length - n - 1] == '/' &&
		    streq(directory + length - n, of_home[i]))
			return true;
	}
	return home && path_is_within(home, directory);
}

/* ---- one ---- */

/* Below /dev: what --dev has. */
static bool is_of_dev(const char *path)
{
	static const char names[][8] = { "null", "zero",    "full",   "random", "urandom",
					 "tty",  "console", "pts",    "ptmx",   "shm",
					 "fd",   "stdin",   "stdout", "stderr" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (path_is_within(path + strlen("/dev/"), names[i]))
			return true;
	return false;
}

static bool add_in_dev(struct items *items, const struct denied *denied)
{
	if (streq(denied->path, "/dev") || is_of_dev(denied->path))
		add(items, ITEM_DEV, "/dev", NULL);
	else if (denied->is_device)
		add(items, ITEM_DEVICE, denied->place, NULL);
	else
		return false;
	return true;
}

/* Names in /tmp meet by accident: a file there that nobody has asked for the content of may be another's. */
static bool is_for_content(const struct denied *denied)
{
	static const char calls[][12] = { "open",     "openat",  "openat2", "execve",
					  "execveat", "connect", "chdir" };
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (streq(denied->call, calls[i]))
			return true;
	return false;
}

/* An empty directory over it would cover what the line shows there. */
static bool has_some_of(const struct plan *plan, const char *directory)
{
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (is_below(plan->root.ops[i].inner_path, directory))
			return true;
	return false;
}

/* False where nothing is told. */
static bool add_for(struct items *items, const struct denied *denied, const struct plan *plan,
		    const char *home)
{
	const char *place = denied->place;
	if (!place || denied->held_by || denied->error == EBUSY || is_secret(place) ||
	    is_secret(denied->path))
		return false;
	bool in_proc = path_is_within(place, "/proc"),
	     in_dev = path_is_within(denied->path, "/dev");
	if (in_proc)
		add(items, ITEM_PROC, "/proc", NULL);
	if (in_dev)
		return add_in_dev(items, denied) || in_proc;
	for (size_t i = 0; i < denied->n_links && in_proc; i++)
		add(items, ITEM_LINK, denied->links[2 * i], denied->links[2 * i + 1]);
	if (in_proc)
		return true;
	const char *scratch = path_is_within(place, "/var/tmp") ? "/var/tmp"
			      : path_is_within(place, "/tmp")   ? "/tmp"
								: NULL;
	enum item_kind kind = denied->is_to_change ? ITEM_RW
			      : denied->is_device  ? ITEM_DEVICE
						   : ITEM_RO;
	if (scratch && (denied->is_to_change || streq(place, scratch)) &&
	    !has_some_of(plan, scratch)) {
		kind = ITEM_TMPFS;
		place = scratch;
	} else if (scratch && !denied->is_to_change && !is_for_content(denied)) {
		return false;
	} else if (denied->is_directory && is_too_much(place, home)) {
		/* An empty one does where it is asked for itself. */
		if (denied->error != ENOENT || streq(place, "/"))
			return false;
		kind = ITEM_DIR;
	}
	for (size_t i = 0; i < denied->n_links; i++)
		add(items, ITEM_LINK, denied->links[2 * i], denied->links[2 * i + 1]);
	add(items, kind, place, NULL);
	return true;
}

/* ---- all ---- */

/* How much of the path the pattern's directory is, where the path is below it; 0: it is not. A component of the
 * pattern that ends with * stands for all that begin so. */
static size_t match_top(const char *pattern, const char *path)
{
	size_t i = 0;
	for (; *pattern; pattern++) {
		if (*pattern == '*')
			i += strcspn(path + i, "/");
		else if (path[i++] != *pattern)
			return 0;
	}
	return path[i] == '/' ? i : 0;
}

/* Directories that are told whole once so many things in them are wanted: of them a system is made, and nobody keeps
 * anything of his own there. */
static const struct top {
	char pattern[28];
	size_t least;
} tops[] = {
	{ "/usr/local", 2 },
	{ "/usr/libexec", 1 },
	{ "/usr/lib*", 1 },
	{ "/usr/share/*", 1 },
	{ "/usr/*", 2 },
	{ "/lib*", 1 },
	{ "/bin", 2 },
	{ "/sbin", 2 },
	{ "/opt/*", 2 },
	{ "/nix/store", 2 },
	{ "/gnu/store", 2 },
	{ "/etc/alternatives", 1 },
	{ "/etc/ca-certificates", 1 },
	{ "/etc/fonts", 1 },
	{ "/etc/gtk-3.0", 1 },
	{ "/etc/gtk-4.0", 1 },
	{ "/etc/ld.so.conf.d", 1 },
	{ "/etc/ssl/certs", 1 },
	{ "/etc/terminfo", 1 },
	{ "/etc/X11", 1 },
	{ "/etc/xdg", 1 },
	{ "/var/cache/fontconfig", 1 },
	{ "/sys/devices/system/cpu", 1 },
	{ "/sys/devices/system/node", 1 },
};

static bool shows_itself(const struct op *op)
{
	return op->kind == OP_BIND && op->outer_path && streq(op->outer_path, op->inner_path);
}

/* Whatever the line has put there, an empty directory over a secret for instance, would be covered. */
static bool covers_another(const struct plan *plan, const char *directory)
{
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (path_is_within(plan->root.ops[i].inner_path, directory) &&
		    !shows_itself(&plan->root.ops[i]))
			return true;
	return false;
}

static void add_given(struct items *items, const struct plan *plan)
{
	for (size_t i = 0; i < plan->root.n_ops; i++) {
		if (!shows_itself(&plan->root.ops[i]))
			continue;
		push(items, (struct item){ .kind = ITEM_RO,
					   .path = plan->root.ops[i].inner_path,
					   .is_given = true });
	}
}

static bool is_shown(const struct item *item)
{
	return item->kind == ITEM_RO || item->kind == ITEM_LINK;
}

/* Among the first n_items. */
static void fold_into(struct items *items, size_t n_items, const struct top *top, const char *path,
		      const struct plan *plan)
{
	size_t length = match_top(top->pattern, path), n = 0;
	const char *directory = length ? arena_copy(path, length) : NULL;
	for (size_t i = 0; length && i < n_items; i++)
		n += is_shown(&items->items[i]) && is_below(items->items[i].path, directory);
	if (length && n >= top->least && !covers_another(plan, directory))
		add(items, ITEM_RO, directory, NULL);
}

static void fold(struct items *items, const struct plan *plan)
{
	for (size_t i = 0, n_items = items->n; i < n_items; i++)
		for (size_t j = 0; j < ARRAY_SIZE(tops); j++) {
			const struct item *item = &items->items[i];
			if (!item->is_given && is_shown(item))
				fold_into(items, n_items, &tops[j], item->path, plan);
		}
}

/* "bin" of /usr/bin/cc; "lib" of all that hold libraries. */
static const char *part_of_usr(const struct item *item)
{
	const char *part = item->path + strlen("/usr/");
	if (!is_shown(item) || item->kind == ITEM_LINK || !is_below(item->path, "/usr"))
		return NULL;
	return strncmp(part, "lib", 3) == 0 ? "lib" : arena_copy(part, strcspn(part, "/"));
}

static void fold_usr(struct items *items, const struct plan *plan)
{
	enum { LEAST = 3 };
	const char *parts[LEAST];
	size_t n = 0;
	bool is_wanted = false;
	for (size_t i = 0; i < items->n; i++) {
		const char *part = part_of_usr(&items->items[i]);
		is_wanted |= part && !items->items[i].is_given;
		for (size_t j = 0; part && j < n && j < LEAST; j++)
			if (streq(parts[j], part))
				part = NULL;
		if (part && n < LEAST)
			parts[n++] = part;
	}
	if (n == LEAST && is_wanted && !covers_another(plan, "/usr"))
		add(items, ITEM_RO, "/usr", NULL);
}

/* One that is there is as good as another: what was to be changed or removed in it is not there. */
static void drop_scratch(struct items *items, const struct plan *plan)
{
	for (size_t i = 0; i < items->n; i++)
		for (size_t j = 0; j < plan->root.n_ops; j++)
			items->items[i].is_dropped |=
				items->items[i].kind == ITEM_TMPFS &&
				plan->root.ops[j].kind == OP_TMPFS &&
				streq(plan->root.ops[j].inner_path, items->items[i].path);
}

/* A tree covers what is in it, and one that can be changed the same read-only. */
static void drop_covered(struct items *items)
{
	for (size_t i = 0; i < items->n; i++)
		for (size_t j = 0; j < items->n; j++) {
			struct item *item = &items->items[i];
			const struct item *other = &items->items[j];
			bool is_same = streq(item->path, other->path);
			if (i == j || other->is_given || !path_is_within(item->path, other->path))
				continue;
			item->is_dropped |=
				other->kind == ITEM_RW ? is_shown(item) || item->kind == ITEM_DIR ||
								 (item->kind == ITEM_RW && !is_same)
				: other->kind == ITEM_RO
					? (is_shown(item) && !is_same) || item->kind == ITEM_DIR
					: false;
		}
}

static int compare_items(const void *a, const void *b)
{
	const struct item *one = a, *other = b;
	int first = one->kind < ITEM_DIR ? (int) one->kind : ITEM_DIR;
	int second = other->kind < ITEM_DIR ? (int) other->kind : ITEM_DIR;
	int order = first != second ? first - second : strcmp(one->path, other->path);
	return order ? order : (int) one->kind - (int) other->kind;
}

/* ---- in words ---- */

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("/._-+,:@%=", c));
}

static void add_word(struct text *text, const char *word)
{
	size_t n_plain = 0;
	while (is_plain(word[n_plain]))
		n_plain++;
	text_add(text, "%s", text->length ? " " : "");
	if (n_plain && !word[n_plain]) {
		text_add(text, "%s", word);
		return;
	}
	text_add(text, "'");
	for (; *word; word++)
		text_add(text, "%s%c", *word == '\'' ? "'\\'" : "", *word);
	text_add(text, "'");
}

static const char *tell(struct items *items)
{
	static const char options[][20] = {
		[ITEM_LINK] = "--symlink",
		[ITEM_PROC] = "--proc",
		[ITEM_DEV] = "--dev",
		[ITEM_TMPFS] = "--tmpfs",
		[ITEM_DIR] = "--dir",
		[ITEM_RO] = "--ro-bind-try",
		[ITEM_DEVICE] = "--dev-bind-try",
		[ITEM_RW] = "--bind-try",
	};
	struct text text = { 0 };
	if (items->n)
		qsort(items->items, items->n, sizeof(*items->items), compare_items);
	for (size_t i = 0; i < items->n; i++) {
		const struct item *item = &items->items[i];
		if (item->is_given || item->is_dropped)
			continue;
		add_word(&text, options[item->kind]);
		if (item->kind == ITEM_LINK)
			add_word(&text, item->target);
		if (item->kind >= ITEM_RO)
			add_word(&text, item->path);
		add_word(&text, item->path);
	}
	return text.length ? text.bytes : "";
}

const char *denied_option(const struct denied *denied, const struct plan *plan, const char *home)
{
	struct items items = { 0 };
	return add_for(&items, denied, plan, home) ? tell(&items) : NULL;
}

const char *denied_options(const struct denied *denied, size_t n_denied, const struct plan *plan,
			   const char *home, bool *ret_truncated)
{
	struct items items = { 0 };
	for (size_t i = 0; i < n_denied; i++)
		add_for(&items, &denied[i], plan, home);
	*ret_truncated = false;
	if (!items.n)
		return "";
	add_given(&items, plan);
	drop_scratch(&items, plan);
	fold_usr(&items, plan);
	fold(&items, plan);
	drop_covered(&items);
	*ret_truncated = items.is_full;
	return tell(&items);
}
