/* facts.h - what is there, without trying it. */
#ifndef CHECK_FACTS_H
#define CHECK_FACTS_H

#include "check/finding.h"
#include "run/run.h"

void facts_add_fuse(struct findings *findings);
void facts_add_landlock(struct findings *findings);
void facts_add_newuidmap(const struct run *run, struct findings *findings);
void facts_add_groups(const struct run *run, struct findings *findings);
void facts_add_pasta(struct findings *findings);

#endif
