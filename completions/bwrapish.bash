# bash completion for bwrapish
# Made by tools/completions from the option table; change that.
_bwrapish()
{
	local cur=${COMP_WORDS[COMP_CWORD]} i=1 kinds n

	COMPREPLY=()
	# Walk over whole options, each with its words, up to the one under the cursor.
	while ((i < COMP_CWORD)); do
		case ${COMP_WORDS[i]} in
		--args | --check-json | --features-json | --monotonic-offset | --boottime-offset | --userns | --userns2 | --pidns | --netns | --ipcns | --utsns | --cgroupns | --timens | --uid | --gid | --hostname | --pasta-opt | --publish | --overlay-src-fd | --overlay-opt | --overlay-changes | --file-label | --mask-glob | --protect-glob | --dev-add | --dev-add-try | --hosts | --perms | --size | --inodes | --mount-flags | --argv0 | --env-fd | --env | --die-with-fd | --keep-fd | --seccomp | --add-seccomp-fd | --seccomp-deny | --seccomp-allow | --seccomp-errno | --seccomp-dump | --seccomp-trace | --exec-label | --connect-tcp | --bind-tcp | --connect-udp | --bind-udp | --timeout | --kill-after | --sync-fd | --block-fd | --userns-block-fd | --info-fd | --pidfd-socket | --json-status-fd | --trace-denied) kinds=(none) ;;
		--uid-map | --gid-map) kinds=(none none none) ;;
		--tcp-out | --tcp-in | --rlimit | --limit | --limit-try) kinds=(none none) ;;
		--bind | --bind-try | --dev-bind | --dev-bind-try | --ro-bind | --ro-bind-try | --symlink | --bind-create | --bind-inner) kinds=(file file) ;;
		--bind-fd | --ro-bind-fd | --file | --bind-data | --ro-bind-data | --chmod | --data) kinds=(none file) ;;
		--overlay-src | --tmp-overlay | --ro-overlay | --remount-ro | --proc | --proc-pid | --proc-try | --dev | --tmpfs | --mqueue | --dir | --mask | --mask-try | --protect | --protect-try | --same-bind | --same-bind-try | --same-ro-bind | --same-ro-bind-try | --sys | --cgroup2 | --connect-unix | --cgroup | --lock-file) kinds=(file) ;;
		--overlay) kinds=(file directory file) ;;
		--overlay-backend) kinds=(backend) ;;
		--unix-out) kinds=(file none) ;;
		--resolv-conf) kinds=(resolver) ;;
		--propagation) kinds=(propagation) ;;
		--chdir) kinds=(directory) ;;
		--setenv) kinds=(variable none) ;;
		--unsetenv) kinds=(variable) ;;
		--exit-codes) kinds=(code) ;;
		--cap-add | --cap-drop) kinds=(capability) ;;
		--seccomp-profile) kinds=(profile) ;;
		--scope) kinds=(scope) ;;
		-- | [!-]*)
			# COMMAND: its own completion takes over.
			[[ ${COMP_WORDS[i]} != -- ]] || ((i++))
			_bwrapish_command "$i"
			return
			;;
		*) kinds=() ;;
		esac
		((n = COMP_CWORD - i - 1))
		if ((n < ${#kinds[@]})); then
			_bwrapish_word "${kinds[n]}" "$cur"
			return
		fi
		((i += 1 + ${#kinds[@]}))
	done

	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W '--help --version --args --dry-run --check --check-json --features --features-json --verbose --level-prefix --unshare-all --share-net --unshare-user --unshare-user-try --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup --unshare-cgroup-try --unshare-time --monotonic-offset --boottime-offset --userns --userns2 --pidns --netns --ipcns --utsns --cgroupns --timens --disable-userns --assert-userns-disabled --uid --gid --hostname --map-auto --uid-map --gid-map --keep-groups --tcp-out --tcp-in --net-pasta --pasta-opt --publish --bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --bind-fd --ro-bind-fd --overlay-src --overlay-src-fd --overlay --tmp-overlay --ro-overlay --overlay-backend --overlay-opt --overlay-changes --remount-ro --proc --proc-pid --proc-try --dev --tmpfs --mqueue --dir --file --bind-data --ro-bind-data --symlink --chmod --file-label --not-a-security-boundary --mask --mask-try --protect --protect-try --mask-glob --protect-glob --glob-across-mounts --protect-accidents-only --same-bind --same-bind-try --same-ro-bind --same-ro-bind-try --bind-create --bind-inner --sys --cgroup2 --dev-add --dev-add-try --unix-out --data --resolv-conf --hosts --perms --size --inodes --propagation --mount-flags --chdir --argv0 --clearenv --setenv --env-fd --unsetenv --env --new-session --pty --no-tty-guard --allow-keys --die-with-parent --die-with-fd --die-with-command --exit-codes --as-pid-1 --exit-signal --close-fds --keep-fd --listen-fds --cap-add --cap-drop --seccomp --add-seccomp-fd --seccomp-deny --fake-chown --suppress-sync --seccomp-allow --seccomp-errno --seccomp-profile --seccomp-log --seccomp-dump --seccomp-trace --exec-label --connect-tcp --bind-tcp --connect-udp --bind-udp --connect-unix --scope --landlock-try --mdwe --rlimit --limit --limit-try --cgroup --timeout --kill-after --lock-file --sync-fd --block-fd --userns-block-fd --info-fd --pidfd-socket --json-status-fd --trace-denied' -- "$cur")
	else
		_bwrapish_command "$i"
	fi
}

_bwrapish_word() # KIND CUR
{
	case $1 in
	file)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$2")
		;;
	directory)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$2")
		;;
	capability) mapfile -t COMPREPLY < <(compgen -W 'ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -- "${2^^}") ;;
	variable) mapfile -t COMPREPLY < <(compgen -v -- "$2") ;;
	propagation) mapfile -t COMPREPLY < <(compgen -W 'private slave' -- "$2") ;;
	profile) mapfile -t COMPREPLY < <(compgen -W 'default build minimal' -- "$2") ;;
	backend) mapfile -t COMPREPLY < <(compgen -W 'auto kernel fuse' -- "$2") ;;
	code) mapfile -t COMPREPLY < <(compgen -W 'bwrap env' -- "$2") ;;
	scope) mapfile -t COMPREPLY < <(compgen -W 'abstract-unix signal' -- "$2") ;;
	resolver) mapfile -t COMPREPLY < <(compgen -W 'auto' -- "$2") ;;
	esac
}

_bwrapish_command() # INDEX OF COMMAND
{
	if ((COMP_CWORD == $1)); then
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
	elif declare -F _comp_command_offset >/dev/null; then
		_comp_command_offset "$1"
	elif declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	else
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}

complete -F _bwrapish bwrapish
