/* misses.h - what programs look for at usual places, and miss inside. */
#ifndef RUN_MISSES_H
#define RUN_MISSES_H

struct run;

/* Before anything is entered: which of these places the host has. */
void misses_look_outside(struct run *run);
/* In COMMAND's process: notes for whoever asks beforehand, of what is outside and not inside. `program`: where COMMAND lies. */
void misses_foresee(const struct run *run, const char *program);

#endif
