/* second-userns.c - the second user namespace, which is COMMAND's, and that nobody makes a third one.
 *
 * The kernel's ptrace check (cap_ptrace_access_check()) keeps COMMAND away from pid 1, which stays in the
 * first, and a mount namespace copied into the second has setup's mounts locked (mount_namespaces(7)).
 */
#include "ns/second-userns.h"

#include "ns/idmap.h"
#include "ns/join.h"
#include "ns/namespaces.h"
#include "plan/given.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/causes.h"
#include "run/diagnose.h"
#include "sys/kernel.h"
#include "sys/procfile.h"
#include "sys/root.h"
#include "utils.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* An executable with nothing in it, for the machine that this program is for. */
static int make_empty_program(void)
{
	extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
	struct {
		ElfW(Ehdr) header;
		ElfW(Phdr) segment;
	} image = { .header = __ehdr_start };
	image.header.e_type = ET_EXEC;
	image.header.e_entry = 0;
	image.header.e_phoff = offsetof(__typeof__(image), segment);
	image.header.e_phnum = 1;
	image.header.e_shoff = image.header.e_shnum = image.header.e_shstrndx = 0;
	image.segment.p_type = PT_LOAD;
	image.segment.p_flags = PF_R;
	image.segment.p_vaddr = image.segment.p_paddr = 0x400000;
	image.segment.p_filesz = image.segment.p_memsz = sizeof(image);
	image.segment.p_align = 0x10000;
	int fd = memfd_create("empty", MFD_CLOEXEC | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 it can be executed anyway */
		fd = memfd_create("empty", MFD_CLOEXEC);
	if (fd < 0 || !write_all(fd, &image, sizeof(image)))
		die_because(
			errno, "Can't prepare the second user namespace: %s%s", errno_text(errno),
			errno == EACCES
				? "; it takes a memory file that can be executed: sysctl vm.memfd_noexec=1 or 0"
				: "");
	return fd;
}

/* Nothing of ours is left in the process that has executed it; being traced it stops before its first
 * instruction, and without reaching one it is killed. */
static _Noreturn void become_empty(int program_fd)
{
	char *const none[] = { NULL };
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		die_errno(errno, "Can't hold the second user namespace's first process");
	if (dup3(program_fd, STDIN_FILENO, O_CLOEXEC) < 0 || sys_close_range(1, ~0U, 0) < 0)
		_exit(1);
	syscall(SYS_execveat, STDIN_FILENO, "", none, none, AT_EMPTY_PATH);
	_exit(1);
}

/* Not beyond its parent, and without the sockets by whose end others learn that somebody has died. */
static _Noreturn void hold_still(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
	    sys_close_range(0, ~0U, 0) == 0)
		raise(SIGSTOP);
	_exit(1);
}

/* A process that nobody may look at cannot write its id maps, and more than one id needs privilege in
 * the first, which is gone for whoever has entered the second. So a child enters it, which among
 * strangers has nothing to hide, and its parent, which stays behind, writes them. -1 and errno where the kernel makes
 * no such namespace; otherwise a descriptor of it. */
static int make_mapped_namespace(const struct run *run)
{
	struct idmap map;
	idmap_find_identity(run, &map);
	bool among_strangers = ns_joins_strangers(run->plan);
	AUTO_CLOSE int program_fd = among_strangers ? make_empty_program() : -1;
	pid_t parent = getpid(), child = sys_clone_process(CLONE_NEWUSER);
	if (child == 0 && among_strangers)
		become_empty(program_fd);
	if (child == 0)
		hold_still(parent);
	if (child < 0)
		return -1;
	int status = 0;
	AUTO_CLOSE int pidfd = sys_pidfd_open(child, 0);
	while (pidfd >= 0 && waitpid(child, &status, WUNTRACED) < 0 && errno == EINTR)
		;
	if (!WIFSTOPPED(status))
		die("Can't make the second user namespace's first process (do the seccomp programs around allow ptrace, pidfd_open, and execveat of a memfd?)");
	int number = procfile_pid_of(run->host->proc_fd, pidfd);
	idmap_write_of(run, number, &map);
	int fd = openat(run->host->proc_fd, arena_printf("%d/ns/user", number),
			O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die_errno(errno, "Can't open the second user namespace");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return fd;
}

/* The same as unshare(2), also where the first one's maps are not ours: 0, or -1 with errno. */
static int unshare_second(const struct run *run, unsigned long flags)
{
	if (idmap_wrote_first(run))
		return unshare((int) flags);
	AUTO_CLOSE int fd = make_mapped_namespace(run);
	if (fd < 0)
		return -1;
	if (setns(fd, CLONE_NEWUSER) < 0)
		die_errno(errno, "Can't enter the second user namespace");
	flags &= ~(unsigned long) CLONE_NEWUSER;
	return flags ? unshare((int) flags) : 0;
}

/* The place on the line of what wants no third one. */
static const char *who_disables(const struct run *run)
{
	const struct plan *plan = run->plan;
	if (!plan->ns.disable_userns && run->shape.locked_for)
		return position_text(run->shape.locked_for->position);
	return position_text(options_position(
		plan, plan->ns.disable_userns ? "--disable-userns" : "--assert-userns-disabled"));
}

/* Inside a user namespace the limit counts what is made below it: 1 is for the second one, and a
 * third one is refused with ENOSPC for everybody in there (user_namespaces(7), namespaces(7)). */
static void limit_user_namespaces(const struct run *run)
{
	if (procfile_write(run->host->proc_fd, "sys/user/max_user_namespaces", "1"))
		return;
	int error = errno;
	die_because(error, "%s: Can't limit /proc/sys/user/max_user_namespaces: %s%s",
		    who_disables(run), errno_text(error),
		    error == ENOENT  ? "; the /proc that is visible here is one of processes alone"
		    : error == EROFS ? cause_text(CAUSE_PROC_READ_ONLY, NULL)
				     : "");
}

bool second_userns_enter(struct run *run)
{
	const struct shape *shape = &run->shape;
	if (run->plan->ns.userns2.fd >= 0) {
		ns_join(run, &run->plan->ns.userns2, NS_USER);
		ns_verify_joined(run, &run->plan->ns.userns2, NS_USER);
		return true;
	}
	if (!shape->second_userns)
		return false;
	if (run->shape.userns_disabled)
		limit_user_namespaces(run);

	unsigned long flags = CLONE_NEWUSER | shape->second_namespaces;
	uint64_t left_mount_id = root_mount_id();
	if (unshare_second(run, flags) < 0) {
		int error = errno;
		if (shape->second_userns_required)
			die_because(error, "Can't make the second user namespace: %s%s",
				    errno_text(error), diagnose_new_namespace(run, flags, error));
		return false; /* pid 1 protects itself otherwise */
	}
	ns_verify_left(left_mount_id, flags);
	if (idmap_wrote_first(run))
		idmap_write_own_second(run);
	ns_furnish(run, shape->second_namespaces);
	return true;
}

struct life_inside {
	struct run *run;
	void (*live)(struct run *run);
};

static int begin_life(void *argument)
{
	const struct life_inside *life = argument;
	idmap_write_own_second(life->run);
	life->live(life->run);
	_exit(1);
}

pid_t second_userns_start(struct run *run, void (*live)(struct run *run))
{
	struct life_inside life = { .run = run, .live = live };
	/* execvp(3) copies COMMAND's words to the stack where it has to call a shell. */
	size_t n_words = 0;
	while (run->plan->command.argv[n_words])
		n_words++;
	size_t guard = (size_t) sysconf(_SC_PAGESIZE),
	       size = guard + 262144 + (n_words * sizeof(char *) + guard) / guard * guard;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED || mprotect(stack, guard, PROT_NONE) < 0)
		die_errno(errno, "Can't make a stack for COMMAND's preparation");
	pid_t pid = clone(begin_life, stack + size,
			  CLONE_NEWUSER | CLONE_VM | CLONE_VFORK | SIGCHLD, &life);
	int error = errno;
	munmap(stack, size);
	errno = error;
	return pid;
}

/* ---- and no third one ---- */

/* The error of each call that makes user namespaces, 0 where one was made; then this process is not
 * to run on. A filter outside may know some of them only, so all are asked. */
enum { N_USERNS_CALLS = 3 };
static void try_user_namespaces(int ret_errors[N_USERNS_CALLS])
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	pid_t child = (pid_t) syscall(SYS_clone3, &args, sizeof(args));
	ret_errors[0] = child < 0 ? errno : 0;
	if (child != 0)
		child = sys_clone_process(CLONE_NEWUSER);
	if (child == 0)
		_exit(0);
	ret_errors[1] = child < 0 ? errno : 0;
	ret_errors[2] = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
}

void second_userns_assert_none(const struct run *run)
{
	int errors[N_USERNS_CALLS];
	if (!run->shape.userns_disabled && !run->plan->ns.assert_userns_disabled)
		return;
	try_user_namespaces(errors);
	for (size_t i = 0; i < N_USERNS_CALLS; i++)
		if (errors[i] == 0)
			die("%s: a further user namespace can still be made inside the sandbox",
			    who_disables(run));
	for (size_t i = 0; i < N_USERNS_CALLS; i++)
		if (errors[i] != ENOSPC && errors[i] != EPERM && errors[i] != ENOSYS &&
		    errors[i] != EINVAL && errors[i] != EUSERS)
			die_errno(errors[i], "%s: Can't verify that user namespaces are disabled",
				  who_disables(run));
}
