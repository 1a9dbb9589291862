/* listeners.h - the ports of the loopback device inside that lead outside. */
#ifndef NS_LISTENERS_H
#define NS_LISTENERS_H

#include "run/run.h"

/* In the new network namespace, whose loopback device is up: listens for each --tcp-out, and hands the sockets to who
 * carries out; and the namespace to who carries in. */
void listeners_make(const struct run *run);

#endif
