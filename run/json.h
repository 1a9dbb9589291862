/* json.h - strings as JSON has them. */
#ifndef RUN_JSON_H
#define RUN_JSON_H

#include "utils.h"

/* Quoted. Bytes that are no UTF-8 become lone low surrogates, as Python's surrogateescape has them: nothing is lost. */
void json_add_string(struct text *text, const char *string);

#endif
