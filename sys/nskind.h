/* nskind.h - the kinds of namespaces. */
#ifndef SYS_NSKIND_H
#define SYS_NSKIND_H

enum ns_kind { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, N_NS_KINDS };

/* No pointers: each would have to be relocated at every start. */
struct ns_kind_row {
	unsigned long flag; /* CLONE_NEW* */
	char file
		[8]; /* below /proc/PID/ns, and part of the name of /proc/sys/user/max_..._namespaces */
	char name[8];  /* for --dry-run */
	char title[8]; /* for messages */
};
extern const struct ns_kind_row ns_kinds[N_NS_KINDS];

#endif
