/* overlay-fuse.c - what the helpers of an overlay do: fuse-overlayfs, and the change lister. Who starts and
 * who ends them is process/helpers.c's business.
 *
 * fuse-overlayfs: setup makes the FUSE mount itself (fsopen("fuse"), detached) and the helper gets
 * the descriptor of /dev/fuse and is told to serve "/dev/fd/N". It has a mount namespace of its
 * own with a root of its own: the layers, procfs and its like in them covered; what is written to;
 * /proc, and /usr and its like for the program and its libraries. Some of its calls would follow a
 * link that COMMAND has put where a directory was, so no link is followed on what it works on. It is
 * ready when the mount answers. It ends when the mount is gone: with the last process of the sandbox, at whatever
 * instant and for whatever reason. It has a session of its own, so that no terminal reaches it, and
 * capabilities that COMMAND does not have, so that the kernel's ptrace check keeps COMMAND away.
 * What it uses it uses for COMMAND: it is in the sandbox's control groups, from which it is not
 * killed before it had the time to end.
 *
 * The reader: waits for the supervisor's word and ends when the supervisor does. Not dumpable. Its root
 * is the upper directory; all it has are clones of that and the layers.
 *
 * Without a pid namespace COMMAND can stop and kill its user's helpers all the same. A helper that
 * ended early makes the list fail.
 */
#include "mount/overlay-fuse.h"

#include "bind-mount.h"
#include "mount/fs.h"
#include "mount/overlay-changes.h"
#include "mount/overlay.h"
#include "plan/overlay-options.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/helper.h"
#include "run/run.h"
#include "sys/capabilities.h"
#include "sys/kernel.h"
#include "sys/root.h"
#include "sys/self.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

struct job {
	const struct op *op;
	bool squash;
	enum overlay_marks marks; /* for the lister */
	int fds[5];  /* -1 where there is none; REPORT: what it says before it is ready */
	int *layers; /* clones, top first */
	size_t n_layers;
};
enum { UPPER, WORK, DEVICE, REPORT, WRITABLE };

/* ---- the job on its way ---- */

static unsigned job_flags(const struct job *job)
{
	unsigned flags = (unsigned) job->squash | (unsigned) job->marks << 1;
	for (size_t i = 0; i < ARRAY_SIZE(job->fds); i++)
		flags |= (unsigned) (job->fds[i] >= 0) << (3 + i);
	return flags;
}

/* Returns the socket to the helper. */
static int start_helper(const struct run *run, enum helper_kind kind, const struct job *job)
{
	struct helper_job sent = { .op = (size_t) (job->op - run->plan->root.ops),
				   .flags = job_flags(job),
				   .fds = arena_alloc((ARRAY_SIZE(job->fds) + job->n_layers) *
						      sizeof(int)) };
	for (size_t i = 0; i < ARRAY_SIZE(job->fds); i++)
		if (job->fds[i] >= 0)
			sent.fds[sent.n_fds++] = job->fds[i];
	for (size_t i = 0; i < job->n_layers; i++)
		sent.fds[sent.n_fds++] = job->layers[i];
	return helper_start(run, kind, &sent);
}

static void receive_job(const struct run *run, int socket, struct job *ret_job)
{
	struct helper_job received;
	size_t n = 0;
	helper_receive_job(run, socket, &received);
	const struct op *op = &run->plan->root.ops[received.op];
	if (!op->overlay || received.n_fds < op->overlay->n_layers)
		_exit(1); /* not from setup */
	*ret_job = (struct job){ .op = op,
				 .squash = received.flags & 1,
				 .marks = received.flags >> 1 & 3 };
	for (size_t i = 0; i < ARRAY_SIZE(ret_job->fds); i++)
		ret_job->fds[i] = received.flags >> (3 + i) & 1 ? received.fds[n++] : -1;
	ret_job->layers = received.fds + n;
	ret_job->n_layers = received.n_fds - n;
}

/* ---- in the helper ---- */

static void keep_caps(uint64_t wanted)
{
	uint64_t permitted, effective, ambient;
	caps_of_process(&permitted, &effective, &ambient);
	caps_keep(permitted & wanted, permitted & wanted);
}

/* What `path` leads to below dir_fd, no link followed; -1 and errno. The type is asked of the kernel
 * alone: the file system mounted there may not answer. */
static int open_at(int dir_fd, const char *path, bool *ret_is_directory)
{
	AUTO_CLOSE int at = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	*ret_is_directory = true;
	while (at >= 0 && *(path = skip_slashes(path))) {
		size_t length = strcspn(path, "/");
		const char *name = arena_copy(path, length);
		int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		path += length;
		if (next < 0 && errno == ENOTDIR && !*skip_slashes(path)) {
			*ret_is_directory = false;
			next = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0)
			return -1;
		close(at);
		at = next;
	}
	int found = at;
	at = -1;
	return found;
}

/* Covers what `at` refers to with nothing. Each cover is a file or directory of its own in
 * covers_fd, a tmpfs: fuse-overlayfs takes directories of one inode number for the same one. */
static void cover(int covers_fd, int at, bool is_directory, const char *path)
{
	static unsigned n_covers;
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	const char *name = arena_printf("%u", n_covers++);
	int made = is_directory ? mkdirat(covers_fd, name, 0555)
				: mknodat(covers_fd, name, S_IFREG | 0444, 0);
	AUTO_CLOSE int nothing =
		made < 0 ? -1 : sys_open_tree(covers_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (nothing < 0 || sys_mount_setattr(nothing, "", AT_EMPTY_PATH, &read_only) < 0 ||
	    sys_move_mount(nothing, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
		    0)
		die_errno(errno, "Can't cover %s in a layer", path);
}

/* What must not be reached through a layer is covered: there the helper would read its own
 * /proc/self. */
static void cover_interfaces(const struct run *run, const struct job *job, int covers_fd)
{
	size_t n;
	const struct submount *list = overlay_find_submounts(run, job->layers, job->n_layers, &n);
	for (size_t i = 0; i < n; i++) {
		bool is_directory;
		if (list[i].can_be_layer)
			continue;
		AUTO_CLOSE int at = open_at(list[i].dir_fd, list[i].path, &is_directory);
		if (at < 0 && errno == ENOENT) /* below one that is covered already */
			continue;
		if (at < 0)
			die_errno(errno, "Can't find the mount %s in a layer", list[i].path);
		cover(covers_fd, at, is_directory, list[i].path);
	}
}

/* What the program needs to start, as the host has it. */
static void show_system(int system_fd, int root_fd)
{
	static const char *const names[] = { "usr",   "bin",    "lib",  "lib32",
					     "lib64", "libx32", "proc", "etc/ld.so.cache" };
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV };
	if (mkdirat(root_fd, "etc", 0755) < 0)
		die_errno(errno, "Can't make its root");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *name = names[i];
		char target[PATH_MAX];
		struct stat status;
		ssize_t length = readlinkat(system_fd, name, target, sizeof(target) - 1);
		if (length > 0) {
			target[length] = '\0';
			if (symlinkat(target, root_fd, name) < 0)
				die_errno(errno, "Can't show it /%s", name);
			continue;
		}
		AUTO_CLOSE int clone = sys_open_tree(
			system_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
		if (clone < 0 && errno == ENOENT)
			continue;
		if (clone < 0 || fstat(clone, &status) < 0 ||
		    sys_mount_setattr(clone, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0 ||
		    (S_ISDIR(status.st_mode) ? mkdirat(root_fd, name, 0755)
					     : mknodat(root_fd, name, S_IFREG | 0444, 0)) < 0 ||
		    sys_move_mount(clone, "", root_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
			die_errno(errno, "Can't show it /%s", name);
	}
}

/* No link on it is followed, whoever made it: only some of fuse-overlayfs's calls say so
 * themselves. */
static void follow_no_links(int mount_fd)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSYMFOLLOW };
	if (sys_mount_setattr(mount_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0)
		die("Can't keep it from following links: %s%s", errno_text(errno),
		    errno == EINVAL ? "; that needs Linux 5.14" : "");
}

static void attach(int mount_fd, int root_fd, const char *name)
{
	follow_no_links(mount_fd);
	if (mkdirat(root_fd, name, 0700) < 0 ||
	    sys_move_mount(mount_fd, "", root_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_errno(errno, "Can't attach a layer");
}

/* The host goes, with all that was stacked on its root. */
static void move_into(int root_fd)
{
	enum { MOST_STACKED = 64 };
	struct kernel_statx status;
	if (fchdir(root_fd) < 0 || sys_pivot_root(".", ".") < 0 ||
	    sys_statx(root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "Can't move into its root");
	for (int i = 0; root_topmost_mount_id() != status.stx_mnt_id; i++)
		if (i == MOST_STACKED || sys_umount2(".", MNT_DETACH) < 0)
			die_errno(errno, "Can't leave the host's root");
	if (chdir("/") < 0)
		die_errno(errno, "Can't move into its root");
}

/* A mount namespace whose root holds what it works on, /proc, and the programs and libraries of the
 * host. Only what is written to can be written. */
static void arrange_mounts(const struct run *run, const struct job *job)
{
	struct mount_attr private = { .propagation = MS_PRIVATE };
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_CLOSE int system_fd = -1;
	if (unshare(CLONE_NEWNS) < 0 ||
	    (system_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		die_errno(errno, "Can't make a mount namespace");
	root_stand_on(run->host->proc_fd); /* in a chroot it is another */
	if (sys_mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private) < 0)
		die_errno(errno, "Can't make a mount namespace");
	AUTO_CLOSE int root_fd = fs_make_tmpfs((struct position){ .option = "its root" }, 0755, 0);
	/* On top of /, which no look-up from our root crosses. */
	if (sys_move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mkdirat(root_fd, "layers", 0700) < 0 || mkdirat(root_fd, "covers", 0700) < 0)
		die_errno(errno, "Can't make its root");
	show_system(system_fd, root_fd);
	for (size_t i = 0; i < job->n_layers; i++)
		attach(job->layers[i], root_fd, arena_printf("layers/%zu", i));
	move_into(root_fd);
	cover_interfaces(run, job, root_fd);
	if (job->fds[WRITABLE] >= 0)
		attach(job->fds[WRITABLE], root_fd, "writable");
	if (sys_mount_setattr(root_fd, "", AT_EMPTY_PATH, &read_only) < 0)
		die_errno(errno, "Can't make the helper's mounts read-only");
}

/* The words behind -o. Nothing of the user's but --overlay-opt, whose names are known ones. */
static const char *fuse_options(const struct run *run, const struct job *job)
{
	struct text text = { 0 };
	text_add(&text, "lowerdir=");
	for (size_t i = 0; i < job->n_layers; i++)
		text_add(&text, "%s/proc/self/fd/%d", i ? ":" : "", job->layers[i]);
	if (job->fds[UPPER] >= 0)
		text_add(&text, ",upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
			 job->fds[UPPER], job->fds[WORK]);
	if (job->squash)
		text_add(&text, ",squash_to_uid=%u,squash_to_gid=%u", run->shape.inner_uid,
			 run->shape.inner_gid);
	for (size_t i = 0; i < job->op->overlay->n_options; i++)
		text_add(&text, ",%s", job->op->overlay->options[i].word);
	return text.bytes;
}

/* Setup wants to cover more of the layers once it knows what is mounted on them. */
static void tell_mount_namespace(const struct run *run, int socket)
{
	AUTO_CLOSE int ns_fd = openat(run->host->proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
	if (ns_fd < 0)
		die_errno(errno, "Can't open its mount namespace");
	helper_send_ready(socket, ns_fd);
}

void overlay_be_fuse_overlayfs(const struct run *run, int socket, uint64_t capabilities)
{
	struct job job;
	receive_job(run, socket, &job);
	static char *no_environment[] = { NULL };
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 ||
	    dup2(job.fds[REPORT], 2) < 0)
		_exit(1);
	say_set_prefix("fuse-overlayfs"); /* setup reads one kind of message */
	say_set_levels(false);
	arrange_mounts(run, &job);
	tell_mount_namespace(run, socket);
	size_t n = 0;
	int *keep = arena_alloc((job.n_layers + 3) * sizeof(int));
	for (size_t i = 0; i < job.n_layers; i++)
		keep[n++] = job.layers[i];
	for (int i = UPPER; i <= DEVICE; i++)
		keep[n++] = job.fds[i];
	for (size_t i = 0; i < n; i++)
		if (keep[i] >= 0 && fcntl(keep[i], F_SETFD, 0) < 0)
			die_errno(errno, "Can't pass descriptors on");
	char program_options[] = "-o", in_foreground[] = "-f", name[] = "fuse-overlayfs";
	char *words[] = { name,
			  in_foreground,
			  program_options,
			  arena_string(fuse_options(run, &job)),
			  arena_printf("/dev/fd/%d", job.fds[DEVICE]),
			  NULL };
	const char *program = run_find_program(name);
	if (!close_all_except(keep, n))
		die_errno(errno, "Can't close the descriptors that it must not have");
	if (setsid() < 0 || chdir("/") < 0)
		die_errno(errno, "Can't leave the caller's session");
	keep_caps(capabilities);
	sigset_t none;
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		die_errno(errno, "Can't unblock its signals");
	execve(program ? program : "", words, no_environment);
	die_errno(errno, "Can't run it");
}

static void keep_listers_descriptors(const struct job *job, int socket, int word_fd)
{
	size_t n = 0;
	int *keep = arena_alloc((job->n_layers + 4) * sizeof(int));
	for (size_t i = 0; i < job->n_layers; i++)
		keep[n++] = job->layers[i];
	keep[n++] = job->fds[UPPER];
	keep[n++] = job->op->overlay->changes.fd;
	keep[n++] = socket;
	keep[n++] = word_fd;
	if (!close_all_except(keep, n))
		die_errno(errno, "Can't close the descriptors that a helper must not have");
}

void overlay_be_change_lister(const struct run *run, int socket, int word_fd, uint64_t capabilities)
{
	char byte;
	struct job job;
	receive_job(run, socket, &job);
	keep_listers_descriptors(&job, socket, word_fd);
	/* What it reads are mounts attached nowhere: no ".." leads out of them, and no path to what is
	 * not in the upper directory. */
	if (fchdir(job.fds[UPPER]) < 0 || chroot(".") < 0)
		die_errno(errno, "%s: Can't leave the host's root",
			  position_text(job.op->overlay->changes.position));
	keep_caps(capabilities);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE,
			  &limit); /* it does with fewer, unless there are many layers */
	}
	struct changes_walk *walk = overlay_changes_begin(job.op, job.marks, job.fds[UPPER]);
	/* Not dumpable before it is let go; and it is not wanted without its parent. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setsid() < 0)
		die_errno(errno, "%s: Can't protect the process that lists the changes",
			  position_text(job.op->overlay->changes.position));
	helper_send_ready(socket, -1);
	close(socket);
	ssize_t n;
	while ((n = read(word_fd, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		overlay_changes_write(walk, job.fds[UPPER], job.layers, job.n_layers);
	_exit(0);
}

static pid_t fork_or_die(void)
{
	pid_t pid = sys_clone_process(0);
	if (pid < 0)
		die_errno(errno, "Can't start a process for an overlay");
	return pid;
}

/* The status of a child of setup's, which COMMAND must not find. */
static int await(pid_t pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void clone_layers(const struct op *op, const int *layers, size_t n_layers, struct job *job)
{
	job->n_layers = n_layers;
	job->layers = arena_alloc(n_layers * sizeof(int));
	for (size_t i = 0; i < n_layers; i++) {
		job->layers[i] = fs_clone_read_only(layers[i]);
		if (job->layers[i] < 0)
			die_errno(errno, "%s: Can't clone a layer", position_text(op->position));
	}
}

static void close_layers(struct job *job)
{
	for (size_t i = 0; i < job->n_layers; i++)
		close_fd(&job->layers[i]);
}

/* ---- what is mounted on an overlay of fuse-overlayfs's ----
 *
 * The kernel takes off what is mounted on an entry that the file system says is gone, in every
 * namespace (fuse_dentry_revalidate(), d_invalidate()), and COMMAND can have fuse-overlayfs say
 * that: by renames that confuse it, and by a removal in a namespace without the mount, that is
 * interrupted. So nothing of the host may be behind such a mount: once all operations are done, and
 * each mount's place is known as the kernel has found it, all links followed, that place is covered
 * in every layer and in RWSRC, where the helper sees them.
 */

/* A FUSE mount of setup's. */
struct served {
	const struct op *op;
	uint64_t mount_id;
	int mount_fd, ns_fd; /* ns_fd: the helper's mount namespace */
	int *tops;           /* what it works on there: its layers, and the upper directory */
	size_t n_tops;
	const char **covered;
	size_t n_covered, capacity_covered;
	struct served *next;
};
static struct served *all_served;

/* Takes the layers of `job` over, and the other descriptors. */
static void note_served(const struct job *job, int mount_fd, int ns_fd)
{
	struct kernel_statx status;
	struct served *served = arena_alloc(sizeof(*served));
	*served = (struct served){ .op = job->op,
				   .mount_fd = fcntl(mount_fd, F_DUPFD_CLOEXEC, 3),
				   .ns_fd = ns_fd,
				   .tops = arena_alloc((job->n_layers + 1) * sizeof(int)),
				   .n_tops = job->n_layers,
				   .next = all_served };
	memcpy(served->tops, job->layers, job->n_layers * sizeof(int));
	if (job->fds[UPPER] >= 0)
		served->tops[served->n_tops++] = job->fds[UPPER];
	if (served->mount_fd < 0 ||
	    sys_statx(mount_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0)
		die_errno(errno, "%s: Can't look at the overlay", position_text(job->op->position));
	served->mount_id = status.stx_mnt_id;
	all_served = served;
}

/* Where dest_fd is below the overlay's top; "": it is the top, which never goes. */
static const char *path_below(const struct run *run, const struct served *served, int dest_fd)
{
	const char *top = bind_shown_path(run, served->op->position, served->mount_fd);
	const char *path = bind_shown_path(run, served->op->position, dest_fd);
	size_t length = streq(top, "/") ? 0 : strlen(top);
	if (strncmp(path, top, length) != 0 || (path[length] && path[length] != '/'))
		die("%s: Can't tell where %s is in the overlay at %s",
		    position_text(served->op->position), path, top);
	return skip_slashes(path + length);
}

void overlay_note_mount(const struct run *run, const struct op *op, int dest_fd, uint64_t mount_id)
{
	static uint64_t known_id; /* of what needs no word, or has had it */
	if (mount_id == known_id)
		return;
	for (struct served *served = all_served; served; served = served->next) {
		if (served->mount_id != mount_id)
			continue;
		const char *path = path_below(run, served, dest_fd);
		if (!*path)
			return;
		served->covered = arena_grow(served->covered, served->n_covered,
					     &served->capacity_covered, sizeof(char *));
		served->covered[served->n_covered++] = path;
		run_tell(run,
			 "%s: COMMAND can take off what is mounted on an overlay of "
			 "fuse-overlayfs's; it finds an empty %s then, nothing of the layers",
			 position_text(op->position), op->inner_path);
		return;
	}
	/* virtiofs has the same number; a virtual machine's host serves it, out of COMMAND's reach. */
	struct statfs fs;
	if (fstatfs(dest_fd, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC &&
	    !streq(overlay_type_of_mount(run, mount_id), "virtiofs"))
		say_warning(
			"%s: %s is on a FUSE file system: COMMAND may be able to take off what is "
			"mounted there, and see what is behind it",
			position_text(op->position), op->inner_path);
	known_id = mount_id;
}

/* Links need not be covered: they are not followed there, and whoever reads one follows it
 * elsewhere. */
static void cover_below(int top_fd, const char *path, int covers_fd)
{
	bool is_directory;
	struct stat status;
	AUTO_CLOSE int at = open_at(top_fd, path, &is_directory);
	if (at < 0 && errno != ENOENT && errno != ENOTDIR && errno != EACCES)
		die_errno(errno, "Can't find %s in a layer", path);
	if (at < 0 || (!is_directory && fstat(at, &status) == 0 && S_ISLNK(status.st_mode)))
		return;
	cover(covers_fd, at, is_directory, path);
}

static _Noreturn void be_coverer(const struct served *served)
{
	const char *position = position_text(served->op->position);
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	if (setns(served->ns_fd, CLONE_NEWNS) < 0)
		die_errno(errno, "%s: Can't enter the mount namespace of fuse-overlayfs", position);
	AUTO_CLOSE int covers_fd = fs_make_tmpfs(served->op->position, 0700, 0);
	if (sys_move_mount(covers_fd, "", AT_FDCWD, "/covers", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		die_errno(errno, "%s: Can't attach what covers the layers", position);
	for (size_t i = 0; i < served->n_covered; i++)
		for (size_t top = 0; top < served->n_tops; top++)
			cover_below(served->tops[top], served->covered[i], covers_fd);
	if (sys_mount_setattr(covers_fd, "", AT_EMPTY_PATH, &read_only) < 0)
		die_errno(errno, "%s: Can't make the covers read-only", position);
	_exit(0);
}

void overlay_cover_mounted(void)
{
	for (struct served *served = all_served; served; served = served->next) {
		if (served->n_covered) {
			pid_t pid = fork_or_die();
			if (pid == 0)
				be_coverer(served);
			if (await(pid) != 0)
				_exit(1); /* it has said why */
		}
		close_fd(&served->ns_fd);
		close_fd(&served->mount_fd);
		for (size_t i = 0; i < served->n_tops; i++)
			close_fd(&served->tops[i]);
	}
}

/* ---- fuse-overlayfs, setup's side ---- */

static int try_fuse_mount(const struct run *run, int device_fd, unsigned attributes)
{
	AUTO_CLOSE int fs_fd = sys_fsopen("fuse", FSOPEN_CLOEXEC);
	const char *const options[] = { "source",   "fuse-overlayfs",
					"subtype",  "fuse-overlayfs",
					"fd",       arena_printf("%d", device_fd),
					"rootmode", "40000",
					"user_id",  arena_printf("%u", run->shape.inner_uid),
					"group_id", arena_printf("%u", run->shape.inner_gid) };
	if (fs_fd < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(options); i += 2)
		if (sys_fsconfig(fs_fd, FSCONFIG_SET_STRING, options[i], options[i + 1], 0) < 0)
			return -1;
	if (sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "allow_other", NULL, 0) < 0 ||
	    sys_fsconfig(fs_fd, FSCONFIG_SET_FLAG, "default_permissions", NULL, 0) < 0 ||
	    sys_fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return sys_fsmount(fs_fd, FSMOUNT_CLOEXEC,
			   attributes | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

/* The last line of what the helper said, without its name. */
static const char *last_words(int report_fd)
{
	char *bytes;
	size_t length;
	const char *found = "it ended without a word";
	if (!read_all(report_fd, 65536, &bytes, &length))
		return found;
	for (char *line = bytes; *line;) {
		char *end = strchrnul(line, '\n');
		char *next = *end ? end + 1 : end;
		*end = '\0';
		if (*line && strncmp(line, "unknown argument ignored", 24) != 0) {
			size_t prefix = strlen("fuse-overlayfs: ");
			found = strncmp(line, "fuse-overlayfs: ", prefix) == 0 ? line + prefix
									       : line;
		}
		line = next;
	}
	return found;
}

int overlay_make_fuse_mount(const struct run *run, unsigned attributes, int *ret_device_fd,
			    const char **ret_why)
{
	if (!run_find_program("fuse-overlayfs")) {
		*ret_why = "it is not installed (package fuse-overlayfs)";
		return -1;
	}
	*ret_device_fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (*ret_device_fd < 0) {
		*ret_why =
			arena_printf("Can't open /dev/fuse: %s%s", errno_text(errno),
				     errno == EACCES ? "; usually everybody may open it (mode 0666)"
				     : errno == ENOENT || errno == ENODEV || errno == ENXIO
					     ? "; the kernel's module fuse is not loaded"
					     : "");
		return -1;
	}
	int mount_fd = try_fuse_mount(run, *ret_device_fd, attributes);
	if (mount_fd < 0)
		*ret_why = arena_printf("Can't make a FUSE mount: %s", errno_text(errno));
	return mount_fd;
}

bool overlay_serve_fuse(struct run *run, const struct op *op, const int *layers, size_t n_layers,
			int mount_fd, int *device_fd, struct overlay_writable *writable,
			bool squash, const char **ret_why)
{
	int report[2];
	if (pipe2(report, O_CLOEXEC) < 0)
		die_errno(errno, "%s: Can't make a pipe", position_text(op->position));
	struct job job = { .op = op,
			   .squash = squash,
			   .fds = { writable->upper_fd, writable->work_fd, *device_fd, report[1],
				    writable->mount_fd } };
	clone_layers(op, layers, n_layers, &job);
	AUTO_CLOSE int socket = start_helper(run, HELPER_FUSE_OVERLAYFS, &job);
	close_fd(&writable->mount_fd);
	close_fd(&writable->work_fd);
	close_fd(device_fd);
	close(report[1]);
	int ns_fd = -1;
	if (helper_receive_answer(socket, &ns_fd) != HELPER_IS_READY)
		close_fd(&ns_fd);
	/* Waits for the helper's first answer; when it ends instead, so does the connection. */
	AUTO_CLOSE int root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;
	bool is_served = ns_fd >= 0 && root_fd >= 0 && fstat(root_fd, &status) == 0;
	if (is_served) {
		note_served(&job, mount_fd, ns_fd);
	} else {
		close_fd(&ns_fd);
		close_layers(&job);
		close_fd(&writable->upper_fd);
		*ret_why = last_words(report[0]);
	}
	close(report[0]);
	return is_served;
}

void overlay_watch_changes(struct run *run, const struct op *op, enum overlay_marks marks,
			   const int *layers, size_t n_layers, int upper_fd)
{
	AUTO_CLOSE int upper_clone = fs_clone_read_only(upper_fd);
	if (upper_clone < 0)
		die_errno(errno, "%s: Can't clone what is written", position_text(op->position));
	struct job job = { .op = op, .marks = marks, .fds = { upper_clone, -1, -1, -1, -1 } };
	clone_layers(op, layers, n_layers, &job);
	AUTO_CLOSE int socket = start_helper(run, HELPER_CHANGE_LISTER, &job);
	close_layers(&job);
	enum helper_answer answer = helper_receive_answer(socket, NULL);
	if (answer == HELPER_IS_GONE)
		die("%s: The process that is to list the changes was ended; nothing was run",
		    position_text(op->overlay->changes.position));
	if (answer == HELPER_HAS_FAILED)
		_exit(1); /* it has said why */
}
