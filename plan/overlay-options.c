/* overlay-options.c - overlays as the line asks for them: rows, readers, what cannot be right, words.
 *
 * It knows the names of the backends' options, and no backend.
 */
#include "plan/overlay-options.h"

#include "plan/descriptors.h"
#include "plan/operand.h"
#include "plan/option.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "plan/reader.h"
#include "utils.h"

#include <string.h>

enum { LAYER, LAYER_FD, BACKEND, MOUNT_OPTION, CHANGES };

#define ROW(...)       OPTION(OVERLAY, __VA_ARGS__)
#define OPERATION(...) OPTION(ROOT, __VA_ARGS__) /* read as any other */
/* clang-format off */
static const struct option_row rows[] = {
	ROW("overlay-src", "SRC", FILESYSTEM, "a layer of the next overlay, first is bottom", OWN, .value = LAYER, .traits = MODIFIES_NEXT),
	ROW("overlay-src-fd", "FD", FILESYSTEM, "the same, for the directory that FD refers to", OWN, .value = LAYER_FD, .use = USE_SHOWN, .traits = MODIFIES_NEXT),
	OPERATION("overlay", "RWSRC WORKDIR DEST", FILESYSTEM, "the layers merged at DEST, writes go to RWSRC", OWN, .value = OP_OVERLAY, .traits = MOUNTS),
	OPERATION("tmp-overlay", "DEST", FILESYSTEM, "the same, writes vanish", OWN, .value = OP_OVERLAY, .traits = MOUNTS),
	OPERATION("ro-overlay", "DEST", FILESYSTEM, "two or more layers merged read-only at DEST", OWN, .value = OP_OVERLAY, .traits = MOUNTS | READ_ONLY),
	ROW("overlay-backend", "BACKEND", FILESYSTEM, "auto, kernel or fuse: who merges the next overlay", OWN, .value = BACKEND, .choices = "auto kernel fuse", .traits = MODIFIES_NEXT),
	ROW("overlay-opt", "OPT", FILESYSTEM, "a mount option of the next overlay (volatile, index=off, ...)", OWN, .value = MOUNT_OPTION, .traits = MODIFIES_NEXT),
	ROW("overlay-changes", "FD", FILESYSTEM, "list what was changed in the next overlay on FD, as JSON lines", OWN, .value = CHANGES, .use = USE_OWN, .supervised = 3, .traits = WRITES | MODIFIES_NEXT | ENDS_WITH_COMMAND),
};
/* clang-format on */
const struct option_rows overlay_option_rows = { rows, ARRAY_SIZE(rows) };

/* ---- reading ---- */

void overlay_options_forget(struct reader *reader)
{
	reader->overlay_position.argument = 0;
	reader->overlay = (struct overlay){ .changes.fd = -1, .upper.fd = -1, .work.fd = -1 };
}

static void add_layer(struct overlay *overlay, const struct layer *layer)
{
	overlay->layers = arena_grow(overlay->layers, overlay->n_layers, &overlay->capacity_layers,
				     sizeof(*layer));
	overlay->layers[overlay->n_layers++] = *layer;
}

static void add_option(struct overlay *overlay, struct word_at option)
{
	overlay->options = arena_grow(overlay->options, overlay->n_options,
				      &overlay->capacity_options, sizeof(option));
	overlay->options[overlay->n_options++] = option;
}

static problem read_backend(struct overlay *overlay, const struct option_row *row, const char *word,
			    struct position position)
{
	static const enum overlay_backend chosen[] = { OVERLAY_AUTO, OVERLAY_KERNEL, OVERLAY_FUSE };
	int choice = operand_choice(row->choices, word);
	overlay->backend_position = position;
	if (choice < 0)
		return problem_at(position, "Invalid backend: %s is neither auto, kernel nor fuse",
				  word);
	overlay->backend = chosen[choice];
	return NULL;
}

problem overlay_options_read(struct reader *reader, const struct option_row *row,
			     char *const *words, struct position position)
{
	struct overlay *overlay = &reader->overlay;
	struct layer layer = { .fd = -1, .position = position };
	problem bad = row->value == BACKEND   ? operand_once(position, overlay->backend_position)
		      : row->value == CHANGES ? operand_once(position, overlay->changes.position)
		      : row->value == LAYER   ? operand_path(position, "SRC", layer.path = words[0])
		      : row->value == LAYER_FD ? fds_read(reader->plan, reader->io, row, position,
							  words[0], &layer.fd)
					       : NULL;
	if (bad)
		return bad;
	reader->overlay_position = position;
	switch (row->value) {
	case LAYER:
	case LAYER_FD:
		add_layer(overlay, &layer);
		return NULL;
	case BACKEND:
		return read_backend(overlay, row, words[0], position);
	case MOUNT_OPTION:
		add_option(overlay, (struct word_at){ words[0], position });
		return NULL;
	case CHANGES:
		overlay->changes.position = position;
		return fds_read(reader->plan, reader->io, row, position, words[0],
				&overlay->changes.fd);
	}
	return NULL;
}

/* ---- what cannot be right ---- */

static const struct {
	char name[20]; /* not a pointer: see struct option_row */
	bool kernel, fuse;
} known_options[] = {
	/* Documentation/filesystems/overlayfs.rst */
	{ "volatile", true, true },
	{ "index", true, false },
	{ "redirect_dir", true, true },
	{ "metacopy", true, false },
	{ "xino", true, false },
	{ "uuid", true, false },
	{ "nfs_export", true, false },
	{ "verity", true, false },
	/* fuse-overlayfs(1) */
	{ "squash_to_root", false, true },
	{ "squash_to_uid", false, true },
	{ "squash_to_gid", false, true },
	{ "uidmapping", false, true },
	{ "gidmapping", false, true },
	{ "timeout", false, true },
	{ "threaded", false, true },
	{ "fsync", false, true },
	{ "fast_ino", false, true },
	{ "writeback", false, true },
	{ "noxattrs", false, true },
	{ "xattr_permissions", false, true },
	{ "static_nlink", false, true },
	{ "noacl", false, true },
};

static bool backend_knows(const char *option, bool fuse)
{
	size_t length = strcspn(option, "=");
	for (size_t i = 0; i < ARRAY_SIZE(known_options); i++)
		if (strlen(known_options[i].name) == length &&
		    strncmp(known_options[i].name, option, length) == 0)
			return fuse ? known_options[i].fuse : known_options[i].kernel;
	return false;
}

bool overlay_fits_backend(const struct overlay *overlay, bool fuse)
{
	for (size_t i = 0; i < overlay->n_options; i++)
		if (!backend_knows(overlay->options[i].word, fuse))
			return false;
	return true;
}

static problem check_options(const struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->n_options; i++) {
		const struct word_at *option = &overlay->options[i];
		bool known =
			(overlay->backend != OVERLAY_FUSE && backend_knows(option->word, false)) ||
			(overlay->backend != OVERLAY_KERNEL && backend_knows(option->word, true));
		if (!known)
			return arena_printf(
				"%s: Unknown overlay option %s%s", position_text(option->position),
				option->word,
				overlay->backend == OVERLAY_KERNEL ? " (of the kernel's overlay)"
				: overlay->backend == OVERLAY_FUSE ? " (of fuse-overlayfs)"
								   : "");
		if (strchr(option->word,
			   ',')) /* fuse-overlayfs would read another option behind it */
			return arena_printf(
				"%s: %s is more than one option: give --overlay-opt for each",
				position_text(option->position), option->word);
	}
	if (overlay->backend == OVERLAY_AUTO && !overlay_fits_backend(overlay, false) &&
	    !overlay_fits_backend(overlay, true))
		return arena_printf(
			"%s: no backend knows all of the options given for this overlay",
			position_text(overlay->options[0].position));
	return NULL;
}

static problem check(const struct op *op)
{
	enum { MOST_LAYERS = 500 }; /* OVL_MAX_STACK */
	const struct overlay *overlay = op->overlay;
	size_t least = overlay->writable ? 1 : 2;
	if (overlay->n_layers < least)
		return arena_printf(
			"%s requires at least %s --overlay-src before it, and has %s, at %s",
			op->position.option, least == 1 ? "one" : "two",
			overlay->n_layers ? "one" : "none", position_text(op->position));
	if (overlay->n_layers > MOST_LAYERS && overlay->backend != OVERLAY_FUSE)
		return arena_printf("%s: too many layers: %zu, and the kernel's overlay takes %d",
				    position_text(op->position), overlay->n_layers, MOST_LAYERS);
	if (overlay->changes.fd >= 0 && !overlay->writable)
		return arena_printf("%s: nothing can change in a --ro-overlay",
				    position_text(overlay->changes.position));
	return check_options(overlay);
}

problem overlay_options_take(struct reader *reader, const struct option_row *row, struct op *op)
{
	struct overlay *overlay = arena_alloc(sizeof(*overlay));
	*overlay = reader->overlay;
	overlay->writable = !(row->traits & READ_ONLY);
	op->overlay = overlay;
	overlay_options_forget(reader);
	return check(op);
}

/* ---- in words ---- */

const char *overlay_text(const struct op *op)
{
	const struct overlay *overlay = op->overlay;
	struct text text = { 0 };
	text_add(&text, "%zu layer%s merged at %s, ", overlay->n_layers,
		 overlay->n_layers == 1 ? "" : "s", op->inner_path);
	if (!overlay->writable)
		text_add(&text, "read-only");
	else if (overlay->upper.path)
		text_add(&text, "writes go to %s", overlay->upper.path);
	else
		text_add(&text, "writes vanish");
	text_add(&text, ":");
	for (size_t i = 0; i < overlay->n_layers; i++) {
		const struct layer *layer = &overlay->layers[i];
		text_add(&text, "%s %s", i ? "," : "",
			 layer->path ? layer->path : arena_printf("descriptor %d", layer->fd));
	}
	if (overlay->backend != OVERLAY_AUTO)
		text_add(&text, "; by %s",
			 overlay->backend == OVERLAY_KERNEL ? "the kernel" : "fuse-overlayfs");
	for (size_t i = 0; i < overlay->n_options; i++)
		text_add(&text, "; %s", overlay->options[i].word);
	if (overlay->changes.fd >= 0)
		text_add(&text, "; changes are listed on descriptor %d", overlay->changes.fd);
	return text.bytes;
}

bool overlay_may_need_helper(const struct plan *plan)
{
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (plan->root.ops[i].overlay &&
		    (plan->root.ops[i].overlay->backend != OVERLAY_KERNEL ||
		     plan->root.ops[i].overlay->changes.fd >= 0))
			return true;
	return false;
}

bool overlay_lists_changes(const struct plan *plan)
{
	for (size_t i = 0; i < plan->root.n_ops; i++)
		if (plan->root.ops[i].overlay && plan->root.ops[i].overlay->changes.fd >= 0)
			return true;
	return false;
}

bool overlay_is_listed(const struct op *op)
{
	return op->overlay->changes.fd >= 0;
}
