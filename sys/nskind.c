/* nskind.c - the kinds of namespaces: what they are called where. */
#include "sys/nskind.h"

#include "sys/kernel.h"

#include <sched.h>

const struct ns_kind_row ns_kinds[N_NS_KINDS] = {
	[NS_USER] = { CLONE_NEWUSER, "user", "user" },
	[NS_MOUNT] = { CLONE_NEWNS, "mnt", "mount" },
	[NS_PID] = { CLONE_NEWPID, "pid", "pid" },
	[NS_NET] = { CLONE_NEWNET, "net", "network" },
	[NS_IPC] = { CLONE_NEWIPC, "ipc", "IPC" },
	[NS_UTS] = { CLONE_NEWUTS, "uts", "UTS" },
	[NS_CGROUP] = { CLONE_NEWCGROUP, "cgroup", "cgroup" },
};
