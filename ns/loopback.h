/* loopback.h - loopback. */
#ifndef NS_LOOPBACK_H
#define NS_LOOPBACK_H

#include "utils.h"

void loopback_up(void);

#endif
