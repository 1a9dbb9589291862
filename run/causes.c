/* causes.c - the table of causes: data, and how a row becomes the end of a message.
 *
 * Must not: ask which one it is. That is diagnose.c's.
 */
#include "run/causes.h"

#include "utils.h"

#include <string.h>

#define NO_NEW_NAMESPACE "No permissions to create a new namespace"
#define LIMIT            "Creating new namespace failed: a limit was reached"
#define NO_JOIN          "OPTION: Can't join the ... namespace"
#define NO_PROC          "Can't mount proc on DEST"
#define NO_RESTRICTION   "OPTION: Can't restrict COMMAND"
#define NO_SOURCE        "Can't find source path SRC: No such file or directory"
#define NO_EXEC          "execvp COMMAND"

/* clang-format off */
const struct cause_row causes[N_CAUSES] = {
	[CAUSE_USERNS_MISSING] = { "userns-missing", "Creating new namespace failed",
		"this kernel was built without user namespaces", "it takes one with CONFIG_USER_NS=y, or root" },
	[CAUSE_USERNS_SYSCTL_DEBIAN] = { "userns-sysctl-debian", NO_NEW_NAMESPACE,
		"this kernel denies user namespaces to normal users", "as root, sysctl kernel.unprivileged_userns_clone=1" },
	[CAUSE_USERNS_APPARMOR] = { "userns-apparmor", NO_NEW_NAMESPACE,
		"AppArmor restricts user namespaces", "as root, give the program a profile that has \"userns,\", or sysctl kernel.apparmor_restrict_unprivileged_userns=0" },
	[CAUSE_APPARMOR_PROFILE] = { "apparmor-profile", NO_NEW_NAMESPACE,
		"the AppArmor profile %s confines this process and may forbid it", "the system's log says what was denied; as root, add \"userns,\" to it, or \"mount,\" and \"pivot_root,\"" },
	[CAUSE_SELINUX] = { "selinux", NO_NEW_NAMESPACE,
		"SELinux is enforcing, and may forbid it to %s", "as root, \"ausearch -m avc -ts recent\" shows what was denied, and \"audit2allow\" makes rules of that" },
	[CAUSE_NAMESPACE_FILTER] = { "namespace-filter", NO_NEW_NAMESPACE,
		"a seccomp filter around this process forbids it (a container engine's, or a sandbox's)", "allow the call %s there, as \"docker run --security-opt seccomp=FILE\" or \"--privileged\" can" },
	[CAUSE_CHROOT] = { "chroot", NO_NEW_NAMESPACE,
		"the present root is a chroot, and there the kernel makes no user namespaces", "enter it by unshare --mount and pivot_root, or as a container" },
	[CAUSE_IDS_UNMAPPED] = { "ids-unmapped", NO_NEW_NAMESPACE,
		"this user has no number in the user namespace around", "map its uid and gid there" },
	[CAUSE_NESTED_DISABLE_USERNS] = { "nested-disable-userns", LIMIT,
		"the sandbox or container around this one allows no further user namespaces", "leave out --disable-userns there, or this sandbox; a sandbox's --mask and --protect imply it but for --protect-accidents-only" },
	[CAUSE_NAMESPACE_DENIED] = { "namespace-denied", NO_NEW_NAMESPACE,
		"a container, a security module or a seccomp filter forbids it, or the present root is a chroot", "bwrapish --check tells what is allowed" },
	[CAUSE_NAMESPACE_NONE] = { "namespace-none", LIMIT,
		"/proc/sys/user/%s is 0", "as root, write a larger number to it" },
	[CAUSE_NAMESPACE_LIMIT] = { "namespace-limit", LIMIT,
		"/proc/sys/user/%s, or the same of a user namespace around this one, which cannot be read from here", "end what holds namespaces, or as root write a larger number to it" },
	[CAUSE_NAMESPACE_MISSING] = { "namespace-missing", "Creating new namespace failed",
		"this kernel was built without %s namespaces", "leave out the option that asks for one" },
	[CAUSE_PID_1_GONE] = { "pid-1-gone", "Creating new namespace failed",
		"the kernel is out of memory, or pid 1 of a joined pid namespace is gone", "" },
	[CAUSE_JOIN_OUTSIDE] = { "join-outside", NO_JOIN,
		"the user namespace that owns it is neither the present one nor below it", "join the one that owns it first: --userns" },
	[CAUSE_JOIN_RIGHTS] = { "join-rights", NO_JOIN,
		"it is owned by the present user namespace, where that takes CAP_SYS_ADMIN", "start as root" },
	[CAUSE_JOIN_OWNER] = { "join-owner", NO_JOIN,
		"it is owned by the user namespace user:[%s]", "join that as well: --userns" },
	[CAUSE_NPROC] = { "nproc", "Creating new namespace failed",
		"this user may have %s processes and threads (RLIMIT_NPROC)", "end some, or raise ulimit -u" },
	[CAUSE_PIDS_MAX] = { "pids-max", "Creating new namespace failed",
		"the control group may have %s processes and threads (pids.max)", "end some, or raise it: TasksMax= of systemd, --pids-limit of container engines" },
	[CAUSE_PROCESSES] = { "processes", "Creating new namespace failed",
		"the user (ulimit -u), the control group (pids.max) or the machine (kernel.threads-max) may have no more processes", "end some" },
	[CAUSE_CAPS_TAKEN] = { "caps-taken", "setting up uid map",
		"a security module (AppArmor, SELinux, that of a container) takes the capabilities of new user namespaces away", "as root, let its policy allow this program user namespaces" },
	[CAUSE_SETFCAP] = { "setfcap", "setting up uid map",
		"mapping uid 0 needs CAP_SETFCAP since Linux 5.12", "keep that capability, or start as a normal user" },
	[CAUSE_NO_NEW_PRIVS] = { "no-new-privs", "newuidmap",
		"no_new_privs was set before, and with it no set-user-id program has any rights", "start from where it is not set: not below setpriv --no-new-privs, systemd's NoNewPrivileges= or another sandbox" },
	[CAUSE_NOSUID] = { "nosuid", "newuidmap",
		"%s is on a nosuid mount, where no set-user-id program has any rights", "as root, mount it with suid" },
	[CAUSE_MAPPER_MISSING] = { "mapper-missing", "setting up uid map",
		"%s is not installed, which maps ids that are not the caller's own", "install it: package uidmap, shadow-utils or shadow" },
	[CAUSE_MAPPER_RIGHTS] = { "mapper-rights", "setting up uid map",
		"%s is not set-user-id root and has no file capabilities", "as root, chmod u+s; inside another sandbox or container it never has them" },
	[CAUSE_SUBIDS_NONE] = { "subids-none", "setting up uid map",
		"there is no entry in %s", "as root, usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER" },
	[CAUSE_SUBIDS_OTHERS] = { "subids-others", "setting up uid map",
		"the ids that may be mapped are %s", "take these, or as root add others: usermod --add-subuids, --add-subgids" },
	[CAUSE_PROC_MISSING] = { "proc-missing", "setting up uid map",
		"a mounted /proc is needed", "inside a sandbox, its --proc /proc" },
	[CAUSE_PROC_READ_ONLY] = { "proc-read-only", "setting up uid map",
		"the /proc that is visible here, or its part sys, is read-only", "a sandbox around this one that shows it with --ro-bind should give --proc /proc, and a container engine takes --security-opt systempaths=unconfined" },
	[CAUSE_PROC_COVERED] = { "proc-covered", NO_PROC,
		"parts of the /proc that is visible here are covered, as in a container, and then the kernel allows no new one but of the processes alone", "--proc-pid or --proc-try shows that, and without --unshare-pid the visible one is shown" },
	[CAUSE_PROC_COVERED_WHOLE] = { "proc-covered-whole", NO_PROC,
		"parts of the /proc that is visible here are covered, as in a container, and then the kernel allows no new one", "without --unshare-pid the visible one is shown instead" },
	[CAUSE_PROC_COVERED_PID] = { "proc-covered-pid", NO_PROC,
		"parts of the visible /proc are covered, as in a container, and before Linux 7.2 the kernel then allows no new one, not even of the processes alone", "without --unshare-pid --proc shows the visible one" },
	[CAUSE_PROC_COVERED_TRY] = { "proc-covered-try", NO_PROC,
		"parts of the /proc seen here are covered, as in a container, and before Linux 7.2 the kernel then allows no new one, not even of the processes alone", "without --unshare-pid the visible one is shown instead" },
	[CAUSE_PROC_NO_PIDNS] = { "proc-no-pidns", NO_PROC,
		"without --unshare-pid it takes CAP_SYS_ADMIN in the user namespace that owns the present pid namespace", "add --unshare-pid, or take --proc" },
	[CAUSE_MOUNT_FILTER] = { "mount-filter", "OPTION: Can't bind SRC",
		"a seccomp filter around this process forbids the call %s (a container engine's, or a sandbox's)", "allow it there: those of mount(2) do not do since Linux 5.2" },
	[CAUSE_KERNEL_TOO_OLD] = { "kernel-too-old", "OPTION: Can't bind SRC",
		"Linux 5.12 or newer is needed, and this is %s", "" },
	[CAUSE_FLAG_TOO_NEW] = { "flag-too-new", "OPTION: Can't set the mount flags of SRC: EINVAL",
		"the mount flag nosymfollow needs Linux 5.14, and this is %s", "leave it out" },
	[CAUSE_MOUNT_LIMIT] = { "mount-limit", "OPTION: Can't mount on DEST: No space left on device",
		"the limit of mounts in a namespace is reached (fs.mount-max)", "as root, raise it, or unmount what the host does not need" },
	[CAUSE_INITRAMFS] = { "initramfs", "Can't move into the new root: Invalid argument",
		"the present root is the initial ramfs, which nobody can move away", "start from another root: switch_root, or chroot with mount --move" },
	[CAUSE_DEV_NODE] = { "dev-node", "Can't find source path /dev/NAME",
		"this machine, or the container around, has no such device", "make it there: mknod, or a /dev of devtmpfs" },
	[CAUSE_WAY_MISSING] = { "way-missing", "Can't ... PATH: No such file or directory",
		"on the way there is no %s", "" },
	[CAUSE_WAY_FILE] = { "way-file", "Can't ... PATH: Not a directory",
		"on the way, %s is a file", "" },
	[CAUSE_WAY_CLOSED] = { "way-closed", "Can't ... PATH: Permission denied",
		"the directory %s does not let this user in", "its owner can change that, by chmod +x" },
	[CAUSE_WAY_NOT_WRITABLE] = { "way-not-writable", "Can't ... PATH: Permission denied",
		"the directory %s is not writable for this user", "make on the host what is to be mounted on, or mount something else above it" },
	[CAUSE_WAY_LINK] = { "way-link", "Can't ... PATH: No such file or directory",
		"the link %s leads to what does not exist there", "show that, too, or name another place" },
	[CAUSE_WAY_MASKED] = { "way-masked", "... PATH: No such file or directory",
		"%s may hide it", "bind behind that what is to be seen there" },
	[CAUSE_SOURCE_TILDE] = { "source-tilde", NO_SOURCE,
		"the shell turns ~ into the home directory only where it is not quoted", "\"$HOME\" is the same in double quotes" },
	[CAUSE_SOURCE_VARIABLE] = { "source-variable", NO_SOURCE,
		"the shell puts in a variable's value only outside of single quotes", "in double ones it does" },
	[CAUSE_SOURCE_COLON] = { "source-colon", NO_SOURCE,
		"SRC and DEST are words of their own", "%s" },
	[CAUSE_SOURCE_INSIDE] = { "source-inside", NO_SOURCE,
		"%s makes it inside, and SRC is the host's", "--bind-inner shows what is inside" },
	[CAUSE_SOURCE_RELATIVE] = { "source-relative", NO_SOURCE,
		"it is looked for in %s", "" },
	[CAUSE_MOUNT_DELETED] = { "mount-deleted", "OPTION: Can't mount on DEST: No such file or directory",
		"the file or directory that is mounted at %s was deleted on the host, and the kernel mounts nothing of it, or on it", "unmount that, or name what has taken its place" },
	[CAUSE_MOUNT_DENIED] = { "mount-denied", "Can't attach the new root: Permission denied",
		"a security module forbids mounts", "as root, for AppArmor give its profile \"mount,\", \"umount,\" and \"pivot_root,\"; for SELinux \"ausearch -m avc -ts recent\" shows what was denied" },
	[CAUSE_RESOLV_LINK] = { "resolv-link", "Temporary failure in name resolution",
		"/etc/resolv.conf is a link to %s, which nothing on the line shows", "--resolv-conf auto behind it shows a copy" },
	[CAUSE_IDS_SSH] = { "ids-ssh", "Bad owner or permissions on /etc/ssh/...",
		"inside there is no uid but %s, so root's files belong to nobody, and ssh obeys none of those", "ssh -F none, for git GIT_SSH_COMMAND='ssh -F none', or a --tmpfs /etc/ssh" },
	[CAUSE_IDS_CHOWN] = { "ids-chown", "chown: changing ownership of FILE: Invalid argument",
		"inside there is no uid but %s, and giving a file to another fails", "leave that out (tar --no-same-owner, cp without -p), or fakeroot" },
	[CAUSE_IDS_GIT] = { "ids-git", "fatal: detected dubious ownership in repository",
		"the directory .git is another user's, as seen from inside", "start as its owner, or git config --global --add safe.directory DIR" },
	[CAUSE_DIRECTORY_MISSING] = { "directory-missing", "COMMAND starts in / or HOME",
		"the present directory, %s, is not in the sandbox", "bind it, or name another by --chdir DIR" },
	[CAUSE_NO_DEV] = { "no-dev", "/dev/null: No such file or directory",
		"there is no /dev/null inside", "--dev /dev" },
	[CAUSE_NO_PROC] = { "no-proc", "Error, do this: mount -t proc proc /proc",
		"there is no /proc inside", "--proc /proc" },
	[CAUSE_NO_TMP] = { "no-tmp", "mktemp: failed to create file via template '/tmp/...'",
		"there is no /tmp inside", "--tmpfs /tmp" },
	[CAUSE_NO_USERS] = { "no-users", "No user exists for uid ..., I have no name!",
		"there is no /etc/passwd inside", "--ro-bind /etc/passwd /etc/passwd" },
	[CAUSE_NO_TIMEZONE] = { "no-timezone", "the time is UTC's",
		"there is no /etc/localtime inside", "--ro-bind /etc/localtime /etc/localtime" },
	[CAUSE_NO_RESOLVER] = { "no-resolver", "Temporary failure in name resolution",
		"there is no /etc/resolv.conf inside", "--resolv-conf auto" },
	[CAUSE_NO_CERTIFICATES] = { "no-certificates", "certificate verify failed, error setting certificate file",
		"there is no /etc/ssl/certs inside", "--ro-bind /etc/ssl /etc/ssl" },
	[CAUSE_NO_CERTIFICATES_PKI] = { "no-certificates-pki", "certificate verify failed, error setting certificate file",
		"there is no /etc/pki/tls/certs inside", "--ro-bind /etc/pki /etc/pki" },
	[CAUSE_NO_HOME] = { "no-home", "can't create directory HOME/...",
		"there is no HOME inside, which is %s", "--tmpfs \"$HOME\", or --setenv HOME DIR" },
	[CAUSE_NO_DISPLAY] = { "no-display", "cannot open display",
		"there is no socket %s inside, which programs with windows want", "--ro-bind shows it, and all that the server behind it does for who connects" },
	[CAUSE_NO_BUS] = { "no-bus", "Failed to connect to bus",
		"there is no socket %s inside, the session's D-Bus", "--ro-bind shows it, and with it lets start programs outside: better that of an xdg-dbus-proxy" },
	[CAUSE_NO_RIGHTS] = { "no-rights", "The \"no new privileges\" flag is set, Operation not permitted",
		"%s gains no rights inside by its set-user-id bit or file capabilities", "run it outside, or be root of the sandbox alone: --unshare-user --uid 0 --gid 0, and --cap-add" },
	[CAUSE_EXEC_BEHIND_DASHES] = { "exec-behind-dashes", NO_EXEC ": No such file or directory",
		"%s, where no option is", "put it before that" },
	[CAUSE_EXEC_BEHIND_COMMAND] = { "exec-behind-command", NO_EXEC ": No such file or directory",
		"%s, and goes to it", "options stand before it" },
	[CAUSE_EXEC_DASH] = { "exec-dash", NO_EXEC ": No such file or directory",
		"it begins with a dash of print", "options begin with two of the keyboard, %s" },
	[CAUSE_EXEC_WORDS] = { "exec-words", NO_EXEC ": No such file or directory",
		"COMMAND is one word with a space in it", "its arguments are words of their own, %s" },
	[CAUSE_EXEC_SCRIPT] = { "exec-script", NO_EXEC ": No such file or directory",
		"COMMAND is a line of a shell", "sh -c %s" },
	[CAUSE_EXEC_SETTING] = { "exec-setting", NO_EXEC ": No such file or directory",
		"COMMAND sets a variable, as in a shell", "--setenv %s, before COMMAND" },
	[CAUSE_EXEC_SHELL_WORD] = { "exec-shell-word", NO_EXEC ": No such file or directory",
		"%s is a word of the shell's, and no program", "sh -c, with all of it in quotes, or --chdir for cd" },
	[CAUSE_EXEC_HERE] = { "exec-here", NO_EXEC ": No such file or directory",
		"it is in the directory that COMMAND starts in, and in none of PATH", "./%s" },
	[CAUSE_EXEC_HIDDEN] = { "exec-hidden", NO_EXEC ": No such file or directory",
		"by the order of the line %s", "put that first" },
	[CAUSE_EXEC_PATH_CLOSED] = { "exec-path-closed", NO_EXEC ": Permission denied",
		"it is in none of the other directories of PATH, and %s does not let this user in", "its owner can change that, by chmod +x" },
	[CAUSE_EXEC_DOS] = { "exec-dos", NO_EXEC ": No such file or directory",
		"its lines end as in DOS, and there is no program %s", "end them as in Unix, tr -d '\\r'" },
	[CAUSE_EXEC_EMPTY_ROOT] = { "exec-empty-root", NO_EXEC ": No such file or directory",
		"nothing is bound into the sandbox, so it is empty", "--ro-bind / / shows the host's files, --ro-bind DIR / those in a directory" },
	[CAUSE_EXEC_EMPTY_WORD] = { "exec-empty-word", NO_EXEC ": No such file or directory",
		"COMMAND is an empty word", "" },
	[CAUSE_EXEC_PATH] = { "exec-path", NO_EXEC ": No such file or directory",
		"it is in none of the sandbox's PATH directories (%s)", "" },
	[CAUSE_EXEC_INTERPRETER] = { "exec-interpreter", NO_EXEC ": No such file or directory",
		"%s, which runs it, does not exist in the sandbox", "show that, too" },
	[CAUSE_EXEC_DIRECTORY] = { "exec-directory", NO_EXEC ": Permission denied",
		"it is a directory%s", "" },
	[CAUSE_EXEC_MODE] = { "exec-mode", NO_EXEC ": Permission denied",
		"it is not executable for this user", "chmod +x, or let this user into the directories above it" },
	[CAUSE_EXEC_NOEXEC] = { "exec-noexec", NO_EXEC ": Permission denied",
		"it lies on a noexec mount, %s", "" },
	[CAUSE_EXEC_INTERPRETER_CLOSED] = { "exec-interpreter-closed", NO_EXEC ": Permission denied",
		"%s, which runs it, may not be executed", "" },
	[CAUSE_EXEC_LABEL] = { "exec-label", NO_EXEC ": Operation not permitted",
		"SELinux does not let this process become %s", "that takes nnp_transition and nosuid_transition, too, as no_new_privs is set and mounts are nosuid; as root, \"ausearch -m avc -ts recent\" shows what was denied" },
	[CAUSE_EXEC_FILTER] = { "exec-filter", NO_EXEC,
		"a seccomp filter may have denied it", "" },
	[CAUSE_ARGUMENTS_TOO_LONG] = { "arguments-too-long", NO_EXEC ": Argument list too long",
		"COMMAND's arguments take %s bytes", "give fewer (xargs), or raise ulimit -s" },
	[CAUSE_ENVIRONMENT_TOO_LONG] = { "environment-too-long", NO_EXEC ": Argument list too long",
		"its environment takes %s bytes", "--clearenv or --unsetenv leaves variables out" },
	[CAUSE_VARIABLE_TOO_LONG] = { "variable-too-long", NO_EXEC ": Argument list too long",
		"the variable %s is longer than the 128 KB that the kernel takes in one piece", "hand it over in a file or on standard input" },
	[CAUSE_LANDLOCK_MISSING] = { "landlock-missing", NO_RESTRICTION,
		"this kernel has no Landlock, or was started without", "Linux %s with landlock among its lsm= does it" },
	[CAUSE_LANDLOCK_OLD] = { "landlock-old", NO_RESTRICTION,
		"the Landlock of this kernel has no such rule", "that of Linux %s has" },
	[CAUSE_TCP_GUARD] = { "tcp-guard", NO_RESTRICTION,
		"what is TCP by another door cannot be denied", "it takes a kernel with seccomp filters, and no filter around that forbids more" },
	[CAUSE_MDWE_MISSING] = { "mdwe-missing", "--mdwe: Can't keep written memory from being executed",
		"this kernel cannot", "Linux 6.3 can, on most processors" },
	[CAUSE_PASTA_MISSING] = { "pasta-missing", "--net-pasta: There would be no network",
		"neither pasta nor slirp4netns is installed, which carry one", "install pasta: package passt" },
	[CAUSE_PASTA_WANTED] = { "pasta-wanted", "--publish: There would be no such network",
		"that takes pasta, and only slirp4netns is installed", "install pasta: package passt" },
	[CAUSE_TUN_CLOSED] = { "tun-closed", "--net-pasta: ... Can't open /dev/net/tun: Permission denied",
		"usually everybody may open it", "as root, chmod 666 /dev/net/tun" },
	[CAUSE_TUN_MISSING] = { "tun-missing", "--net-pasta: ... Can't open /dev/net/tun",
		"the kernel's module tun is not loaded, or the container around shows no such device", "as root, modprobe tun, or give the container that device" },
	[CAUSE_PORT_TAKEN] = { "port-taken", "--publish: Can't listen on port ...",
		"another process has that port, it is below what /proc/sys/net/ipv4/ip_unprivileged_port_start says, or an address given is none of this machine's", "--publish another" },
	[CAUSE_PORT_LOW] = { "port-low", "--tcp-in: Can't listen on ADDR:PORT: Permission denied",
		"it is below ip_unprivileged_port_start (%s)", "take a higher one" },
};
/* clang-format on */

/* Around the %s, of which there is one at most. */
struct halves {
	const char *before, *after; /* NULL: there is none */
};

static struct halves halve(const char *text)
{
	const char *place = strstr(text, "%s");
	return (struct halves){ place ? arena_copy(text, (size_t) (place - text)) : text,
				place ? place + strlen("%s") : NULL };
}

static const char *fill(const char *text, const char *name)
{
	struct halves halves = halve(text);
	return halves.after ? arena_printf("%s%s%s", halves.before, name, halves.after) : text;
}

const char *cause_text(enum cause cause, const char *name)
{
	const struct cause_row *row = &causes[cause];
	return arena_printf("; %s%s%s", fill(row->why, name), *row->cure ? ": " : "",
			    fill(row->cure, name));
}

static bool ends_so(const char *message, const char *why)
{
	struct halves halves = halve(why);
	const char *at =
		*halves.before ? strstr(message, arena_join("; ", halves.before)) : message;
	return at && (!halves.after || strstr(at, halves.after));
}

enum cause cause_find(const char *message)
{
	enum cause cause = 0;
	while (cause < N_CAUSES && !ends_so(message, causes[cause].why))
		cause++;
	return cause;
}
