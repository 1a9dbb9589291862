# fish completion for bwrapish
# Made by tools/completions from the option table; change that.
# Which word comes next: "option" (or COMMAND), the kind of an option's word, or "command N" once COMMAND is there.
function __bwrapish_next
	set -l words (commandline -opc)
	set -l i 2
	while test $i -le (count $words)
		set -l kinds
		switch $words[$i]
			case --args --check-json --features-json --monotonic-offset --boottime-offset --userns --userns2 --pidns --netns --ipcns --utsns --cgroupns --timens --uid --gid --hostname --pasta-opt --publish --overlay-src-fd --overlay-opt --overlay-changes --file-label --mask-glob --protect-glob --dev-add --dev-add-try --hosts --perms --size --inodes --mount-flags --argv0 --env-fd --env --die-with-fd --keep-fd --seccomp --add-seccomp-fd --seccomp-deny --seccomp-allow --seccomp-errno --seccomp-dump --seccomp-trace --exec-label --connect-tcp --bind-tcp --connect-udp --bind-udp --timeout --kill-after --sync-fd --block-fd --userns-block-fd --info-fd --pidfd-socket --json-status-fd --trace-denied
				set kinds none
			case --uid-map --gid-map
				set kinds none none none
			case --tcp-out --tcp-in --rlimit --limit --limit-try
				set kinds none none
			case --bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --symlink --bind-create --bind-inner
				set kinds file file
			case --bind-fd --ro-bind-fd --file --bind-data --ro-bind-data --chmod --data
				set kinds none file
			case --overlay-src --tmp-overlay --ro-overlay --remount-ro --proc --proc-pid --proc-try --dev --tmpfs --mqueue --dir --mask --mask-try --protect --protect-try --same-bind --same-bind-try --same-ro-bind --same-ro-bind-try --sys --cgroup2 --connect-unix --cgroup --lock-file
				set kinds file
			case --overlay
				set kinds file directory file
			case --overlay-backend
				set kinds backend
			case --unix-out
				set kinds file none
			case --resolv-conf
				set kinds resolver
			case --propagation
				set kinds propagation
			case --chdir
				set kinds directory
			case --setenv
				set kinds variable none
			case --unsetenv
				set kinds variable
			case --exit-codes
				set kinds code
			case --cap-add --cap-drop
				set kinds capability
			case --seccomp-profile
				set kinds profile
			case --scope
				set kinds scope
			case --
				echo command (math $i + 1)
				return
			case '-*'
			case '*'
				echo command $i
				return
		end
		set -l n (math (count $words) - $i + 1)
		if test $n -le (count $kinds)
			echo $kinds[$n]
			return
		end
		set i (math $i + 1 + (count $kinds))
	end
	echo option
end

function __bwrapish_wants
	set -l next (__bwrapish_next)
	string match -q -- "$argv[1]" $next
end

function __bwrapish_command
	set -l next (string split ' ' -- (__bwrapish_next))
	set -l words (commandline -opc) (commandline -ct)
	test "$next[1]" = option; and set next command (count $words)
	complete -C (string join ' ' -- (string escape -- $words[$next[2]..-2]) $words[-1])
end

complete -c bwrapish -f
complete -c bwrapish -n '__bwrapish_wants "command*"' -a '(__bwrapish_command)'
complete -c bwrapish -n '__bwrapish_wants option; and not string match -q -- "-*" (commandline -ct)' -a '(__bwrapish_command)'
complete -c bwrapish -n '__bwrapish_wants file' -F
complete -c bwrapish -n '__bwrapish_wants directory' -a '(__fish_complete_directories (commandline -ct))'
complete -c bwrapish -n '__bwrapish_wants capability' -a 'ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE'
complete -c bwrapish -n '__bwrapish_wants variable' -a '(set -nx)'
complete -c bwrapish -n '__bwrapish_wants propagation' -a 'private slave'
complete -c bwrapish -n '__bwrapish_wants profile' -a 'default build minimal'
complete -c bwrapish -n '__bwrapish_wants backend' -a 'auto kernel fuse'
complete -c bwrapish -n '__bwrapish_wants code' -a 'bwrap env'
complete -c bwrapish -n '__bwrapish_wants scope' -a 'abstract-unix signal'
complete -c bwrapish -n '__bwrapish_wants resolver' -a 'auto'
complete -c bwrapish -n '__bwrapish_wants option' -l help -d 'print this help and exit'
complete -c bwrapish -n '__bwrapish_wants option' -l version -d 'print the version and exit'
complete -c bwrapish -n '__bwrapish_wants option' -l args -d 'read NUL-separated options from FD, in place'
complete -c bwrapish -n '__bwrapish_wants option' -l dry-run -d 'check the line, tell what would be done, do nothing'
complete -c bwrapish -n '__bwrapish_wants option' -l check -d 'try what a sandbox needs, or this line; tell the cure'
complete -c bwrapish -n '__bwrapish_wants option' -l check-json -d 'the same, written to FD as JSON'
complete -c bwrapish -n '__bwrapish_wants option' -l features -d 'tell what this machine offers'
complete -c bwrapish -n '__bwrapish_wants option' -l features-json -d 'the same, written to FD as JSON'
complete -c bwrapish -n '__bwrapish_wants option' -l verbose -d 'tell each step on stderr as it happens'
complete -c bwrapish -n '__bwrapish_wants option' -l level-prefix -d 'begin errors with <3> and warnings with <4>'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-all -d 'all of the following that the kernel has, but time'
complete -c bwrapish -n '__bwrapish_wants option' -l share-net -d 'keep the network in spite of what was said before'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-user -d 'a new user namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-user-try -d 'the same, or go on without where the kernel has none'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-ipc -d 'a new IPC namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-pid -d 'a new pid namespace, with a reaper as pid 1'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-net -d 'a new network namespace with only a loopback device'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-uts -d 'a new UTS namespace (host name)'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-cgroup -d 'a new cgroup namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-cgroup-try -d 'the same, or go on without where the kernel has none'
complete -c bwrapish -n '__bwrapish_wants option' -l unshare-time -d 'a new time namespace; the wall clock is the host\'s'
complete -c bwrapish -n '__bwrapish_wants option' -l monotonic-offset -d 'add this to CLOCK_MONOTONIC; needs --unshare-time'
complete -c bwrapish -n '__bwrapish_wants option' -l boottime-offset -d 'add this to CLOCK_BOOTTIME; needs --unshare-time'
complete -c bwrapish -n '__bwrapish_wants option' -l userns -d 'join this user namespace instead of making one'
complete -c bwrapish -n '__bwrapish_wants option' -l userns2 -d 'join this user namespace once setup is done'
complete -c bwrapish -n '__bwrapish_wants option' -l pidns -d 'join this pid namespace, or make the new one below it'
complete -c bwrapish -n '__bwrapish_wants option' -l netns -d 'join this network namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l ipcns -d 'join this IPC namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l utsns -d 'join this UTS namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l cgroupns -d 'join this cgroup namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l timens -d 'join this time namespace'
complete -c bwrapish -n '__bwrapish_wants option' -l disable-userns -d 'no further user namespaces inside; needs --unshare-user'
complete -c bwrapish -n '__bwrapish_wants option' -l assert-userns-disabled -d 'refuse to run where one could still be made inside'
complete -c bwrapish -n '__bwrapish_wants option' -l uid -d 'the user id inside'
complete -c bwrapish -n '__bwrapish_wants option' -l gid -d 'the group id inside'
complete -c bwrapish -n '__bwrapish_wants option' -l hostname -d 'the host name inside; needs --unshare-uts'
complete -c bwrapish -n '__bwrapish_wants option' -l map-auto -d 'be uid and gid 0 inside, and have the subordinate ids as 1 and up'
complete -c bwrapish -n '__bwrapish_wants option' -l uid-map -d 'have so many uids from OUTER on as INNER and up'
complete -c bwrapish -n '__bwrapish_wants option' -l gid-map -d 'have so many gids from OUTER on as INNER and up'
complete -c bwrapish -n '__bwrapish_wants option' -l keep-groups -d 'keep the caller\'s supplementary groups where they could be left'
complete -c bwrapish -n '__bwrapish_wants option' -l tcp-out -d 'PORT of the loopback device inside leads to TARGET outside'
complete -c bwrapish -n '__bwrapish_wants option' -l tcp-in -d 'TCP to ADDR:PORT outside leads to PORT of the loopback device inside'
complete -c bwrapish -n '__bwrapish_wants option' -l net-pasta -d 'the new network namespace reaches what the host reaches, by pasta'
complete -c bwrapish -n '__bwrapish_wants option' -l pasta-opt -d 'one more word for pasta\'s command line'
complete -c bwrapish -n '__bwrapish_wants option' -l publish -d 'TCP to PORT of the host, at ADDR or everywhere, reaches PORT inside'
complete -c bwrapish -n '__bwrapish_wants option' -l bind -d 'show the host\'s SRC at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-try -d 'the same, skipped where SRC does not exist'
complete -c bwrapish -n '__bwrapish_wants option' -l dev-bind -d 'as --bind, with device nodes that work'
complete -c bwrapish -n '__bwrapish_wants option' -l dev-bind-try -d 'the same, skipped where SRC does not exist'
complete -c bwrapish -n '__bwrapish_wants option' -l ro-bind -d 'show the host\'s SRC read-only at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l ro-bind-try -d 'the same, skipped where SRC does not exist'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-fd -d 'as --bind, for the file or directory that FD refers to'
complete -c bwrapish -n '__bwrapish_wants option' -l ro-bind-fd -d 'the same, read-only'
complete -c bwrapish -n '__bwrapish_wants option' -l overlay-src -d 'a layer of the next overlay, first is bottom'
complete -c bwrapish -n '__bwrapish_wants option' -l overlay-src-fd -d 'the same, for the directory that FD refers to'
complete -c bwrapish -n '__bwrapish_wants option' -l overlay -d 'the layers merged at DEST, writes go to RWSRC'
complete -c bwrapish -n '__bwrapish_wants option' -l tmp-overlay -d 'the same, writes vanish'
complete -c bwrapish -n '__bwrapish_wants option' -l ro-overlay -d 'two or more layers merged read-only at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l overlay-backend -d 'auto, kernel or fuse: who merges the next overlay'
complete -c bwrapish -n '__bwrapish_wants option' -l overlay-opt -d 'a mount option of the next overlay (volatile, index=off, ...)'
complete -c bwrapish -n '__bwrapish_wants option' -l overlay-changes -d 'list what was changed in the next overlay on FD, as JSON lines'
complete -c bwrapish -n '__bwrapish_wants option' -l remount-ro -d 'make the mount at DEST read-only, not those below it'
complete -c bwrapish -n '__bwrapish_wants option' -l proc -d 'procfs at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l proc-pid -d 'the same with processes and nothing else in it (subset=pid)'
complete -c bwrapish -n '__bwrapish_wants option' -l proc-try -d 'procfs at DEST, or what there can be of it'
complete -c bwrapish -n '__bwrapish_wants option' -l dev -d 'a small /dev at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l tmpfs -d 'an empty tmpfs at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l mqueue -d 'POSIX message queues at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l dir -d 'a directory at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l file -d 'a copy of what FD holds, written to DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-data -d 'a private copy of what FD holds, shown at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l ro-bind-data -d 'the same, read-only'
complete -c bwrapish -n '__bwrapish_wants option' -l symlink -d 'a symbolic link at DEST that says SRC'
complete -c bwrapish -n '__bwrapish_wants option' -l chmod -d 'change the mode of what is at PATH'
complete -c bwrapish -n '__bwrapish_wants option' -l file-label -d 'SELinux label of what is made'
complete -c bwrapish -n '__bwrapish_wants option' -l not-a-security-boundary -d 'only warn where a submount\'s flags cannot be set'
complete -c bwrapish -n '__bwrapish_wants option' -l mask -d 'hide what is at PATH: nothing to see, and nothing to make there'
complete -c bwrapish -n '__bwrapish_wants option' -l mask-try -d 'the same, with a warning where it cannot be had'
complete -c bwrapish -n '__bwrapish_wants option' -l protect -d 'keep what is at PATH from being changed, moved or removed'
complete -c bwrapish -n '__bwrapish_wants option' -l protect-try -d 'the same, with a warning where it cannot be had'
complete -c bwrapish -n '__bwrapish_wants option' -l mask-glob -d 'hide what matches now, as in a shell with globstar'
complete -c bwrapish -n '__bwrapish_wants option' -l protect-glob -d 'protect what matches now'
complete -c bwrapish -n '__bwrapish_wants option' -l glob-across-mounts -d 'look for matches below mounts in the pattern\'s directory, too'
complete -c bwrapish -n '__bwrapish_wants option' -l protect-accidents-only -d 'leave user namespaces inside possible, which undo the two'
complete -c bwrapish -n '__bwrapish_wants option' -l same-bind -d 'show the host\'s PATH at the same PATH'
complete -c bwrapish -n '__bwrapish_wants option' -l same-bind-try -d 'the same, skipped where PATH does not exist'
complete -c bwrapish -n '__bwrapish_wants option' -l same-ro-bind -d 'show the host\'s PATH read-only at the same PATH'
complete -c bwrapish -n '__bwrapish_wants option' -l same-ro-bind-try -d 'the same, skipped where PATH does not exist'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-create -d 'as --bind; a directory SRC that does not exist is made on the host'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-inner -d 'show at DEST what is at SRC inside by then, with its flags'
complete -c bwrapish -n '__bwrapish_wants option' -l sys -d 'sysfs of the new network namespace at DEST, read-only'
complete -c bwrapish -n '__bwrapish_wants option' -l cgroup2 -d 'the control groups of the new cgroup namespace at DEST'
complete -c bwrapish -n '__bwrapish_wants option' -l dev-add -d 'put dri, kvm, fuse, tun, snd, video, nvidia or a node into --dev'
complete -c bwrapish -n '__bwrapish_wants option' -l dev-add-try -d 'the same, skipped where there is none'
complete -c bwrapish -n '__bwrapish_wants option' -l unix-out -d 'a socket at PATH inside that leads to TARGET outside'
complete -c bwrapish -n '__bwrapish_wants option' -l data -d 'a private read-only file at DEST that holds TEXT, no secret'
complete -c bwrapish -n '__bwrapish_wants option' -l resolv-conf -d 'auto: the host\'s resolver at /etc/resolv.conf, wherever its file is'
complete -c bwrapish -n '__bwrapish_wants option' -l hosts -d 'NAME has the address ADDR, in a new /etc/hosts'
complete -c bwrapish -n '__bwrapish_wants option' -l perms -d 'the mode of what the next operation makes'
complete -c bwrapish -n '__bwrapish_wants option' -l size -d 'the size limit of the next --tmpfs'
complete -c bwrapish -n '__bwrapish_wants option' -l inodes -d 'how many files the next --tmpfs can hold, itself included'
complete -c bwrapish -n '__bwrapish_wants option' -l propagation -d 'private or slave: do mounts of the host appear later in the next bind'
complete -c bwrapish -n '__bwrapish_wants option' -l mount-flags -d 'noexec, nosuid, nodev, nosymfollow, ro, noatime for the next mount'
complete -c bwrapish -n '__bwrapish_wants option' -l chdir -d 'start in DIR, a path inside'
complete -c bwrapish -n '__bwrapish_wants option' -l argv0 -d 'what COMMAND sees as its own name'
complete -c bwrapish -n '__bwrapish_wants option' -l clearenv -d 'forget the whole environment'
complete -c bwrapish -n '__bwrapish_wants option' -l setenv -d 'set a variable'
complete -c bwrapish -n '__bwrapish_wants option' -l env-fd -d 'set the variables that FD has, NUL-separated NAME=VALUE'
complete -c bwrapish -n '__bwrapish_wants option' -l unsetenv -d 'forget a variable'
complete -c bwrapish -n '__bwrapish_wants option' -l env -d 'take a variable from the caller again, after --clearenv'
complete -c bwrapish -n '__bwrapish_wants option' -l new-session -d 'a new terminal session (setsid)'
complete -c bwrapish -n '__bwrapish_wants option' -l pty -d 'a terminal of the sandbox\'s own, in place of the caller\'s'
complete -c bwrapish -n '__bwrapish_wants option' -l no-tty-guard -d 'allow typing into the caller\'s terminal, and signals (O_ASYNC)'
complete -c bwrapish -n '__bwrapish_wants option' -l allow-keys -d 'leave COMMAND the caller\'s kernel keys (keyctl)'
complete -c bwrapish -n '__bwrapish_wants option' -l die-with-parent -d 'kill the sandbox when bwrapish or its parent dies'
complete -c bwrapish -n '__bwrapish_wants option' -l die-with-fd -d 'kill the sandbox when FD ends: a pipe, a socket, a pidfd'
complete -c bwrapish -n '__bwrapish_wants option' -l die-with-command -d 'kill what COMMAND leaves behind when it ends'
complete -c bwrapish -n '__bwrapish_wants option' -l exit-codes -d 'of failures before COMMAND: env (125, 126, 127) or bwrap (1)'
complete -c bwrapish -n '__bwrapish_wants option' -l as-pid-1 -d 'COMMAND itself is pid 1; needs --unshare-pid'
complete -c bwrapish -n '__bwrapish_wants option' -l exit-signal -d 'end by the signal that COMMAND died of, not with 128 + its number'
complete -c bwrapish -n '__bwrapish_wants option' -l close-fds -d 'pass no descriptor above 2 to COMMAND'
complete -c bwrapish -n '__bwrapish_wants option' -l keep-fd -d 'except this one'
complete -c bwrapish -n '__bwrapish_wants option' -l listen-fds -d 'pass on what a service manager has opened (LISTEN_FDS)'
complete -c bwrapish -n '__bwrapish_wants option' -l cap-add -d 'give COMMAND a capability, or ALL, within the sandbox'
complete -c bwrapish -n '__bwrapish_wants option' -l cap-drop -d 'take a capability, or ALL, away'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp -d 'load the BPF program in FD'
complete -c bwrapish -n '__bwrapish_wants option' -l add-seccomp-fd -d 'the same, repeatable'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-deny -d 'deny the system calls and @groups in LIST, NAME:ERRNO with that error'
complete -c bwrapish -n '__bwrapish_wants option' -l fake-chown -d 'have chown(2) and its like succeed, and do nothing'
complete -c bwrapish -n '__bwrapish_wants option' -l suppress-sync -d 'have fsync(2) and its like succeed, and do nothing'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-allow -d 'allow only those in LIST; with a profile, allow them in spite of it'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-errno -d 'what is denied fails with this error (EPERM), or kill, or log'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-profile -d 'deny what a built-in profile denies: default, build or minimal'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-log -d 'have the kernel log what these deny'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-dump -d 'write what these come to to FD, as BPF for --seccomp'
complete -c bwrapish -n '__bwrapish_wants option' -l seccomp-trace -d 'deny nothing, write to FD what these would deny; no sandbox then'
complete -c bwrapish -n '__bwrapish_wants option' -l exec-label -d 'SELinux label of COMMAND'
complete -c bwrapish -n '__bwrapish_wants option' -l connect-tcp -d 'TCP connections to PORT, or FIRST-LAST, and no other; repeatable'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-tcp -d 'TCP servers at PORT, or FIRST-LAST, and no other; repeatable'
complete -c bwrapish -n '__bwrapish_wants option' -l connect-udp -d 'UDP to PORT, or FIRST-LAST, and no other; repeatable'
complete -c bwrapish -n '__bwrapish_wants option' -l bind-udp -d 'UDP from PORT, or FIRST-LAST, and no other; repeatable'
complete -c bwrapish -n '__bwrapish_wants option' -l connect-unix -d 'Unix sockets outside at PATH, or below, and no other; repeatable'
complete -c bwrapish -n '__bwrapish_wants option' -l scope -d 'reach no abstract-unix socket, or by no signal, who is outside'
complete -c bwrapish -n '__bwrapish_wants option' -l landlock-try -d 'go on with a warning where the kernel cannot do one of these'
complete -c bwrapish -n '__bwrapish_wants option' -l mdwe -d 'memory that is or was writable is never executed'
complete -c bwrapish -n '__bwrapish_wants option' -l rlimit -d 'a resource limit of COMMAND\'s, named as in getrlimit(2)'
complete -c bwrapish -n '__bwrapish_wants option' -l limit -d 'limit the sandbox by its own control group\'s file KEY'
complete -c bwrapish -n '__bwrapish_wants option' -l limit-try -d 'the same, or warn and go on where it cannot be had'
complete -c bwrapish -n '__bwrapish_wants option' -l cgroup -d 'make that group below this one (cgroup v2)'
complete -c bwrapish -n '__bwrapish_wants option' -l timeout -d 'end the sandbox after this time; exit code 124'
complete -c bwrapish -n '__bwrapish_wants option' -l kill-after -d 'how long --timeout waits between SIGTERM and SIGKILL (5)'
complete -c bwrapish -n '__bwrapish_wants option' -l lock-file -d 'hold a shared lock on DEST, a file inside, while the sandbox lives'
complete -c bwrapish -n '__bwrapish_wants option' -l sync-fd -d 'keep FD open while the sandbox lives'
complete -c bwrapish -n '__bwrapish_wants option' -l block-fd -d 'wait for FD before COMMAND starts'
complete -c bwrapish -n '__bwrapish_wants option' -l userns-block-fd -d 'wait for FD while the caller writes the id maps'
complete -c bwrapish -n '__bwrapish_wants option' -l info-fd -d 'write child-pid and namespaces to FD as JSON'
complete -c bwrapish -n '__bwrapish_wants option' -l pidfd-socket -d 'send COMMAND\'s pidfd over FD, a connected Unix socket, before it runs'
complete -c bwrapish -n '__bwrapish_wants option' -l json-status-fd -d 'write status lines to FD as JSON'
complete -c bwrapish -n '__bwrapish_wants option' -l trace-denied -d 'write to FD what only the sandbox denies, and what would allow it'
