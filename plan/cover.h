/* cover.h - which operation covers what, by the words of the plan. */
#ifndef PLAN_COVER_H
#define PLAN_COVER_H

#include "plan/plan.h"

/* The earlier operation that made the place of `op` read-only, by the words of the plan; NULL: none.
 * is_missing: of each operation, whether it shows nothing, as there is no such source. */
const struct op *plan_who_made_read_only(const struct plan *plan, const struct op *op,
					 const bool *is_missing);
/* How what the operation protects or hides can be had back, because it lies in a writable bind; NULL: it
 * does not. Arena memory. is_missing may be NULL: nobody has looked for sources yet. */
const char *plan_op_risk(const struct plan *plan, const struct op *op, const bool *is_missing,
			 bool userns_disabled);
/* The places of the operations that may mount something on the overlay, below its top, which is then
 * fuse-overlayfs's to lose; NULL: there is none. Arena memory. */
const char *plan_mounts_on_overlay(const struct plan *plan, const struct op *overlay);
/* What is shown is a file that setup makes: --data, --hosts and their like. */
bool plan_is_private_file(const struct op *op);
/* --mask and --protect. */
bool plan_is_mask(const struct op *op);
/* Whether from a mount namespace without the mask COMMAND could rename or remove what it lies on. */
bool plan_mask_can_be_taken_off(const struct plan *plan, const struct op *mask);
/* The first later operation that by its words lies over a mask; NULL: none. */
const struct op *plan_who_uncovers(const struct plan *plan, const struct op *mask);
/* The last OP_MASK or OP_PROTECT, whichever `kind` is, that has the path, or what is above it; NULL: none. */
const struct op *plan_find_mask(const struct plan *plan, enum op_kind kind, const char *path);
/* The last operation that has mounted something at the path, which then can be neither renamed nor removed, or a mask
 * below, as the way to it is kept, too; NULL: none. */
const struct op *plan_who_keeps(const struct plan *plan, const char *path);
/* "--tmpfs (argument 7) hides what --ro-bind (argument 1) shows", of what is shown of the host; NULL: none is. Arena
 * memory. */
const char *plan_first_hidden(const struct plan *plan);
/* "hidden by --tmpfs (argument 7): put that first, or leave this out"; NULL: it is not. Arena memory. */
const char *plan_op_hidden(const struct plan *plan, const struct op *op);
/* The option that takes a pattern, where a mask's path looks like one; NULL: it does not. */
const char *plan_pattern_option(const struct op *op);
/* What of an operation is hardly meant so, or is elsewhere than it looks; NULL: nothing. Arena memory. */
const char *plan_op_mistake(const struct plan *plan, const struct op *op);
/* The operation as the line has it, which a rehearsal may carry out as another. */
const struct op *plan_as_asked(const struct op *op);
/* Whether COMMAND can write to what it shows, and that is the host's. */
bool plan_stays_writable(const struct plan *plan, const struct op *op);
/* Whether COMMAND can make, rename and remove in what `cover` mounted (NULL: the new root) in the end. */
bool plan_can_be_written(const struct plan *plan, const struct op *cover);
/* The first mask that, by its words, may need a stub on the host should its path be missing; NULL: none. */
const struct op *plan_mask_in_need_of_stub(const struct plan *plan);
/* Whether a later operation has its place below the mask. */
bool plan_goes_on_below(const struct plan *plan, const struct op *mask);
/* What of a path is below `top`, "" for that itself, by their words and however the two are spelt; NULL: it is
 * elsewhere. */
const char *plan_path_below(const char *path, const char *top);
/* Whether the path is the root, by its words. */
bool plan_is_root_path(const char *path);
/* Whether the first operation covers the whole new root, which then needs no tmpfs below it. */
bool plan_first_op_is_root(const struct plan *plan);

#endif
