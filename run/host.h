/* host.h - arrival: who has called, and what came along with the program. Const once the plan is read. */
#ifndef RUN_HOST_H
#define RUN_HOST_H

#include "plan/shape.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* The caller's, with --pty: which of 0 to 2 COMMAND gets another one for, and how that is served. */
struct outer_terminal {
	unsigned replaced; /* a bit for each; 0: none of them is a terminal */
	int in_fd, out_fd; /* where keys come from, and where is shown what COMMAND writes */
	bool is_in_front;  /* when we came */
	/* Standard output is a pipe, and who reads from that may want the terminal for itself. */
	bool is_shared;
};

struct host {
	struct caller caller;
	char **argv, **envp; /* as the kernel laid them out */
	bool as_bwrap;       /* called by that name, by those who know its words */
	mode_t umask;
	sigset_t signal_mask; /* COMMAND gets it back, and the limit */
	struct rlimit nofile;
	int proc_fd;            /* O_PATH of /proc */
	uint64_t root_mount_id; /* of the mount at / */
	int *inherited_fds;     /* open above 2 on arrival and consumed by no option; ascending */
	size_t n_inherited_fds;
	bool inherited_known; /* false without a /proc to look in */
	bool has_tty;         /* that COMMAND could type into, and nobody allowed it */
	struct outer_terminal terminal;
};

/* Before anything else: refuses privilege, learns who the caller is, and takes no more of it than a
 * sandbox is made with (signals, umask). */
void host_arrive(struct host *host, char **argv, char **envp);
/* From here on no program that is executed has more rights than we: before that, and after all was read, only
 * the mapper is started (ns/mapper.h). */
void host_forbid_privilege(void);
/* Whether a descriptor came from the caller: one of 0 to 2 may be a placeholder of ours. */
bool host_is_open_by_caller(int fd);
/* --listen-fds: how many descriptors a service manager has opened for this very process, as the environment says
 * it; what is for another process is for nobody here, as for sd_listen_fds(3). */
void host_learn_listen_fds(struct host *host, const struct plan *plan);
/* Once the plan was read: /proc, and which descriptors and what terminal COMMAND would inherit. What an
 * option consumes becomes close-on-exec; --sync-fd's may be put under another number. */
void host_learn(struct host *host, struct plan *plan);
/* A descriptor that COMMAND would get and that writes to this pipe; -1: none. */
int host_passes_writer(const struct host *host, const struct plan *plan, const struct stat *pipe);
/* Overwrites the environment in a process that has no use for it any more, where options change COMMAND's:
 * what they take away is nobody's who can look into our processes either. */
void host_forget_environment(const struct host *host, const struct plan *plan);

#endif
