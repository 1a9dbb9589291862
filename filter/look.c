/* look.c - --trace-denied's helper, which looks where a call that waits would lead, inside and outside.
 *
 * A process of its own, since a file system may not answer, and what COMMAND has in memory is read here. It is outside of
 * the sandbox's namespaces: who made these has every right over them (user_namespaces(7)), and needs no capability. What
 * it learns goes to the supervisor, and nothing to COMMAND but that the call goes on.
 *
 * It may assume that the call's process sleeps as long as SECCOMP_IOCTL_NOTIF_ID_VALID says so, and not that its
 * threads do: what it reads may be another path than the kernel will. Must not: open anything but by O_PATH, but for
 * reading a regular file that COMMAND wants to execute; keep memory from one call to the next.
 */
#include "filter/look.h"

#include "filter/compose.h"
#include "filter/denied-calls.h"
#include "filter/look-outside.h"
#include "filter/state.h"
#include "plan/cover.h"
#include "plan/plan.h"
#include "plan/policy-list.h"
#include "plan/position.h"
#include "sys/capabilities.h"
#include "sys/channel.h"
#include "sys/interpreter.h"
#include "sys/kernel.h"
#include "sys/path.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/un.h>

struct look {
	const struct run *run;
	int socket, listener, outer_root;
	struct look_memory *shared;
	const char **masked; /* paths, without the slash before them */
	size_t n_masked;
	/* the call at hand */
	struct seccomp_notif notif;
	size_t call;
	int task, memory, inner_root; /* descriptors of its process: -1 */
};

/* What is wanted of one path. */
struct wanted {
	enum path_use use;
	unsigned rights;     /* R_OK and its like, of what is there */
	bool follows, makes; /* a link at the end; what is missing */
	char path[PATH_MAX];
};

/* ---- what the call says ---- */

static bool is_still_waiting(const struct look *look)
{
	uint64_t id = look->notif.id;
	return sys_ioctl(look->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* The file of a process that has become somebody else by a map of ids is that one's, and capabilities over its user
 * namespace do not open it; they do for this call. A process of 64 bits is out of the reach of one of 32. */
static ssize_t read_at(const struct look *look, uint64_t address, void *bytes, size_t n)
{
	struct iovec here = { bytes, n }, there = { (void *) (uintptr_t) address, n };
	return look->memory >= 0
		       ? pread(look->memory, bytes, n, (off_t) address)
		       : process_vm_readv((pid_t) look->notif.pid, &here, 1, &there, 1, 0);
}

/* At most so many bytes, up to the first NUL; the number read, or -1. A page that is not there ends it. */
static ssize_t read_memory(const struct look *look, uint64_t address, char *bytes, size_t capacity)
{
	enum { PIECE = 4096 };
	size_t n = 0;
	while (n < capacity) {
		uint64_t at = address + n;
		size_t piece = PIECE - (size_t) (at % PIECE);
		if (piece > capacity - n)
			piece = capacity - n;
		ssize_t got = read_at(look, at, bytes + n, piece);
		if (got <= 0)
			break;
		n += (size_t) got;
		if (memchr(bytes + n - got, '\0', (size_t) got))
			break;
	}
	return n ? (ssize_t) n : -1;
}

/* Behind a directory's path, unless it is absolute itself; without what says nothing: "//" and "/./". */
static bool join(char path[PATH_MAX], const char *directory, const char *name)
{
	size_t length = 0;
	if (*name != '/') {
		length = streq(directory, "/") ? 0 : strlen(directory);
		memcpy(path, directory, length);
	}
	for (const char *rest = name; length == 0 || *rest;) {
		rest = skip_slashes(rest);
		size_t n = strcspn(rest, "/");
		bool says_nothing = n == 1 && *rest == '.' && rest[n];
		if (length + n + 2 > PATH_MAX)
			return false;
		if (says_nothing) {
			rest += n;
			continue;
		}
		path[length++] = '/';
		memcpy(path + length, rest, n);
		length += n;
		rest += n;
	}
	path[length] = '\0';
	return true;
}

static bool is_same_place(int a, int b)
{
	struct kernel_statx x, y;
	unsigned mask = STATX_INO | STATX_MNT_ID;
	return sys_statx(a, "", AT_EMPTY_PATH, mask, &x) == 0 &&
	       sys_statx(b, "", AT_EMPTY_PATH, mask, &y) == 0 && x.stx_ino == y.stx_ino &&
	       x.stx_mnt_id == y.stx_mnt_id;
}

/* The name that a directory of the process has in the sandbox. What it has none for, one that was passed to COMMAND for
 * instance, has one on the host that says nothing here. */
static bool name_directory(const struct look *look, int number, char path[PATH_MAX])
{
	char link[32] = "cwd";
	if (number != AT_FDCWD)
		snprintf(link, sizeof(link), "fd/%d", number);
	ssize_t length = readlinkat(look->task, link, path, PATH_MAX - 1);
	AUTO_CLOSE int there = openat(look->task, link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (length <= 0 || path[0] != '/' || there < 0)
		return false;
	path[length] = '\0';
	AUTO_CLOSE int found = path_open(look->inner_root, path, O_PATH | O_DIRECTORY);
	return found >= 0 && is_same_place(there, found);
}

static uint64_t argument(const struct look *look, int number)
{
	return number == NO_ARGUMENT ? 0 : look->notif.data.args[number];
}

/* The path of a Unix socket's address. False: it has none. */
static bool read_address(const struct look *look, const struct path_argument *of,
			 char path[PATH_MAX])
{
	struct sockaddr_un address = { 0 };
	size_t length = (size_t) argument(look, of->flags);
	if (length > sizeof(address))
		length = sizeof(address);
	ssize_t n = read_at(look, argument(look, of->path), &address, length);
	if (n <= (ssize_t) offsetof(struct sockaddr_un, sun_path) || address.sun_family != AF_UNIX)
		return false;
	memcpy(path, address.sun_path, sizeof(address.sun_path));
	path[sizeof(address.sun_path)] = '\0';
	return true;
}

static void read_open_flags(uint64_t flags, struct wanted *wanted)
{
	unsigned access = (unsigned) flags & O_ACCMODE;
	wanted->follows = !(flags & O_NOFOLLOW);
	wanted->makes = flags & O_CREAT && !(flags & O_PATH);
	if (flags & O_PATH)
		return;
	wanted->rights = (access == O_WRONLY ? 0 : R_OK) | (access == O_RDONLY ? 0 : W_OK) |
			 (flags & O_TRUNC ? W_OK : 0);
	if ((flags & O_TMPFILE) == O_TMPFILE)
		wanted->rights = W_OK | X_OK;
	else if (wanted->makes && flags & O_EXCL)
		wanted->use = USE_MAKE;
}

static bool read_flags(const struct look *look, const struct path_argument *of,
		       struct wanted *wanted)
{
	const struct looked_call *call = &looked_calls[look->call];
	uint64_t flags = argument(look, of->flags);
	struct open_how how = { 0 };
	*wanted =
		(struct wanted){ .use = of->use, .follows = call->at_links == AT_SYMLINK_NOFOLLOW };
	switch (wanted->use) {
	case USE_OPEN_BY:
		if (read_at(look, flags, &how, sizeof(how)) != (ssize_t) sizeof(how) || how.resolve)
			return false;
		flags = how.flags;
		wanted->use = USE_OPEN;
		break;
	case USE_OPEN:
		if (of->flags == NO_ARGUMENT)
			flags = O_CREAT | O_WRONLY | O_TRUNC;
		break;
	case USE_ASK:
		wanted->rights = (unsigned) flags & (R_OK | W_OK | X_OK);
		return true;
	case USE_CONNECT:
		wanted->rights = W_OK;
		return true;
	case USE_BIND:
		wanted->use = USE_MAKE;
		return true;
	default:
		wanted->rights = of->use == USE_RUN || of->use == USE_ENTER ? X_OK : 0;
		if (of->flags != NO_ARGUMENT)
			wanted->follows = !(flags & AT_SYMLINK_NOFOLLOW) &&
					  (wanted->follows || flags & call->at_links);
		return true;
	}
	read_open_flags(flags, wanted);
	return true;
}

/* False: it names no path of the sandbox, or cannot be read. */
static bool read_wanted(const struct look *look, const struct path_argument *of,
			struct wanted *wanted)
{
	char name[PATH_MAX], directory[PATH_MAX] = "";
	if (!read_flags(look, of, wanted))
		return false;
	if (of->use == USE_CONNECT || of->use == USE_BIND) {
		if (!read_address(look, of, name))
			return false;
	} else {
		ssize_t n = read_memory(look, argument(look, of->path), name, sizeof(name));
		if (n < 0 || !memchr(name, '\0', (size_t) n))
			return false;
	}
	int base = of->dir_fd == NO_ARGUMENT ? AT_FDCWD : (int) argument(look, of->dir_fd);
	if (!*name || (*name != '/' && !name_directory(look, base, directory)))
		return false;
	return join(wanted->path, directory, name);
}

/* ---- how it would go ---- */

/* Of what only the sandbox's owner or mode keeps from us nothing is known where COMMAND has capabilities. */
static int check_rights(int fd, const struct wanted *wanted, const struct stat *status)
{
	enum { NODEV = 4 }; /* ST_NODEV: statfs(2) */
	struct statfs fs;
	bool is_device = S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode);
	if (wanted->use == USE_ENTER && !S_ISDIR(status->st_mode))
		return ENOTDIR;
	if (wanted->use == USE_OPEN && is_device && fstatfs(fd, &fs) == 0 && fs.f_flags & NODEV)
		return EACCES;
	return wanted->rights && sys_faccessat2(fd, "", (int) wanted->rights,
						AT_EMPTY_PATH | AT_EACCESS) < 0
		       ? errno
		       : 0;
}

/* One side of the sandbox's border. */
struct side {
	const struct look *look;
	struct outside *outside; /* NULL: inside */
};

/* 0 or an errno. */
static int find(const struct side *side, const char *path, bool follows, int *ret_fd,
		struct stat *ret_status)
{
	const struct look *look = side->look;
	close_fd(ret_fd);
	if (side->outside) {
		int error = look_outside(look->outer_root, look->inner_root, path, follows,
					 side->outside);
		*ret_fd = side->outside->fd;
		*ret_status = side->outside->status;
		return error;
	}
	*ret_fd = path_open(look->inner_root, path, O_PATH | (follows ? 0 : O_NOFOLLOW));
	return *ret_fd < 0 || fstat(*ret_fd, ret_status) < 0 ? errno : 0;
}

/* False where its name is one that no directory can be asked for. */
static bool cut_last(char *path)
{
	size_t length = strlen(path);
	while (length > 1 && path[length - 1] == '/')
		path[--length] = '\0';
	char *name = strrchr(path, '/');
	if (!name || streq(name, "/") || streq(name, "/.") || streq(name, "/.."))
		return false;
	*(name == path ? name + 1 : name) = '\0';
	return true;
}

static int try_in_directory(const struct side *side, const struct wanted *wanted, int *ret_fd)
{
	struct wanted directory = { .use = USE_ENTER, .rights = W_OK | X_OK };
	struct stat status;
	memcpy(directory.path, wanted->path, strlen(wanted->path) + 1);
	if (!cut_last(directory.path))
		return 0;
	int error = find(side, directory.path, true, ret_fd, &status);
	return error ? error : check_rights(*ret_fd, &directory, &status);
}

/* By mounts that nobody sees, on the way to a mask. */
static bool is_pinned(const struct look *look, const char *path)
{
	path = skip_slashes(path);
	size_t length = strlen(path);
	for (size_t i = 0; i < look->n_masked; i++)
		if (strncmp(look->masked[i], path, length) == 0 && look->masked[i][length] == '/')
			return true;
	return false;
}

/* What is mounted on is neither removed nor replaced. */
static int try_place(const struct side *side, const struct wanted *wanted, int *ret_fd)
{
	struct stat status;
	struct kernel_statx more;
	int error = find(side, wanted->path, false, ret_fd, &status);
	if (error)
		return error;
	bool is_mount = sys_statx(*ret_fd, "", AT_EMPTY_PATH, 0, &more) == 0 &&
			more.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return is_mount || (!side->outside && is_pinned(side->look, wanted->path)) ? EBUSY : 0;
}

/* 0: it would go well, or for reasons of its own not; or the errno. ret_fd: what was found last. */
static int try_wanted(const struct side *side, const struct wanted *wanted, int *ret_fd)
{
	struct stat status;
	if (wanted->use == USE_REMOVE || wanted->use == USE_REPLACE) {
		int error = try_place(side, wanted, ret_fd);
		if (error && error != EBUSY && (wanted->use == USE_REMOVE || error != ENOENT))
			return error;
		int above = try_in_directory(side, wanted, ret_fd);
		return above || error != EBUSY ? above : EBUSY;
	}
	bool keeps_link = wanted->use == USE_MAKE || !wanted->follows;
	int error = find(side, wanted->path, !keeps_link, ret_fd, &status);
	if (!error && side->outside && side->outside->in_proc)
		return 0;
	if (wanted->use == USE_MAKE)
		return error == ENOENT ? try_in_directory(side, wanted, ret_fd) : error;
	if (error == ENOENT &&
	    wanted->makes) /* unless a link leads there, whose end nobody knows */
		return find(side, wanted->path, false, ret_fd, &status)
			       ? try_in_directory(side, wanted, ret_fd)
			       : 0;
	if (error || (S_ISDIR(status.st_mode) && wanted->use == USE_OPEN && wanted->rights & W_OK &&
		      !(wanted->rights & X_OK)))
		return error; /* EISDIR is nobody's fault */
	return check_rights(*ret_fd, wanted, &status);
}

/* Those of the sandbox's making; of EACCES where COMMAND has capabilities that we have not, nothing is known. */
static bool is_denial(const struct look *look, int error)
{
	return error == ENOENT || error == ENOTDIR || error == EROFS || error == EBUSY ||
	       (error == EACCES && !look->run->shape.caps);
}

/* ---- telling ---- */

static void send_denied(const struct look *look, const struct wanted *wanted, int error,
			const struct outside *outside)
{
	struct message message = { .value = error, .numbers = { [DENIED_CALL] = look->call } };
	char words[WORDS_CAPACITY];
	size_t length = 0;
	if (wanted) {
		bool is_directory = S_ISDIR(outside->status.st_mode);
		bool is_device =
			S_ISCHR(outside->status.st_mode) || S_ISBLK(outside->status.st_mode);
		const char *place = outside->in_proc ? "/proc" : outside->place;
		bool is_to_change = wanted->rights & W_OK || wanted->use == USE_MAKE ||
				    wanted->use == USE_REMOVE || wanted->use == USE_REPLACE ||
				    (wanted->makes && is_directory);
		message.numbers[DENIED_IS_DIRECTORY] = is_directory;
		message.numbers[DENIED_IS_DEVICE] = is_device;
		message.numbers[DENIED_IS_TO_CHANGE] =
			is_to_change && (is_directory || S_ISREG(outside->status.st_mode));
		length = strlen(wanted->path) + 1;
		memcpy(words, wanted->path, length);
		memcpy(words + length, place, strlen(place) + 1);
		length += strlen(place) + 1;
		if (length + outside->links_length <= sizeof(words)) {
			memcpy(words + length, outside->links, outside->links_length);
			length += outside->links_length;
			message.numbers[DENIED_N_LINKS] = outside->n_links;
		}
	}
	if (!channel_try_send_words(look->socket, MESSAGE_DENIED, &message, words, length))
		_exit(1); /* the supervisor is gone */
}

/* What is in it has other numbers here, and is COMMAND's own affair. */
static bool has_proc(const struct look *look)
{
	AUTO_CLOSE int fd = path_open(look->inner_root, "/proc/1", O_PATH);
	return fd >= 0;
}

/* ret_program: of what is to be executed, if it could be, inside or else outside; -1: none. */
static void look_at(const struct look *look, const struct wanted *wanted, int *ret_program)
{
	struct outside outside = { .fd = -1 };
	const struct side inside = { look, NULL }, out = { look, &outside };
	AUTO_CLOSE int found = -1, found_outside = -1;
	memcpy(look->shared->asked, wanted->path, strlen(wanted->path) + 1);
	if (path_is_within(wanted->path, "/proc") && has_proc(look))
		return;
	int error = try_wanted(&inside, wanted, &found);
	if (!error && wanted->use == USE_RUN) {
		*ret_program = found;
		found = -1;
	}
	if (!is_denial(look, error) || try_wanted(&out, wanted, &found_outside))
		return;
	if (error == EBUSY) { /* which is about the place, and not the directory that it is in */
		struct stat status;
		find(&out, wanted->path, false, &found_outside, &status);
	}
	if (outside.in_proc && has_proc(look)) /* by a link: /dev/fd, /etc/mtab */
		return;
	send_denied(look, wanted, error, &outside);
	if (wanted->use == USE_RUN) {
		*ret_program = found_outside;
		found_outside = -1;
	}
}

/* What runs it has to be there, too, or the kernel says that the program is not: a loader, or what its first line
 * names, and what runs that. */
static void look_at_interpreters(const struct look *look, int program)
{
	for (int i = 0; i < INTERPRETERS_MOST && program >= 0; i++) {
		struct wanted wanted = { .use = USE_RUN, .rights = X_OK, .follows = true };
		struct stat status;
		char link[32];
		snprintf(link, sizeof(link), "self/fd/%d", program);
		bool is_regular = fstat(program, &status) == 0 && S_ISREG(status.st_mode);
		AUTO_CLOSE int fd = is_regular
					    ? openat(look->run->host->proc_fd, link,
						     O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
					    : -1;
		close_fd(&program);
		if (fd < 0 || !interpreter_of(fd, wanted.path, sizeof(wanted.path)) ||
		    wanted.path[0] != '/')
			return;
		look_at(look, &wanted, &program);
	}
	close_fd(&program);
}

/* ---- a call ---- */

/* Whether its process has the sandbox's root, and not one that COMMAND has made: there other paths mean other things. The
 * first that asks is ours, about to become COMMAND. */
static bool has_root_of_sandbox(struct look *look)
{
	struct kernel_statx root;
	if (sys_statx(look->inner_root, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &root) < 0)
		return false;
	struct look_memory *shared = look->shared;
	if (!shared->knows_root)
		shared->root = root;
	shared->knows_root = true;
	return root.stx_mnt_id == shared->root.stx_mnt_id && root.stx_ino == shared->root.stx_ino;
}

static void look_at_call(struct look *look)
{
	char number[24], byte;
	look->call = denied_find_call(look->notif.data.arch, look->notif.data.nr);
	if (look->call == n_looked_calls)
		return;
	snprintf(number, sizeof(number), "%u", look->notif.pid);
	look->task = openat(look->run->host->proc_fd, number, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (look->task < 0 || !is_still_waiting(look))
		return;
	/* From here on it is that very process's, or gone. */
	look->memory = openat(look->task, "mem", O_RDONLY | O_CLOEXEC);
	look->inner_root = openat(look->task, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (look->inner_root < 0 ||
	    read_at(look, look->notif.data.instruction_pointer, &byte, 1) != 1) {
		if (is_still_waiting(look))
			send_denied(look, NULL, 0, NULL);
		return;
	}
	if (!has_root_of_sandbox(look))
		return;
	const struct path_argument *paths = looked_calls[look->call].paths;
	for (size_t i = 0; i < ARRAY_SIZE(looked_calls->paths) && paths[i].path != NO_ARGUMENT;
	     i++) {
		struct wanted wanted;
		int program = -1;
		errno = 0;
		bool is_known = read_wanted(look, &paths[i], &wanted);
		if (!is_still_waiting(look))
			continue;
		/* By a descriptor of somebody else's. pidfd_getfd(2) would fetch it, and for whoever took us over those of
		 * the caller's other processes, to be written to. */
		if (!is_known && errno == EACCES)
			send_denied(look, NULL, 0, NULL);
		if (!is_known)
			continue;
		look_at(look, &wanted, &program);
		look_at_interpreters(look, program);
	}
}

static void hear_call(struct look *look)
{
	struct message message;
	char words[WORDS_CAPACITY + 2];
	if (channel_receive_words(look->socket, true, &message, NULL, words) != 1 ||
	    message.kind != MESSAGE_LOOK)
		_exit(1); /* the supervisor is gone */
	memcpy(&look->notif, words, sizeof(look->notif));
	look->task = look->memory = look->inner_root = -1;
	look_at_call(look);
	close_fd(&look->task);
	close_fd(&look->memory);
	close_fd(&look->inner_root);
	if (!channel_try_send(look->socket, MESSAGE_LOOKED, 0))
		_exit(1);
}

/* For good: whoever took it over by what COMMAND has in memory could read what the caller can, and nothing else: no file is
 * opened to be changed, nothing is executed, nobody is signalled or connected to. openat2(2) has its flags where no
 * filter sees them, so paths are walked without it. */
static void confine(const struct run *run)
{
	static const char list[] =
		"openat:O_RDONLY,close,fcntl:DESCRIPTOR,fcntl64:DESCRIPTOR,pread64,process_vm_readv,readlinkat,fstat,fstat64,newfstatat,fstatat64,statx,fstatfs,fstatfs64,faccessat2,ioctl,recvmsg,write,brk,mmap,mmap2,munmap,mremap,madvise,restart_syscall,exit_group";
	struct rules rules = { 0 };
	problem bad = policy_read_built_in(list, NULL, 0, &rules);
	if (bad)
		die("%s", bad);
	struct program program =
		compose_allowed(&rules, SECCOMP_RET_ERRNO | EPERM, seccomp_arch_native(), false);
	struct sock_fprog loaded = { .len = (unsigned short) program.n,
				     .filter = (struct sock_filter *) (uintptr_t) program.code };
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &loaded) < 0)
		die_errno(errno, "%s: Can't confine the process that looks up what is denied",
			  position_text(run->plan->report.denied.position));
	/* A filter around us may have answered instead. */
	if (syscall(SYS_getppid) >= 0 || errno != EPERM)
		die("%s: A filter that confines the process that looks up what is denied does not hold",
		    position_text(run->plan->report.denied.position));
	path_engine = PATH_ENGINE_WALK;
}

static void find_masked(struct look *look)
{
	const struct plan *const plans[] = { look->run->plan, look->run->filters->outside };
	look->masked = arena_alloc(2 * (plans[0]->root.n_ops + 1) * sizeof(*look->masked));
	for (size_t i = 0; i < ARRAY_SIZE(plans); i++)
		for (size_t j = 0; j < plans[i]->root.n_ops; j++) {
			const struct op *op = &plans[i]->root.ops[j];
			if (plan_is_mask(op) && !op->pattern)
				look->masked[look->n_masked++] =
					plan_path_below(op->inner_path, "/");
		}
}

void look_be_helper(const struct run *run, int socket, int listener, struct look_memory *memory)
{
	struct look *look = arena_alloc(sizeof(*look));
	uint64_t permitted, effective, ambient;
	*look = (struct look){
		.run = run, .socket = socket, .listener = listener, .shared = memory
	};
	caps_of_process(&permitted, &effective, &ambient);
	/* A root caller's, of what no user namespace makes its own: what COMMAND may, it must be able to see. */
	caps_drop_all_but(permitted & (CAP_BIT(CAP_SYS_PTRACE) | CAP_BIT(CAP_DAC_READ_SEARCH)));
	look->outer_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int keep[] = { socket, listener, look->outer_root, run->host->proc_fd };
	if (look->outer_root < 0 || !close_all_except(keep, ARRAY_SIZE(keep)) ||
	    prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		_exit(1);
	find_masked(look);
	confine(run);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd); /* their readers wait for the end of file */
	for (;;)
		hear_call(look);
}
