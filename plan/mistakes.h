/* mistakes.h - what people type, and what they meant; arena memory. */
#ifndef PLAN_MISTAKES_H
#define PLAN_MISTAKES_H

#include "plan/options.h"

/* Behind what of a descriptor is meant: "a word of --args ". */
#define MISTAKE_NEWLINE "ends with a NUL and not with a newline: tr '\\n' '\\0'"
/* options_next(), of which this room must not know: it is called from there. */
typedef const struct option_row *(*mistakes_next_row)(struct option_walk *walk);
/* What stands behind "Unknown option WORD": "; is --ro-bind meant?". Never one that gives COMMAND more than the word
 * asked for. */
const char *mistakes_unknown_option(const char *word, bool in_args, mistakes_next_row next);
/* Whether the last option of a line without COMMAND has a word as its path that looks like one; argv as below. */
bool mistakes_took_command(const struct plan *plan, int argc, char *const *argv);
/* Why a line that was read has no COMMAND: which option took it, and the cure. argv is the line, with a word at
 * least. */
const char *mistakes_no_command(const struct plan *plan, int argc, char *const *argv);

#endif
