/* state.h - what the supervisor knows: run->supervisor, shared by its own files and by no other. */
#ifndef PROCESS_STATE_H
#define PROCESS_STATE_H

#include "run/run.h"
#include "utils.h"

struct helper;
struct told_failure;

struct supervisor {
	pid_t child;
	pid_t child_in_proc; /* its number there, where it is pid 1 */
	int lifeline_fd; /* readable once the parent or --die-with-fd's is gone; -1: not asked for */
	int parent_pidfd; /* that one watches, beside another; -1: it is this itself, or there is none */
	int command_pidfd; /* where signals go; -1: to the child */
	pid_t session;     /* COMMAND's, that it leads: --new-session; 0: not known */
	int socket;
	struct looker *looker;        /* whom calls wait for; NULL: nobody, or not yet */
	bool started;                 /* COMMAND was about to be executed */
	bool not_started;             /* that failed; may be heard first, from another process */
	struct told_failure *failure; /* why, as it has said; NULL: it has not, or nobody asks */
	pid_t command;                /* its number here; 0: not known */
	uint64_t userns_id;           /* its user namespace's */
	int going_fd;       /* ends when it is executed; -1: it is not about to be, or was */
	char *words;        /* room for those behind a message; NULL: nobody wants them */
	struct text untold; /* for --json-status-fd, once somebody reads */
	bool is_unheard;    /* nobody does any more */
	bool failure_told, timeout_told;
	bool waits_for_maps;
	bool listens;        /* is woken by messages */
	bool settled;        /* has given back what it needs no more */
	bool takes_helpers;  /* setup may still ask for one */
	bool ended;          /* pid 1 has told COMMAND's status */
	bool init_ends;      /* and is about to end itself */
	bool init_is_ours;   /* nobody else may take its status */
	bool may_reap_more;  /* there were too many to reap at once */
	bool timed_out;      /* SIGTERM was sent because the time was up */
	bool killed;         /* and that was not enough */
	bool is_over;        /* what is left is to tell of it */
	int64_t deadline_ms; /* of the next of these steps, CLOCK_MONOTONIC; 0: none */
	bool lacks_timers;   /* the kernel gives none, so that the guard has to do for --timeout */
	int64_t silent_ms;   /* from when on no write is waited for; 0: for ever */
	int terminal;        /* a descriptor of it, where we came in the foreground; or -1 */
	struct terminal_modes *modes; /* the caller's, for the relay, too; NULL: there is none */
	int relay_socket;
	bool is_hung_up;   /* it has ended, and nobody was told */
	int status;        /* COMMAND's, as of waitpid(2) */
	int64_t ending_ms; /* when the end of the sandbox began; 0: it has not */
	int asked_by;      /* the signal that ended the run before the loop; 0: none */
	int cut_short;     /* the exit status when nobody wants the rest any more; 0: go on */
	struct signals *signals;
	struct helper *helpers;
	bool is_unguarded; /* somebody has ended it */
	pid_t guard;       /* one of them, that is not spared; 0: there is none */
	const char *lost;  /* what has become of one, to be told when COMMAND starts; or NULL */
	struct relatives *earlier; /* the caller's own */
};

#endif
