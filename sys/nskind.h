/* nskind.h - the kinds of namespaces. */
#ifndef SYS_NSKIND_H
#define SYS_NSKIND_H

#include <stdint.h>

enum ns_kind { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, N_NS_KINDS };

#endif
