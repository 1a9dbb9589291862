/* overlay-fuse.c - layers merged by fuse-overlayfs: what setup does for it, and what its process does. Who starts and
 * who ends that is process/helpers.c's business.
 *
 * Setup makes the FUSE mount itself (fsopen("fuse"), detached), and the helper gets the descriptor of /dev/fuse
 * and is told to serve "/dev/fd/N". It has a mount namespace of its own with a root of its own: the layers,
 * procfs and its like in them covered; what is written to; /proc, and /usr and its like for the program and its
 * libraries. Some of its calls would follow a link that COMMAND has put where a directory was, so no link is
 * followed on what it works on. It is ready when the mount answers. It ends when the mount is gone: with the
 * last process of the sandbox, at whatever instant and for whatever reason. It has a session of its own, so that
 * no terminal reaches it, and capabilities that COMMAND does not have, so that the kernel's ptrace check keeps
 * COMMAND away. What it uses it uses for COMMAND: it is in the sandbox's control groups, from which it is not
 * killed before it had the time to end.
 *
 * Must not: let it see more of the host than COMMAND may, its libraries apart.
 */
#include "mount/overlay-fuse.h"

#include "mount/fs.h"
#include "mount/overlay-cover.h"
#include "mount/overlay-job.h"
#include "plan/plan.h"
#include "plan/position.h"
#include "run/helper.h"
#include "run/run.h"
#include "sys/kernel.h"
#include "sys/program.h"
#include "sys/root.h"
#include "utils.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

/* ---- in the helper ---- */

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
		die_because(errno, "Can't keep it from following links: %s%s", errno_text(errno),
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
static void arrange_mounts(const struct run *run, const struct overlay_job *job)
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
	AUTO_CLOSE int root_fd = fs_make_tmpfs((struct position){ .option = "its root" }, 0755);
	/* On top of /, which no look-up from our root crosses. */
	if (sys_move_mount(root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
	    mkdirat(root_fd, "layers", 0700) < 0 || mkdirat(root_fd, "covers", 0700) < 0)
		die_errno(errno, "Can't make its root");
	show_system(system_fd, root_fd);
	for (size_t i = 0; i < job->n_layers; i++)
		attach(job->layers[i], root_fd, arena_printf("layers/%zu", i));
	move_into(root_fd);
	overlay_cover_interfaces(run, job->layers, job->n_layers, root_fd);
	if (job->fds[WRITABLE] >= 0)
		attach(job->fds[WRITABLE], root_fd, "writable");
	if (sys_mount_setattr(root_fd, "", AT_EMPTY_PATH, &read_only) < 0)
		die_errno(errno, "Can't make the helper's mounts read-only");
}

/* The words behind -o. Nothing of the user's but --overlay-opt, whose names are known ones. */
static const char *fuse_options(const struct run *run, const struct overlay_job *job)
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
	struct overlay_job job;
	overlay_job_receive(run, socket, &job);
	char *no_environment[] = { NULL };
	if (!program_take_stdio(job.fds[REPORT]))
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
	const char *program = program_find(name);
	const char *undone = program_leave_caller(keep, n);
	if (undone)
		die_errno(errno, "Can't %s", undone);
	overlay_keep_caps(capabilities);
	execve(program ? program : "", words, no_environment);
	die_errno(errno, "Can't run it");
}

/* ---- in setup ---- */

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
	if (!program_find("fuse-overlayfs")) {
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
	struct overlay_job job = { .op = op,
				   .squash = squash,
				   .fds = { writable->upper_fd, writable->work_fd, *device_fd,
					    report[1], writable->mount_fd } };
	overlay_job_clone_layers(&job, layers, n_layers);
	AUTO_CLOSE int socket = overlay_job_start(run, HELPER_FUSE_OVERLAYFS, &job);
	close_fd(&writable->mount_fd);
	close_fd(&writable->work_fd);
	close_fd(device_fd);
	close(report[1]);
	int ns_fd = -1;
	struct failure unused; /* it stands among its last words */
	if (helper_receive_answer(socket, &ns_fd, &unused) != HELPER_IS_READY)
		close_fd(&ns_fd);
	/* Waits for the helper's first answer; when it ends instead, so does the connection. */
	AUTO_CLOSE int root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat status;
	bool is_served = ns_fd >= 0 && root_fd >= 0 && fstat(root_fd, &status) == 0;
	if (is_served) {
		overlay_note_served(run, &job, mount_fd, ns_fd);
	} else {
		close_fd(&ns_fd);
		overlay_job_close_layers(&job);
		close_fd(&writable->upper_fd);
		*ret_why = last_words(report[0]);
	}
	close(report[0]);
	return is_served;
}
