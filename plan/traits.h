/* traits.h - what can be so of an option, for what follows from it. */
#ifndef PLAN_TRAITS_H
#define PLAN_TRAITS_H

/* What is done with the words, and what `field` is. */
enum option_form {
	FORM_FLAG,    /* bool */
	FORM_WANT,    /* enum want; value: what is wanted at least */
	FORM_WORD,    /* const char *; the last one wins */
	FORM_FD,      /* struct fd_at; the last one wins */
	FORM_FDS,     /* struct fds_at: all of them */
	FORM_SECONDS, /* int64_t, milliseconds; value: 1 where 0 is one; the last one wins */
	FORM_OWN,     /* its subject knows, by value */
};
enum option_trait {
	LAST_WINS = 1 << 0,         /* beside the forms that say so */
	ONCE = 1 << 1,              /* twice is a mistake */
	MODIFIES_NEXT = 1 << 2,     /* waits for an operation */
	NEEDS_POLICY = 1 << 3,      /* something has to be denied */
	PROMISES_SAFETY = 1 << 4,   /* and so cannot stand beside --seccomp-trace */
	ENDS_WITH_COMMAND = 1 << 5, /* what COMMAND leaves behind is killed */
	FOR_LEADER = 1 << 6,        /* `supervised` only where the caller leads its process group */
	SUPERVISOR_WRITES = 1 << 7, /* to its descriptor */
	SUPERVISOR_WAITS = 1 << 8,  /* for its descriptor */
	WRITES = 1 << 18,           /* to its descriptor, and another process than the supervisor */
	WANTS_END = 1 << 9,         /* of its descriptor */
	/* of operations */
	READ_ONLY = 1 << 10,
	DEVICES = 1 << 11,
	SKIP_MISSING = 1 << 12,
	TAKES_PERMS = 1 << 13,
	TAKES_SIZE = 1 << 14, /* a number of inodes as well */
	TAKES_PROPAGATION = 1 << 15,
	MOUNTS = 1 << 16, /* and so takes --mount-flags */
	MAKES_SOURCE = 1 << 17,
};

#endif
