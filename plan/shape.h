/* shape.h - what makes a plan sound, and what follows from it. */
#ifndef PLAN_SHAPE_H
#define PLAN_SHAPE_H

#include "plan/plan.h"

/* What is true of the caller, given to the pure rooms so that they need ask nobody. */
struct caller {
	uid_t uid;
	gid_t gid;
	uint64_t permitted_caps; /* bit per capability number */
	bool may_mount;          /* CAP_SYS_ADMIN is effective */
	bool is_group_leader;    /* of its process group: setsid() would fail */
	pid_t parent;            /* at the very start; 0: in an outer pid namespace */
	int n_listen_fds;        /* 3 and above, that --listen-fds passes on */
	const char *directory;   /* absolute, or NULL when it has no path */
};

enum topology {
	RUN_ALONE,      /* bwrapish becomes COMMAND */
	RUN_SUPERVISED, /* a supervisor outside; its child becomes COMMAND */
	RUN_WITH_INIT,  /* a supervisor outside, a reaper inside, COMMAND */
};

/* What follows from a plan and its caller; derived once, never asked for twice. */
struct shape {
	enum topology topology;
	const char *topology_reason;        /* the option that wants it, or NULL */
	bool user_namespace, pid_namespace; /* new ones are made */
	bool new_proc; /* --proc mounts a procfs: the pid namespace is new or joined */
	const struct op *locked_for; /* the mask that takes the next; NULL: none */
	bool userns_disabled;        /* nobody makes user namespaces inside */
	bool second_userns;          /* COMMAND gets a second user namespace */
	bool second_userns_required; /* ... without which the run must not go on */
	bool maps_uids, maps_gids;   /* more than our own: a process outside writes that map */
	uint64_t caps;               /* what COMMAND keeps or is given, a bit for each */
	uint64_t ambient_caps;       /* those of them that were given */
	uid_t inner_uid;
	gid_t inner_gid;
	unsigned long namespaces;          /* CLONE_NEW* made first, the user namespace included */
	unsigned long optional_namespaces; /* those of them that only a -try option wants */
	unsigned long second_namespaces;   /* CLONE_NEW* made with the second user namespace */
	bool new_session;                  /* of terminals: --new-session, --pty */
	bool dies_with_supervisor;         /* --die-with-parent, and what ends with COMMAND */
	bool ends_with_command; /* what COMMAND leaves behind is killed, and if the supervisor dies all */
	const struct op *stub_for; /* by its words may need one on the host: mount/stub.h */
	bool has_guard; /* one more process, for a supervisor or pid 1 that is kept from its work */
	bool info_late; /* --info-fd can only be answered once the second user namespace exists */
};
bool plan_has_op(const struct plan *plan, enum op_kind kind);
/* What contradicts itself, or the caller; NULL and the shape when nothing does. */
problem plan_check(const struct plan *plan, const struct caller *caller, struct shape *ret_shape);
/* `shape` anew, without the namespaces `missing` (CLONE_NEW*, some of shape->optional_namespaces) and what
 * was dropped before. NULL, or what does not go without them. */
problem plan_drop_namespaces(const struct plan *plan, const struct caller *caller,
			     unsigned long missing, struct shape *shape);
/* A line of --dry-run: which processes there are, and for what. */
void shape_explain(const struct plan *plan, const struct shape *shape, struct text *text);

#endif
