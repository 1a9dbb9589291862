/* nskind.c - the kinds of namespaces: what they are called where. */
#include "sys/nskind.h"

#include "sys/kernel.h"

#include <sched.h>

const struct ns_kind_row ns_kinds[N_NS_KINDS] = {
	[NS_USER] = { CLONE_NEWUSER, "user", "user", "user" },
	[NS_MOUNT] = { CLONE_NEWNS, "mnt", "mount", "mount" },
	[NS_PID] = { CLONE_NEWPID, "pid", "pid", "pid" },
	[NS_NET] = { CLONE_NEWNET, "net", "net", "network" },
	[NS_IPC] = { CLONE_NEWIPC, "ipc", "ipc", "IPC" },
	[NS_UTS] = { CLONE_NEWUTS, "uts", "uts", "UTS" },
	[NS_CGROUP] = { CLONE_NEWCGROUP, "cgroup", "cgroup", "cgroup" },
	[NS_TIME] = { CLONE_NEWTIME, "time", "time", "time" },
};
