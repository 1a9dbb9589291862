/* features.h - --features: what this machine offers, without a verdict. */
#ifndef CHECK_FEATURES_H
#define CHECK_FEATURES_H

#include "check/finding.h"
#include "check/trial.h"

void features_find(const struct run *run, check_story story, struct findings *ret_findings);
const char *features_as_lines(const struct findings *features);
const char *features_as_json(const struct findings *features);

#endif
