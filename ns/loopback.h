/* loopback.h - loopback. */
#ifndef NS_LOOPBACK_H
#define NS_LOOPBACK_H

#include "utils.h"

void loopback_up(void);
/* What is sent to loopback addresses is not to leave by another device, to which anybody may bind a socket (SO_BINDTODEVICE,
 * 5.7; IP_PKTINFO) and whose carrier could take them for the host's. False and errno. */
bool loopback_keep_inside(void);

#endif
