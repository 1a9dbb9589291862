/* calls.c - the tables of system calls: arguments that have names, groups, and the built-in
 * profiles.
 *
 * Data only. The profiles are compiled to BPF when bwrapish is built (tools/profiles.c), explained
 * by --dry-run, and listed in the man page, all from here. A name that the libseccomp at hand does
 * not know is passed over: it is newer than what that library knows, and all such calls are
 * answered with ENOSYS (filters.c).
 */
#include "plan/calls.h"

#include "sys/kernel.h"
#include "utils.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <sys/socket.h>

#define ALL_BITS UINT32_MAX
#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)
/* Whatever lets open(2) change something. O_TMPFILE without the O_DIRECTORY in it. */
#define OPEN_TO_CHANGE (O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY))

/* int domain: the kernel looks at the low 32 bits only, and so do we. */
#define FAMILY(family)                                        \
	{ "socket", #family, 0, ALL_BITS, family, 0 },        \
	{                                                     \
		"socketpair", #family, 0, ALL_BITS, family, 0 \
	}
#define FLAG(flag)                                 \
	{ "clone", #flag, 0, flag, flag, 0 },      \
	{                                          \
		"unshare", #flag, 0, flag, flag, 0 \
	}
/* Numbers in place of names: this is compiled for another machine than that of the headers, too. */
#define REQUEST(request, number)                          \
	{                                                 \
		"ioctl", #request, 1, ALL_BITS, number, 0 \
	}
#define FCNTL(word, mask, value)                   \
	{ "fcntl", word, 1, mask, value, 0 },      \
	{                                          \
		"fcntl64", word, 1, mask, value, 0 \
	}

/* F_SETFL without O_ASYNC: for a terminal the kernel lets that send a signal, F_SETSIG's, to the
 * foreground process group, in whatever pid namespace it is (tty_fasync()). */
#define SET_FLAGS(word)                                \
	{ "fcntl", word, 1, ALL_BITS, 4, ASYNC },      \
	{                                              \
		"fcntl64", word, 1, ALL_BITS, 4, ASYNC \
	}
#define ASYNC 020000

/* clang-format off */
const struct call_argument call_arguments[] = {
	FAMILY(AF_UNIX), FAMILY(AF_INET), FAMILY(AF_AX25), FAMILY(AF_IPX), FAMILY(AF_APPLETALK), FAMILY(AF_NETROM),
	FAMILY(AF_BRIDGE), FAMILY(AF_ATMPVC), FAMILY(AF_X25), FAMILY(AF_INET6), FAMILY(AF_ROSE), FAMILY(AF_NETBEUI),
	FAMILY(AF_SECURITY), FAMILY(AF_KEY), FAMILY(AF_NETLINK), FAMILY(AF_PACKET), FAMILY(AF_ASH), FAMILY(AF_ECONET),
	FAMILY(AF_ATMSVC), FAMILY(AF_RDS), FAMILY(AF_SNA), FAMILY(AF_IRDA), FAMILY(AF_PPPOX), FAMILY(AF_WANPIPE),
	FAMILY(AF_LLC), FAMILY(AF_IB), FAMILY(AF_MPLS), FAMILY(AF_CAN), FAMILY(AF_TIPC), FAMILY(AF_BLUETOOTH),
	FAMILY(AF_IUCV), FAMILY(AF_RXRPC), FAMILY(AF_ISDN), FAMILY(AF_PHONET), FAMILY(AF_IEEE802154), FAMILY(AF_CAIF),
	FAMILY(AF_ALG), FAMILY(AF_NFC), FAMILY(AF_VSOCK), FAMILY(AF_KCM), FAMILY(AF_QIPCRTR), FAMILY(AF_SMC),
	FAMILY(AF_XDP), { "socket", "AF_MCTP", 0, ALL_BITS, 45, 0 },

	FLAG(CLONE_NEWUSER), FLAG(CLONE_NEWNS), FLAG(CLONE_NEWPID), FLAG(CLONE_NEWNET), FLAG(CLONE_NEWIPC),
	FLAG(CLONE_NEWUTS), FLAG(CLONE_NEWCGROUP), { "unshare", "CLONE_NEWTIME", 0, 0x80, 0x80, 0 },
	/* A thread of the same process, and nothing new with it. */
	{ "clone", "CLONE_THREAD", 0, CLONE_THREAD | NEW_NAMESPACES, CLONE_THREAD, 0 },

	/* An empty mount namespace, which is a new one all the same (7.1). */
	{ "unshare", "CLONE_NEWNS", 0, 0x00100000, 0x00100000 /* UNSHARE_EMPTY_MNTNS */, 0 },
	/* Mount namespaces without clone(2) and unshare(2): since 7.0 and 7.1. */
	{ "open_tree", "OPEN_TREE_NAMESPACE", 2, 0x2, 0x2, 0 }, { "open_tree_attr", "OPEN_TREE_NAMESPACE", 2, 0x2, 0x2, 0 },
	{ "fsmount", "FSMOUNT_NAMESPACE", 1, 0x2, 0x2, 0 },

	/* unsigned int request: comparing 64 bits would let 0x100005412 through (CVE-2019-10063). */
	REQUEST(TIOCSTI, 0x5412), REQUEST(TIOCLINUX, 0x541c), REQUEST(TCGETS, 0x5401), REQUEST(TIOCGWINSZ, 0x5413),
	REQUEST(FIONREAD, 0x541b), REQUEST(USERFAULTFD_IOC_NEW, 0xaa00),

	/* unsigned int cmd: F_DUPFD, F_GETFD, F_SETFD, F_GETFL; F_SETFL; F_DUPFD_CLOEXEC. */
	FCNTL("DESCRIPTOR", ~3u, 0), SET_FLAGS("DESCRIPTOR"), FCNTL("DESCRIPTOR", ALL_BITS, 1030),
	/* A signal, SIGKILL too, for whomever F_SETOWN names, or a lease that has one sent. */
	FCNTL("F_SETOWN", ALL_BITS, 8), FCNTL("F_SETSIG", ALL_BITS, 10), FCNTL("F_SETOWN_EX", ALL_BITS, 15),
	FCNTL("F_SETLEASE", ALL_BITS, 1024), FCNTL("F_NOTIFY", ALL_BITS, 1026),
	/* All others up to F_SET_FILE_RW_HINT (4.13): those above and locks; F_GETOWN, F_GETSIG; locks of 32 bits; locks
	 * of open files; F_GETLEASE; F_DUPFD_QUERY; F_CREATED_QUERY to F_SETPIPE_SZ; F_GETPIPE_SZ to the hints. */
	FCNTL("NO_SIGNALS", ~3u, 0), SET_FLAGS("NO_SIGNALS"), FCNTL("NO_SIGNALS", ALL_BITS, 5), FCNTL("NO_SIGNALS", ~1u, 6),
	FCNTL("NO_SIGNALS", ~2u, 9), FCNTL("NO_SIGNALS", ~1u, 12), FCNTL("NO_SIGNALS", ALL_BITS, 14),
	FCNTL("NO_SIGNALS", ~3u, 36), FCNTL("NO_SIGNALS", ALL_BITS, 1025), FCNTL("NO_SIGNALS", ALL_BITS, 1027),
	FCNTL("NO_SIGNALS", ~3u, 1028), FCNTL("NO_SIGNALS", ~7u, 1032),
	/* pid_t pid: RLIMIT_CPU of another process kills it. */
	{ "prlimit64", "SELF", 0, ALL_BITS, 0, 0 },

	/* its first argument is the call; those of the call are in memory */
	{ "socketcall", "SOCKET", 0, ALL_BITS, 1, 0 }, { "socketcall", "SOCKETPAIR", 0, ALL_BITS, 8, 0 },

	{ "open", "O_RDONLY", 1, OPEN_TO_CHANGE, 0, 0 },
	{ "openat", "O_RDONLY", 2, OPEN_TO_CHANGE, 0, 0 },

	/* The personality is the low byte: 0 is Linux, 8 is Linux of 32 bits, 0xff (all bits) asks and changes
	 * nothing. These four mean every other one that exists, up to 16. */
	{ "personality", "OBSOLETE", 0, 0x81, 0x01, 0 }, { "personality", "OBSOLETE", 0, 0x82, 0x02, 0 },
	{ "personality", "OBSOLETE", 0, 0x84, 0x04, 0 }, { "personality", "OBSOLETE", 0, 0x90, 0x10, 0 },
};
/* clang-format on */
const size_t n_call_arguments = ARRAY_SIZE(call_arguments);

const struct call_difference call_differences[] = {
	{ AUDIT_ARCH_S390X, "clone", "", 1, 0 }, /* the stack comes first: CLONE_BACKWARDS2 */
	/* ioctls.h of powerpc; it has three bits for the direction, and one of them means "none" */
	{ AUDIT_ARCH_PPC64LE, "ioctl", "TCGETS", 1, 0x402c7413 },
	{ AUDIT_ARCH_PPC64LE, "ioctl", "TIOCGWINSZ", 1, 0x40087468 },
	{ AUDIT_ARCH_PPC64LE, "ioctl", "FIONREAD", 1, 0x4004667f },
	{ AUDIT_ARCH_PPC64LE, "ioctl", "USERFAULTFD_IOC_NEW", 1, 0x2000aa00 },
};
const size_t n_call_differences = ARRAY_SIZE(call_differences);

/* clang-format off */
const struct call_group call_groups[] = {
	{ "@always", calls_always, "what every allow list has in it: execve and the dynamic loader" },
	{ "@aio", "io_setup,io_submit,io_cancel,io_destroy,io_getevents,io_pgetevents,io_pgetevents_time64",
	  "the older asynchronous I/O" },
	{ "@basic-io", "read,readv,pread64,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,lseek,_llseek,"
	  "close,close_range,dup,dup2,dup3,fcntl:NO_SIGNALS,fcntl64:NO_SIGNALS,poll,ppoll,ppoll_time64,select,"
	  "_newselect,pselect6,pselect6_time64",
	  "reading and writing descriptors that are there" },
	{ "@chown", "chown,chown32,fchown,fchown32,fchownat,lchown,lchown32", "changing owners" },
	{ "@clock", "settimeofday,stime,clock_settime,clock_settime64,adjtimex,clock_adjtime,clock_adjtime64",
	  "setting the clock" },
	{ "@cpu-emulation", "modify_ldt,vm86,vm86old,subpage_prot,switch_endian", "what emulators of old processors use" },
	{ "@debug", "ptrace,process_vm_readv,process_vm_writev,kcmp,pidfd_getfd,perf_event_open,process_madvise,"
	  "process_mrelease",
	  "looking into other processes" },
	{ "@file-system", "open,openat,openat2,creat,stat,stat64,lstat,lstat64,fstat,fstat64,newfstatat,"
	  "fstatat64,statx,access,faccessat,faccessat2,readlink,readlinkat,getdents,getdents64,getcwd,chdir,"
	  "fchdir,mkdir,mkdirat,rmdir,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,"
	  "mknod,mknodat,chmod,fchmod,fchmodat,fchmodat2,truncate,truncate64,ftruncate,ftruncate64,fallocate,"
	  "utime,utimes,utimensat,utimensat_time64,futimesat,statfs,statfs64,fstatfs,fstatfs64,umask,getxattr,"
	  "lgetxattr,fgetxattr,listxattr,llistxattr,flistxattr,setxattr,lsetxattr,fsetxattr,removexattr,"
	  "lremovexattr,fremovexattr,setxattrat,getxattrat,listxattrat,removexattrat,file_getattr,file_setattr,"
	  "cachestat,statmount,listmount,inotify_init,inotify_init1,inotify_add_watch,inotify_rm_watch,flock,"
	  "copy_file_range,sendfile,sendfile64,splice,tee,vmsplice,fadvise64,fadvise64_64,readahead", "files and directories by path" },
	{ "@io-event", "epoll_create,epoll_create1,epoll_ctl,epoll_ctl_old,epoll_wait,epoll_wait_old,"
	  "epoll_pwait,epoll_pwait2,eventfd,eventfd2", "waiting for many descriptors" },
	{ "@io-uring", "io_uring_setup:ENOSYS,io_uring_enter:ENOSYS,io_uring_register:ENOSYS", "io_uring" },
	{ "@ipc", "shmget,shmat,shmdt,shmctl,semget,semop,semctl,semtimedop,semtimedop_time64,msgget,msgsnd,"
	  "msgrcv,msgctl,ipc,mq_open,mq_unlink,mq_timedsend,mq_timedsend_time64,mq_timedreceive,"
	  "mq_timedreceive_time64,mq_notify,mq_getsetattr,pipe,pipe2,memfd_create", "shared memory, semaphores, message queues, pipes" },
	{ "@kexec", "kexec_load,kexec_file_load", "starting another kernel" },
	{ "@keyring", "add_key,keyctl,request_key", "the kernel's key rings" },
	{ "@memory", "brk,mmap,mmap2,munmap,mprotect,mremap,madvise,mincore,msync,membarrier,mlock,mlock2,"
	  "munlock,mlockall,munlockall,pkey_alloc,pkey_free,pkey_mprotect,map_shadow_stack,mseal,memfd_secret", "a process's own memory" },
	{ "@module", "init_module,finit_module,delete_module",
	  "kernel modules" },
	/* ENOSYS for the newer interface: who meets it falls back to mount(2) and is told EPERM there. */
	{ "@mount", "mount,umount,umount2,pivot_root,chroot,open_tree:ENOSYS,open_tree_attr:ENOSYS,"
	  "move_mount:ENOSYS,fsopen:ENOSYS,fsconfig:ENOSYS,fsmount:ENOSYS,fspick:ENOSYS,mount_setattr:ENOSYS",
	  "mounting and changing the root" },
	{ "@namespaces", "unshare,setns,clone:CLONE_NEWUSER,clone:CLONE_NEWNS,clone:CLONE_NEWPID,"
	  "clone:CLONE_NEWNET,clone:CLONE_NEWIPC,clone:CLONE_NEWUTS,clone:CLONE_NEWCGROUP,"
	  "open_tree:OPEN_TREE_NAMESPACE:ENOSYS,open_tree_attr:OPEN_TREE_NAMESPACE:ENOSYS,"
	  "fsmount:FSMOUNT_NAMESPACE:ENOSYS,listns",
	  "making, joining and listing namespaces" },
	{ "@network-io", "socket,socketpair,socketcall,bind,listen,accept,accept4,connect,getsockname,"
	  "getpeername,getsockopt,setsockopt,send,sendto,sendmsg,sendmmsg,recv,recvfrom,recvmsg,recvmmsg,"
	  "recvmmsg_time64,shutdown", "sockets" },
	{ "@obsolete", "_sysctl,afs_syscall,bdflush,break,create_module,ftime,get_kernel_syms,getpmsg,gtty,idle,"
	  "lookup_dcookie,lock,mpx,nfsservctl,oldolduname,olduname,prof,profil,putpmsg,query_module,security,"
	  "sgetmask,ssetmask,stty,sysfs,tuxcall,ulimit,uselib,ustat,vserver", "what nothing uses any more" },
	{ "@privileged", "@clock,@kexec,@module,@raw-io,@reboot,@swap,@quota,acct,bpf,syslog,vhangup,"
	  "sethostname,setdomainname,open_by_handle_at,fanotify_init", "what only an administrator may do" },
	{ "@process", "clone,clone3,fork,vfork,execve,execveat,wait4,waitid,waitpid,kill,tkill,tgkill,"
	  "rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_open,pidfd_send_signal,exit,exit_group,getpid,getppid,gettid,"
	  "getpgid,getpgrp,setpgid,getsid,setsid,prctl,arch_prctl,lsm_get_self_attr,lsm_set_self_attr,"
	  "lsm_list_modules",
	  "starting, ending and signalling processes" },
	{ "@quota", "quotactl,quotactl_fd", "disk quotas" },
	{ "@raw-io", "iopl,ioperm,pciconfig_read,pciconfig_write,pciconfig_iobase,s390_pci_mmio_read,"
	  "s390_pci_mmio_write",
	  "the hardware's own ports" },
	{ "@reboot", "reboot", "restarting the machine" },
	{ "@resources", "setrlimit,prlimit64,setpriority,nice,sched_setscheduler,sched_setparam,sched_setattr,"
	  "sched_setaffinity,ioprio_set,mbind,set_mempolicy,set_mempolicy_home_node,migrate_pages,move_pages",
	  "limits, priorities, placement, also of the user's other processes" },
	{ "@setuid", "setuid,setuid32,setgid,setgid32,setreuid,setreuid32,setregid,setregid32,setresuid,"
	  "setresuid32,setresgid,setresgid32,setfsuid,setfsuid32,setfsgid,setfsgid32,setgroups,setgroups32,"
	  "capset",
	  "changing ids and capabilities" },
	{ "@signal", "rt_sigaction,rt_sigprocmask,rt_sigpending,rt_sigsuspend,rt_sigtimedwait,"
	  "rt_sigtimedwait_time64,rt_sigreturn,sigaction,sigaltstack,signal,signalfd,signalfd4,sigpending,"
	  "sigprocmask,sigreturn,sigsuspend,pause", "handling signals" },
	{ "@swap", "swapon,swapoff", "swap space" },
	{ "@sync", "sync,syncfs,fsync,fdatasync,sync_file_range,sync_file_range2,arm_sync_file_range,msync",
	  "writing back to disk" },
	{ "@thread", "clone:CLONE_THREAD,futex,futex_time64,futex_waitv,futex_wait,futex_wake,futex_requeue,"
	  "set_robust_list,gettid,sched_yield,sched_getaffinity,rseq,rseq_slice_yield,membarrier", "threads of the same process" },
	{ "@time", "clock_gettime,clock_gettime64,clock_getres,clock_getres_time64,gettimeofday,time,times,"
	  "nanosleep,clock_nanosleep,clock_nanosleep_time64,getrusage,getitimer", "reading the clock, sleeping" },
	{ "@timer", "alarm,setitimer,timer_create,timer_delete,timer_getoverrun,timer_gettime,timer_gettime64,"
	  "timer_settime,timer_settime64,timerfd_create,timerfd_gettime,timerfd_gettime64,timerfd_settime,"
	  "timerfd_settime64",
	  "timers" },
};
/* clang-format on */
const size_t n_call_groups = ARRAY_SIZE(call_groups);

/* glibc's and musl's loaders on every architecture, and what bwrapish does between loading and
 * execve(2), also when that fails. Opening to read only: a program that writes files has to be
 * allowed openat. Nothing that kills somebody else's process: so of fcntl only what is about
 * descriptors, and of prlimit64 only one's own limits. */
const char calls_always[] =
	"execve,brk,mmap,mmap2,munmap,mprotect,open:O_RDONLY,openat:O_RDONLY,read,pread64,write,close,fstat,"
	"fstat64,newfstatat,fstatat64,stat,stat64,lstat,lstat64,statx,access,faccessat,faccessat2,readlink,"
	"readlinkat,getcwd,fcntl:DESCRIPTOR,fcntl64:DESCRIPTOR,uname,arch_prctl,set_thread_area,get_thread_area,"
	"set_tls,cacheflush,riscv_flush_icache,riscv_hwprobe,set_tid_address,set_robust_list,rseq,futex,"
	"futex_time64,prlimit64:SELF,getrlimit,ugetrlimit,getrandom,getuid,getuid32,geteuid,geteuid32,getgid,"
	"getgid32,getegid,getegid32,rt_sigaction,rt_sigprocmask,rt_sigreturn,sigreturn,restart_syscall,exit,"
	"exit_group";

/* waitpid(2) in its forms, write_all() with the signals it keeps off, and the end: also of the others,
 * when the parent is gone. */
const char calls_of_init[] =
	"wait4,waitid,waitpid,read,write,close,poll,ppoll,ppoll_time64,rt_sigprocmask,rt_sigpending,"
	"rt_sigtimedwait,rt_sigtimedwait_time64,rt_sigreturn,sigreturn,restart_syscall,madvise,kill,exit,"
	"exit_group";

/* ipc(2) takes only the low 16 bits of its first argument for the call and a version above them, so
 * that denying it by number alone would not hold. */
const char calls_of_sysv_ipc[] =
	"shmget,shmat,shmdt,shmctl,semget,semop,semctl,semtimedop,msgget,msgsnd,msgrcv,msgctl";

#define CHOWN "chown,chown32,lchown,lchown32,fchown,fchown32,fchownat"
const char calls_of_chown[] = CHOWN;

/* Whose success is 0 and gives the caller nothing to go on with, no descriptor, number or memory; and what it then
 * misses is not there, or not as it believes, and no more. */
const char calls_that_may_pretend[] = CHOWN
	",sync,syncfs,fsync,fdatasync,sync_file_range,sync_file_range2,arm_sync_file_range,msync,"
	"setxattr,lsetxattr,fsetxattr,setxattrat,removexattr,lremovexattr,fremovexattr,removexattrat,"
	"mknod,mknodat";

/* Denied by `default` and by `build`: no program that is not part of the system's own
 * administration needs them. */
#define NEVER_NEEDED                                                                            \
	{ "@module", "load code into the kernel" }, { "@kexec", "start another kernel" },       \
		{ "@reboot", "stop or restart the machine" },                                   \
		{ "@clock", "set the machine's clock, which everybody shares" },                \
		{ "@quota", "change other users' disk quotas" },                                \
		{ "@swap", "change the machine's swap space" },                                 \
		{ "@raw-io", "drive hardware directly, past the kernel" },                      \
		{ "acct", "switch process accounting for the whole machine" },                  \
		{ "syslog",                                                                     \
		  "read the kernel's messages, with addresses and other users' doings" },       \
		{ "bpf",                                                                        \
		  "load programs into the kernel; its verifier has been broken many times" },   \
		{ "perf_event_open", "large and often broken; shows what other processes do" }, \
		{ "userfaultfd,ioctl:USERFAULTFD_IOC_NEW",                                      \
		  "stops the kernel in the middle of a copy, which exploits need" },            \
		{ "@keyring:ENOSYS",                                                            \
		  "keys are not separated by namespaces (CVE-2016-0728, CVE-2017-6951)" },      \
		{ "open_by_handle_at",                                                          \
		  "opens files past every mount point (the \"shocker\" escape)" },              \
	{                                                                                       \
		"uselib,lookup_dcookie,sysfs,ustat,vm86,vm86old",                               \
			"obsolete; nothing current calls them"                                  \
	}

static const struct profile_row default_rows[] = {
	NEVER_NEEDED,
	{ "@mount",
	  "mount and change the root: with a user namespace the way to much kernel code (CVE-2022-0185)" },
	{ "@namespaces",
	  "give the caller capabilities over new namespaces, the door to most kernel holes of late (CVE-2021-41133); clone3 answers ENOSYS, because its flags cannot be seen" },
	{ "@io-uring", "does what other calls do without a filter seeing it; much broken" },
	{ "ioctl:TIOCSTI,ioctl:TIOCLINUX",
	  "type into a terminal or paste on the console (CVE-2017-5226), also one that was not there at the start" },
	{ "personality:OBSOLETE", "emulation of other systems, unused and untested" },
	{ "socket:AF_AX25:EAFNOSUPPORT,socket:AF_IPX:EAFNOSUPPORT,socket:AF_APPLETALK:EAFNOSUPPORT,"
	  "socket:AF_NETROM:EAFNOSUPPORT,socket:AF_BRIDGE:EAFNOSUPPORT,socket:AF_ATMPVC:EAFNOSUPPORT,"
	  "socket:AF_X25:EAFNOSUPPORT,socket:AF_ROSE:EAFNOSUPPORT,socket:12:EAFNOSUPPORT,"
	  "socket:AF_NETBEUI:EAFNOSUPPORT,socket:AF_SECURITY:EAFNOSUPPORT,socket:AF_KEY:EAFNOSUPPORT,"
	  "socket:AF_PACKET+:EAFNOSUPPORT",
	  "every family but AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK: rarely used, loaded on demand, and where many holes are; i386's socketcall makes no socket, because the family cannot be seen" },
	{ "socketpair:AF_TIPC:EAFNOSUPPORT", "the one family but AF_UNIX that makes pairs" },
};

static const struct profile_row build_rows[] = { NEVER_NEEDED };

static const struct profile_row minimal_rows[] = {
	{ "@always", "to be executed at all; files are opened for reading only" },
	{ "readv,preadv,preadv2,writev,pwrite64,pwritev,pwritev2,lseek,_llseek,dup,dup2,dup3,poll,ppoll,"
	  "ppoll_time64,select,_newselect,pselect6,pselect6_time64,getdents64,ioctl:TCGETS,ioctl:TIOCGWINSZ,"
	  "ioctl:FIONREAD",
	  "read and write what is open, read directories, ask whether it is a terminal" },
	{ "mremap,madvise,mincore,membarrier", "memory of its own" },
	{ "@time", "the clock" },
	{ "@thread", "threads, so that computing can use every processor; no processes" },
	{ "getpid,getppid,getpgrp,getgroups,getgroups32,getresuid,getresuid32,getresgid,getresgid32,getcpu,"
	  "sysinfo,sched_getparam,sched_getscheduler,sched_get_priority_max,sched_get_priority_min,sigaltstack",
	  "ask about oneself" },
};

const struct profile profiles[] = {
	{ "default", "what desktop-app and container defaults agree to deny", false, default_rows,
	  ARRAY_SIZE(default_rows) },
	{ "build", "what no compiler, package build or test suite needs", false, build_rows,
	  ARRAY_SIZE(build_rows) },
	{ "minimal", "computing only: read, write, memory, time, exit", true, minimal_rows,
	  ARRAY_SIZE(minimal_rows) },
};
const size_t n_profiles = ARRAY_SIZE(profiles);
