/* libraries.h - the libraries that COMMAND may lack. */
#ifndef RUN_LIBRARIES_H
#define RUN_LIBRARIES_H

/* In COMMAND's process, with the PATH that programs will be looked for in (NULL: execvp(3)'s own): notes for whoever asks
 * beforehand. Says nothing of a program that cannot be read, or whose libraries have places of their own. */
void libraries_foresee(const char *program, const char *path_list);

/* In PATH as well; NULL: it is in none of the directories. */
const char *libraries_find_program(const char *name, const char *path_list);

#endif
