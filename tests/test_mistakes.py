"""Lines that people type, what is said to each, and the line that this leads to, which has to work.

Taken from what users of bubblewrap and of its like asked in public (a missing DEST, --setenv A=b, a container engine's -v,
COMMAND in quotes, a line break without its \\), and from the manual's own examples, mistyped.
"""
import re
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest

from sandbox import BASE, PREFIX, as_user, assert_refused, data_fd, host_mounts, refused, run

BARE = "--ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64"
NO_CAPS = "--ro-bind / / --unshare-user --cap-drop ALL"  # as masks take of root

# Each: the line, what its one line of error has to say, and the line that was meant. {box} is a directory, the caller's own.
LINES = {
    # ---- where COMMAND is ----
    "no DEST": ("--ro-bind / ls", "no COMMAND: --ro-bind (argument 1) took ls as its DEST; write --ro-bind / / ls", "--ro-bind / / ls"),
    "no DEST, later": ("--ro-bind / / --bind {box} ls", "no COMMAND: --bind (argument 4) took ls as its DEST; write --bind {box} {box} ls",
                       "--ro-bind / / --bind {box} {box} ls"),
    "no place": ("--ro-bind / / --tmpfs ls", "no COMMAND: --tmpfs (argument 4) took ls as its DEST; write --tmpfs DEST ls", "--ro-bind / / --tmpfs /tmp ls /"),
    "no directory": ("--ro-bind / / --chdir ls", "no COMMAND: --chdir (argument 4) took ls as its DIR; write --chdir DIR ls", "--ro-bind / / --chdir / ls"),
    "no value": ("--ro-bind / / --setenv A ls", "no COMMAND: --setenv (argument 4) took ls as its VALUE; write --setenv A VALUE ls",
                 "--ro-bind / / --setenv A b ls"),
    "a number that is right": ("--ro-bind / / --timeout 5", "no COMMAND: --timeout (argument 4) took 5 as its SECONDS; what is to be run stands behind that", "--ro-bind / / --timeout 5 ls"),
    "SRC:DEST, no COMMAND": ("--ro-bind /:/ ls", "no COMMAND: --ro-bind (argument 1) took ls as its DEST; write --ro-bind / / ls", "--ro-bind / / ls"),
    "a line's end lost": ("--ro-bind / / --unshare-ipc", "no COMMAND: the line ends with --unshare-ipc (argument 4); what is to be run stands behind that, and in a script a line goes on",
                          "--ro-bind / / --unshare-ipc ls"),
    "nothing behind --": ("--ro-bind / / --", "no COMMAND: nothing stands behind --", "--ro-bind / / -- ls"),
    "DEST forgotten before an option": ("--ro-bind /usr --proc /proc ls", "--ro-bind (argument 1): DEST is missing: the next word is --proc",
                                        "--ro-bind / / --proc /proc ls"),
    "one quoted word": ("--ro-bind / / 'ls -l'", "COMMAND is one word with a space in it: its arguments are words of their own, ls -l", "--ro-bind / / ls -l"),
    "one quoted word with a path": ("--ro-bind / / '/bin/ls -l'", "its arguments are words of their own, /bin/ls -l", "--ro-bind / / /bin/ls -l"),
    "options behind COMMAND": ("ls --ro-bind / /", "--ro-bind (argument 2) stands behind COMMAND (argument 1), and goes to it: options stand before it", "--ro-bind / / ls"),
    "options behind --": ("--ro-bind / / -- --unshare-ipc ls", "it stands behind -- (argument 4), where no option is: put it before that", "--ro-bind / / --unshare-ipc -- ls"),
    "a directory too much": ("--ro-bind / / --tmpfs /tmp /usr ls", "it is a directory, and COMMAND begins with it at argument 6, as --tmpfs (argument 4) takes only DEST",
                             "--ro-bind / / --tmpfs /tmp ls /"),
    "typographic dashes": ("––ro-bind / / ls", "it begins with a dash of print: options begin with two of the keyboard, --ro-bind", "--ro-bind / / ls"),
    # ---- options by other names ----
    "one dash": ("-ro-bind / / ls", "Unknown option -ro-bind (argument 1); is --ro-bind meant?", "--ro-bind / / ls"),
    "an = for a space": ("--ro-bind / / --chdir=/ ls", "Unknown option --chdir=/ (argument 4); --chdir and what it takes are words of their own: --chdir DIR",
                         "--ro-bind / / --chdir / ls"),
    "= and a comma": ("--ro-bind=/,/ ls", "--ro-bind and what it takes are words of their own: --ro-bind SRC DEST", "--ro-bind / / ls"),
    "--setenv=A=b": ("--ro-bind / / --setenv=A=b ls", "--setenv and what it takes are words of their own: --setenv VAR VALUE", "--ro-bind / / --setenv A b ls"),
    "--bind-ro": ("--bind-ro / / ls", "Unknown option --bind-ro (argument 1); is --ro-bind meant?", "--ro-bind / / ls"),
    "--robind": ("--robind / / ls", "is --ro-bind meant?", "--ro-bind / / ls"),
    "--RO_BIND": ("--RO_BIND / / ls", "is --ro-bind meant?", "--ro-bind / / ls"),
    "--read-only": ("--read-only / / ls", "is --ro-bind meant?", "--ro-bind / / ls"),
    "--volume": ("--volume /:/ ls", "Unknown option --volume (argument 1); --ro-bind SRC DEST shows SRC, and --bind lets COMMAND write to it", "--ro-bind / / ls"),
    "--no-network": ("--ro-bind / / --no-network ls", "is --unshare-net meant (a network of its own", "--ro-bind / / --unshare-net ls"),
    "--net none": ("--ro-bind / / --net none ls", "is --unshare-net meant (a network of its own", "--ro-bind / / --unshare-net ls"),
    "-e": ("--ro-bind / / -e A=b ls", "is --setenv VAR VALUE meant?", "--ro-bind / / --setenv A b ls"),
    "--workdir": ("--ro-bind / / --workdir / ls", "is --chdir DIR meant?", "--ro-bind / / --chdir / ls"),
    "--tmp": ("--ro-bind / / --tmp /tmp ls /", "is --tmpfs DEST meant?", "--ro-bind / / --tmpfs /tmp ls /"),
    "--unshare-mount": ("--ro-bind / / --unshare-mount ls", "a mount namespace is always a new one: leave it out", "--ro-bind / / ls"),
    "--new-sesion": ("--ro-bind / / --new-sesion ls", "is --new-session meant?", "--ro-bind / / --new-session ls"),
    # ---- what they take ----
    "A=b for two words": ("--ro-bind / / --setenv A=b ls", "has a = in it; its value is a word of its own, A b", "--ro-bind / / --setenv A b ls"),
    "a name for a number": ("--unshare-user --ro-bind / / --uid root ls", "root is not a number from 0 to 4294967294; id -u root tells that of a user", "--unshare-user --ro-bind / / --uid 0 ls"),
    "a unit": ("--ro-bind / / --timeout 5s ls", "5s is not a number of seconds above 0, like 2 or 0.5", "--ro-bind / / --timeout 5 ls"),
    "a file for a descriptor": ("--ro-bind / / --ro-bind-data /etc/passwd {box}/data/file ls", "/etc/passwd is not a descriptor's number; a shell opens FILE as number 9 by 9<FILE",
                                "--ro-bind / / --ro-bind-data {fd} {box}/data/file ls"),
    "a capability's short name": ("--ro-bind / / --cap-drop NET_ADMIN ls", "is CAP_NET_ADMIN meant?", "--ro-bind / / --cap-drop CAP_NET_ADMIN ls"),
    "KEY=VALUE": ("--ro-bind / / --rlimit nofile=100 ls", "Unknown resource nofile=100 (they are named as in getrlimit(2), nofile for RLIMIT_NOFILE); its value is a word of its own, nofile 100",
                  "--ro-bind / / --rlimit nofile 100 ls"),
    "a modifier behind": ("--ro-bind / / --tmpfs /tmp --size 1M ls /", "--size (argument 6): must be followed by --tmpfs", "--ro-bind / / --size 1M --tmpfs /tmp ls /"),
    "without what it needs": ("--ro-bind / / --hostname x ls", "--hostname (argument 4): needs --unshare-uts", "--ro-bind / / --unshare-uts --hostname x ls"),
    # ---- sources ----
    "a quoted ~": (BARE + " --bind '~/data' /x ls", "Can't find source path ~/data: No such file or directory, at --bind (argument 13); the shell turns ~ into",
                   BARE + " --bind {box}/data /x ls /"),
    "a quoted variable": (BARE + " --bind '$HOME/data' /x ls", "at --bind (argument 13); the shell puts in a variable's value", BARE + " --bind {box}/data /x ls /"),
    "SRC:DEST": (BARE + " --bind {box}/data:/x /y ls", "SRC and DEST are words of their own: {box}/data /x", BARE + " --bind {box}/data /x ls /"),
    "a directory mistyped": (BARE + " --bind {box}/dta/file /x ls", "at --bind (argument 13); on the way there is no {box}/dta", BARE + " --bind {box}/data/file /x ls /"),
    "below a file": (BARE + " --bind {box}/data/file/x /x ls", "Not a directory, at --bind (argument 13); on the way, {box}/data/file is a file", BARE + " --bind {box}/data/file /x ls /"),
    "a link that leads nowhere": (BARE + " --bind {box}/dangling /x ls", "the link {box}/dangling, which says nowhere, leads to what does not exist", BARE + " --bind {box}/data /x ls /"),
    "what is only inside": (BARE + " --tmpfs /data --bind /data /x ls", "at --bind (argument 15); --tmpfs (argument 13) makes it inside, and SRC is the host's: --bind-inner",
                            BARE + " --tmpfs /data --bind-inner /data /x ls /"),
    "from another directory": (BARE + " --bind file /x ls", "it is looked for in {box}", BARE + " --bind data/file /x ls /"),
    # ---- places ----
    "a place below a file": ("--ro-bind / / --tmpfs /etc/passwd/x ls", "--tmpfs (argument 4): Can't find the mount point /etc/passwd/x: Not a directory; on the way, /etc/passwd is a file",
                             "--ro-bind / / --tmpfs /mnt ls /"),
    "a place through a link": (BARE + " --ro-bind {box} /box --symlink data /l --tmpfs /l/x ls",
                               "--tmpfs (argument 19): Can't make the parents of /l/x: File exists; the link /l, which says data, leads to what does not exist there", BARE + " --ro-bind {box} /box --tmpfs /data/x ls /"),
    "a file on a directory": ("--ro-bind / / --bind {box}/data/file /mnt ls", "it is not a file, and what is to be shown there is one: name the file itself, as /mnt/file", "--ro-bind / / --tmpfs /mnt --bind {box}/data/file /mnt/file ls"),
    "the root covered": (BARE + " --bind . . ls", "--bind (argument 13) hides what --ro-bind (argument 1) shows", BARE + " --bind . /x ls"),
    "a relative mask": ("--ro-bind / / --mask .env ls", '--mask (argument 4): .env is relative, and would be /.env inside: write "$PWD/.env"',
                        f"{NO_CAPS} --mask {{box}}/.env ls"),
    "a relative pattern": ("--ro-bind / / --protect-glob ./*.env ls", 'and would be /*.env inside: write "$PWD/*.env"',
                           f"{NO_CAPS} --protect-glob {{box}}/*.env ls"),
    "a loader masked": ("--ro-bind / / --unshare-user --cap-drop ALL --mask /lib64/ld-linux-x86-64.so.2 true", "which runs it, may not be executed; it lies on a noexec mount, that of --mask (argument 7)", "--ro-bind / / true"),
    "COMMAND masked": (f"{NO_CAPS} --mask /usr/bin --setenv PATH /usr/bin true", "(/usr/bin); --mask (argument 7) may hide it: bind behind that what is to be seen there",
                       f"{NO_CAPS} --mask /usr/bin --setenv PATH /usr/bin --ro-bind /usr/bin/true /usr/bin/true true"),
    "COMMAND masked behind a link": (f"{NO_CAPS} --mask {{box}}/alternatives {{box}}/bin/tool", "or name another place; --mask (argument 7) may hide it", "--ro-bind / / {box}/bin/tool"),
    "what runs it masked": (f"{NO_CAPS} --mask /bin {{box}}/bin/script", "which runs it, does not exist in the sandbox: show that, too; --mask (argument 7) may hide it", "--ro-bind / / {box}/bin/script"),
    "COMMAND masked by a pattern": (f"{NO_CAPS} --mask-glob /usr/bin/tru* --setenv PATH /usr/bin true", "it lies on a noexec mount, that of --mask-glob (argument 7)", "--ro-bind / / true"),
    "a directory masked": (f"{NO_CAPS} --mask {{box}} --chdir {{box}}/data true", "No such file or directory; --mask (argument 7) may hide it: bind behind that", "--ro-bind / / --chdir {box}/data true"),
    "a home in quotes": ("--ro-bind / / --protect-try '~/.ssh' ls", '--protect-try (argument 4): ~/.ssh is relative, and would be /~/.ssh inside: write "$HOME/.ssh"',
                         f"{NO_CAPS} --protect-try {{box}}/.ssh ls"),
    "a pattern that may match nothing": ("--ro-bind / / --mask-glob-try /x*.env ls", "is --mask-glob meant? where nothing matches it is no error",
                                         f"{NO_CAPS} --mask-glob /x*.env ls"),
    "the system hidden": (BARE + " --tmpfs / ls", "--tmpfs (argument 13) hides what --ro-bind (argument 1) shows", "--tmpfs / " + BARE + " ls"),
    "a link that is there": ("--ro-bind / / --symlink /nowhere {box}/dangling ls", "existing destination is nowhere", "--ro-bind / / --symlink nowhere {box}/dangling ls"),
    "a value too much": ("--ro-bind / / --die-with-parent=true ls", "; --die-with-parent takes nothing", "--ro-bind / / --die-with-parent ls"),
    "a link without a place": ("--ro-bind / / --symlink {box}/data ls", "write --symlink {box}/data DEST ls", "--ro-bind / / --symlink {box}/data /link ls"),
    "a mode behind the path": ("--tmpfs / --chmod / 755 ls", "Invalid mode: / is not an octal number up to 7777; it stands before the path", BARE + " --chmod 755 / ls"),
    "a port with its host": ("--ro-bind / / --unshare-net --tcp-out localhost:80 ls", "; its port alone is 80", "--ro-bind / / --unshare-net --tcp-out 80 tcp:127.0.0.1:80 ls"),
    "a target without its kind": ("--ro-bind / / --unshare-net --tcp-out 80 127.0.0.1:80 ls", "; is tcp:127.0.0.1:80 meant?", "--ro-bind / / --unshare-net --tcp-out 80 tcp:127.0.0.1:80 ls"),
    "a socket without its kind": ("--ro-bind / / --unshare-net --tcp-out 80 {box}/s ls", "; is unix:{box}/s meant?", "--ro-bind / / --unshare-net --tcp-out 80 unix:{box}/s ls"),
    # ---- from firejail, docker, podman, flatpak, unshare, nsjail, systemd-run, chroot ----
    "--private": ("--ro-bind / / --private ls", 'is --tmpfs "$HOME", before what is to be seen in it, meant?', "--ro-bind / / --tmpfs {box} ls /"),
    "--whitelist": ("--whitelist=/usr ls", "--ro-bind SRC DEST shows SRC, and --bind lets COMMAND write to it", "--ro-bind / / ls"),
    "--noprofile": ("--noprofile --ro-bind / / ls", "leave it out: no profile is read", "--ro-bind / / ls"),
    "--private-dev": ("--ro-bind / / --private-dev ls", "is --dev /dev meant?", "--ro-bind / / --dev /dev ls"),
    "--private-tmp": ("--ro-bind / / --private-tmp ls", "is --tmpfs DEST meant, as --tmpfs /tmp?", "--ro-bind / / --tmpfs /tmp ls /"),
    "--private-etc": ("--ro-bind / / --private-etc=passwd ls", "named, file by file: --ro-bind SRC DEST, behind --tmpfs", "--ro-bind / / --tmpfs /etc --ro-bind /etc/passwd /etc/passwd ls"),
    "--caps.drop": ("--ro-bind / / --caps.drop=all ls", "is --cap-drop meant?", "--ro-bind / / --cap-drop ALL ls"),
    "--noroot": ("--ro-bind / / --noroot ls", "leave it out, or is --unshare-user meant?", "--ro-bind / / --unshare-user ls"),
    "--nonewprivs": ("--ro-bind / / --nonewprivs ls", "leave it out: it is always so", "--ro-bind / / ls"),
    "a filter without its descriptor": ("--ro-bind / / --seccomp ls", "; without a compiled program there are --seccomp-profile PROFILE", "--ro-bind / / --seccomp-profile minimal ls"),
    "an engine's profile": ("--ro-bind / / --seccomp profile.json ls", "and --seccomp-deny LIST", "--ro-bind / / --seccomp-deny ptrace ls"),
    "--rm": ("--rm --ro-bind / / ls", "leave it out: nothing is kept of a sandbox", "--ro-bind / / ls"),
    "-it": ("-it --ro-bind / / ls", "leave it out: COMMAND has the caller's terminal", "--ro-bind / / ls"),
    "--name": ("--name box --ro-bind / / ls", "leave it out: a sandbox has none; --unshare-uts --hostname NAME", "--ro-bind / / ls"),
    "--privileged": ("--privileged --ro-bind / / ls", "leave it out: nobody has more rights inside than outside", "--ro-bind / / ls"),
    "--security-opt": ("--ro-bind / / --security-opt seccomp=default ls", "is --seccomp-profile PROFILE or --exec-label LABEL meant?", "--ro-bind / / --seccomp-profile default ls"),
    "--entrypoint": ("--ro-bind / / --entrypoint ls", "COMMAND and its words stand at the end of the line: leave it out", "--ro-bind / / ls"),
    "--env-file": ("--ro-bind / / --env-file .env ls", "is --env-fd FD meant? each variable ends with a NUL there", "--ro-bind / / --setenv A b ls"),
    "--network=host": ("--ro-bind / / --network=host ls", "? without it the host's is shared", "--ro-bind / / ls"),
    "--cpus": ("--ro-bind / / --cpus 2 ls", "is --limit cpu.max meant? 200% of a CPU are two", "--dry-run --ro-bind / / --limit cpu.max 200% ls"),
    "--pids-limit": ("--ro-bind / / --pids-limit 100 ls", "is --limit pids.max N meant?", "--dry-run --ro-bind / / --limit pids.max 100 ls"),
    "--limit KEY=VALUE": ("--ro-bind / / --limit memory.max=100M ls", "; its value is a word of its own, memory.max 100M", "--dry-run --ro-bind / / --limit memory.max 100M ls"),
    "--add-host": ("--ro-bind / / --add-host a:1.2.3.4 ls", "is --hosts NAME=ADDR meant?", "--ro-bind / / --tmpfs /etc --hosts a=1.2.3.4 ls"),
    "a host in two words": ("--ro-bind / / --hosts a 1.2.3.4 ls", '"a" is not NAME=ADDR, which is one word', "--ro-bind / / --tmpfs /etc --hosts a=1.2.3.4 ls"),
    "--dns": ("--ro-bind / / --dns 1.1.1.1 ls", 'is --data "nameserver ADDR" /etc/resolv.conf meant?', "--ro-bind / / --tmpfs /etc --data 'nameserver 1.1.1.1' /etc/resolv.conf ls"),
    "a server for --resolv-conf": ("--ro-bind / / --resolv-conf 1.1.1.1 ls", '--data "nameserver ADDR" /etc/resolv.conf', "--ro-bind / / --tmpfs /etc --data 'nameserver 1.1.1.1' /etc/resolv.conf ls"),
    "--shm-size": ("--ro-bind / / --shm-size 1g ls", "is --size BYTES --tmpfs /dev/shm, behind --dev /dev, meant?", "--ro-bind / / --dev /dev --size 1G --tmpfs /dev/shm ls"),
    "--ulimit": ("--ro-bind / / --ulimit nofile=100 ls", "is --rlimit meant?", "--ro-bind / / --rlimit nofile 100 ls"),
    "--mount": ("--mount type=bind,src=/,dst=/ ls", "--ro-bind SRC DEST shows SRC", "--ro-bind / / ls"),
    "--gpus": ("--ro-bind / / --gpus all ls", "is --dev-bind-try /dev/dri /dev/dri, behind --dev /dev, meant?", "--ro-bind / / --dev /dev --dev-bind-try /dev/dri /dev/dri ls"),
    "--init": ("--ro-bind / / --unshare-pid --init ls", "leave it out: with --unshare-pid there is a pid 1 above COMMAND", "--ro-bind / / --unshare-pid ls"),
    "--ipc host": ("--ro-bind / / --ipc host ls", "is --unshare-ipc meant? without it the host's is shared", "--ro-bind / / ls"),
    "--pid=host": ("--ro-bind / / --pid=host ls", "is --unshare-pid meant? without it the host's is shared", "--ro-bind / / ls"),
    "--uts=host": ("--ro-bind / / --uts=host ls", "is --unshare-uts meant? without it the host's is shared", "--ro-bind / / ls"),
    "--userns=keep-id": ("--ro-bind / / --userns=keep-id ls", "leave it out: COMMAND has the caller's uid and gid", "--ro-bind / / ls"),
    "--filesystem": ("--ro-bind / / --filesystem=home ls", "is --bind SRC DEST meant?", "--ro-bind / / --bind {box} {box} ls"),
    "--socket": ("--ro-bind / / --socket=x11 ls", "is --ro-bind meant, of the socket: /tmp/.X11-unix", "--ro-bind / / --ro-bind {box} {box} ls"),
    "-r": ("--ro-bind / / -r ls", "is --unshare-user --uid 0 --gid 0 meant?", "--ro-bind / / --unshare-user --uid 0 --gid 0 ls"),
    "--map-root-user": ("--ro-bind / / --map-root-user ls", "is --unshare-user --uid 0 --gid 0 meant?", "--ro-bind / / --unshare-user --uid 0 --gid 0 ls"),
    "--fork": ("--ro-bind / / --unshare-pid --fork ls", "leave it out: with --unshare-pid there is a pid 1", "--ro-bind / / --unshare-pid ls"),
    "--mount-proc": ("--ro-bind / / --mount-proc ls", "is --unshare-pid --proc /proc meant?", "--ro-bind / / --unshare-pid --proc /proc ls"),
    "--kill-child": ("--ro-bind / / --kill-child ls", "is --die-with-parent meant?", "--ro-bind / / --die-with-parent ls"),
    "-R": ("-R /usr ls", "is --ro-bind SRC DEST meant?", "--ro-bind / / ls"),
    "--bindmount_ro": ("--bindmount_ro / ls", "is --ro-bind SRC DEST meant?", "--ro-bind / / ls"),
    "-T": ("--ro-bind / / -T /tmp ls", "is --tmpfs DEST meant, as --tmpfs /tmp?", "--ro-bind / / --tmpfs /tmp ls /"),
    "-Mo": ("-Mo --ro-bind / / -- ls", "leave it out: the shell's & lets it run in the background", "--ro-bind / / -- ls"),
    "--time_limit": ("--ro-bind / / --time_limit 5 ls", "is --timeout SECONDS meant?", "--ro-bind / / --timeout 5 ls"),
    "--rlimit_as": ("--ro-bind / / --rlimit_as 2048 ls", "is --rlimit as SOFT[:HARD] meant?", "--dry-run --ro-bind / / --rlimit as 2G ls"),
    "--keep_env": ("--ro-bind / / --keep_env ls", "leave it out: COMMAND has the caller's environment, unless --clearenv", "--ro-bind / / ls"),
    "--property": ("--ro-bind / / --property=PrivateNetwork=yes ls", "there are --unshare-net, --tmpfs", "--ro-bind / / --unshare-net ls"),
    "a root to change to": ("{box} ls", "nothing is bound into the sandbox, so it is empty: --ro-bind / / shows the host's files, --ro-bind DIR / those in a directory", "--ro-bind / / ls"),
    "a port for a port": ("--ro-bind / / --unshare-net --tcp-in 8080:80 ls", '"8080" is neither an IPv4 address nor an IPv6 address in brackets; 127.0.0.1 is for this machine', "--dry-run --ro-bind / / --unshare-net --tcp-in 127.0.0.1:8080 80 ls"),
    # ---- as in a shell ----
    "cd": ("--ro-bind / / cd {box}", "cd is a word of the shell's, and no program: sh -c, with all of it in quotes, or --chdir for cd", "--ro-bind / / sh -c 'cd {box}'"),
    "a variable set": ("--ro-bind / / A='x y' ls", "COMMAND sets a variable, as in a shell: --setenv A 'x y', before COMMAND", "--ro-bind / / --setenv A 'x y' ls"),
    "a line of a shell": ("--ro-bind / / 'ls && pwd'", "COMMAND is a line of a shell: sh -c 'ls && pwd'", "--ro-bind / / sh -c 'ls && pwd'"),
    "a program that lies here": ("--ro-bind / / --chdir {box}/alternatives tool", "it is in the directory that COMMAND starts in, and in none of PATH: ./tool", "--ro-bind / / --chdir {box}/alternatives ./tool"),
    "a program that lies elsewhere": ("--ro-bind / / --chdir {box} ./script", "No such file or directory; it is looked for in {box}", "--ro-bind / / --chdir {box}/bin ./script"),
    "--rlimit without its number": ("--ro-bind / / --rlimit nofile ls", "Invalid limit: ls is neither a number", "--ro-bind / / --rlimit nofile 100 ls"),
    # ---- COMMAND inside ----
    "an empty sandbox": ("--unshare-ipc ls", "nothing is bound into the sandbox, so it is empty: --ro-bind / / shows the host's files", "--unshare-ipc --ro-bind / / ls"),
    "no loader": ("--ro-bind /usr /usr ls", ", which runs it, does not exist in the sandbox", BARE + " ls /"),
    "alternatives": (BARE + " --ro-bind {box}/bin /opt /opt/tool", "the link /opt/tool, which says ../alternatives/tool, leads to what does not exist there: show that, too",
                     BARE + " --ro-bind {box}/bin /opt --ro-bind {box}/alternatives /alternatives /opt/tool"),
    "no such directory": ("--ro-bind / / --chdir {box}/nothing/here ls", "Can't chdir to {box}/nothing/here: No such file or directory; on the way there is no {box}/nothing", "--ro-bind / / --chdir {box} ls"),
    "not executable": ("--ro-bind / / {box}/bin/plain", "it is not executable for this user: chmod +x", "--ro-bind / / sh {box}/bin/plain"),
    "lines of DOS": ("--ro-bind / / {box}/bin/dos", "its lines end as in DOS, and there is no program /bin/sh", "--ro-bind / / {box}/bin/script"),
    "another PATH": ("--ro-bind / / --setenv PATH /opt ls", "it is in none of the sandbox's PATH directories (/opt)", "--ro-bind / / --setenv PATH /opt:/usr/bin ls"),
}


@pytest.fixture(scope="module")
def home():
    """What {box} stands for: files of the caller's, and some that cannot be run. Nothing changes them."""
    path = Path(tempfile.mkdtemp(prefix="bwrapish-test-", dir="/tmp"))
    path.chmod(0o755)
    for name in ("bin", "data", "alternatives"):
        (path / name).mkdir()
    (path / "data" / "file").write_text("x\n")
    (path / "dangling").symlink_to("nowhere")
    (path / "bin" / "tool").symlink_to("../alternatives/tool")
    for name, text in (("bin/script", "#!/bin/sh\n"), ("bin/dos", "#!/bin/sh\r\n"), ("bin/plain", "#!/bin/sh\n"), ("alternatives/tool", "#!/bin/sh\n")):
        (path / name).write_text(text)
        (path / name).chmod(0o644 if name == "bin/plain" else 0o755)
    yield path
    shutil.rmtree(path)


def typed(line, home):
    """What a shell makes of it."""
    return [data_fd("x\n") if word == "{fd}" else word.format(box=home) for word in shlex.split(line)]


@pytest.mark.parametrize("mistake", LINES)
def test_what_is_said_to_a_mistake_leads_to_a_line_that_works(mistake, home):
    wrong, words, right = LINES[mistake]
    assert_refused(run(typed(wrong, home), cwd=home), words.format(box=home))
    result = run(typed(right, home), cwd=home)
    assert result.returncode == 0 and not result.stderr, result


OF_COMMAND = ("the root covered", "the system hidden", "no loader", "alternatives", "no such directory", "not executable", "lines of DOS", "another PATH")


@pytest.mark.parametrize("topology", (["--die-with-parent"], ["--unshare-pid"], ["--unshare-all", "--share-net"]), ids=("supervised", "with init", "all"))
def test_what_is_said_of_command_is_the_same_with_other_processes(topology, home):
    """Where COMMAND's process borrows pid 1's memory, the line's words are gone from it by then."""
    lines = [*(LINES[mistake][0] for mistake in OF_COMMAND), "--ro-bind / / --tmpfs /mnt --proc /proc nosuch",
             "--mount-flags noexec --ro-bind / / --bind-inner /usr /mnt --argv0 x " + str(home / "bin" / "script")]
    for line in lines:
        alone, other = (re.sub(r"argument \d+", "argument N", run([*more, *typed(line, home)], cwd=home).stderr) for more in ([], topology))
        assert alone and other == alone


def test_a_container_engines_words_behind_dest_are_told(home):
    for words, suffix in ((["--bind", home, "/w:ro"], ":ro"), (["--tmpfs", "/w:size=64m"], ":size=64m")):
        assert f"its name ends with {suffix}: --ro-bind is read-only, and --size stands before --tmpfs\n" in run(["--dry-run", "--tmpfs", "/", *words], ["true"]).stdout


def test_what_a_later_operation_hides_is_told_by_verbose(home):
    result = run(["--verbose", "--tmpfs", home / "data", "--ro-bind", "/", "/", "--bind", "data", home.name, "--tmpfs", f"{home.name}/x"], ["true"], cwd=home)
    assert "--tmpfs (argument 2): hidden by --ro-bind (argument 4): put that first, or leave this out" in result.stderr
    assert f"--bind (argument 7): {home.name} is relative, and /{home.name} inside" in result.stderr


@pytest.mark.parametrize("option", ["--mask", "--protect-try"])
def test_a_pattern_that_is_taken_for_a_path_is_warned_of(option, box):
    line = [*BASE, *LOCKED, "--bind", box, "/box", option, "/box/*"]
    words = f"{option.removesuffix('-try')}-glob takes a pattern"
    assert f"{option} (argument {len(line) - 1}): nothing is called /box/*: {words}\n" in run(line, ["true"]).stderr
    assert f"it is a path: {words}\n" in run(["--dry-run", *line], ["true"]).stdout
    (box / "*").touch()
    assert not run(line, ["true"]).stderr


LOCKED = ["--unshare-user", "--cap-drop", "ALL"]  # root's COMMAND could take a mask off


@pytest.mark.parametrize("option", ["--protect", "--mask"])
def test_a_git_directory_that_is_a_file_is_told_with_what_it_says(option, home, box):
    (box / ".git").write_text("gitdir: /home/me/project/.git/worktrees/fix\n")
    refused([*BASE, *LOCKED, "--bind", box, "/box", option, "/box/.git/hooks"],
            "Not a directory; /box/.git is a file, which says that the directory is /home/me/project/.git/worktrees/fix: name what is to be found there; its hooks and config are in what git rev-parse --git-common-dir tells\n")
    (box / ".git").write_text("gitdir: ../.git/worktrees/fix/modules/part\n")
    assert refused([*BASE, *LOCKED, "--bind", box, "/box", option, "/box/.git/hooks"]).endswith("found there\n")
    (box / ".git").write_text("\0" * 5000)
    assert refused([*BASE, *LOCKED, "--bind", box, "/box", option, "/box/.git/hooks"]).endswith("Not a directory; /box/.git is a file\n")


@pytest.mark.root
def test_a_directory_that_lets_nobody_in_is_told_from_one_that_is_not_writable(box):
    (box / "closed" / "x").mkdir(parents=True)
    (box / "closed").chmod(0o700)
    closed = f"Permission denied{{}}; the directory {box}/closed does not let this user in: its owner can change that, by chmod +x"
    everything, other = ["--ro-bind", "/", "/"], {"prefix": as_user()}
    refused([*everything, "--bind", box / "closed" / "x", "/mnt"], closed.format(", at --bind (argument 4)"), **other)
    refused([*everything, "--tmpfs", box / "closed" / "x"], closed.format(""), **other)
    refused([*everything, "--chdir", box / "closed" / "x"], closed.format(""), **other)
    refused(everything, closed.format(""), command=[box / "closed" / "x"], **other)
    refused([*everything, "--setenv", "PATH", f"{box / 'closed'}:/"], f"it is in none of the other directories of PATH, and {box}/closed does not let this user in", command=["x"], **other)
    refused([*everything, "--setenv", "PATH", f"{box / 'closed'}:/"], "COMMAND is one word with a space in it", command=["x y"], **other)
    (box / "closed").chmod(0o755)
    refused(["--bind", "/", "/", "--dir", box / "closed" / "new" / "x"],
            f"Permission denied; the directory {box}/closed is not writable for this user: make on the host what is to be mounted on", **other)
    refused(["--bind", box / "closed", "/", "--bind", "/usr", "usr"],
            "Permission denied; the directory / is not writable for this user: make on the host what is to be mounted on, or mount something else above it; usr is relative, and /usr inside", **other)


def test_the_text_of_a_link_on_the_way_is_told(box):
    (box / "file").touch()
    (box / "link").symlink_to("file")
    refused([*BASE, "--ro-bind", box, "/box", "--tmpfs", "/box/link/x"],
            "Not a directory; on the way, /box/link (the link /box/link says file) is a file")


def test_a_loader_that_merged_directories_would_show_is_told_with_each_link_on_the_way(box):
    """Debian's /lib64/ld-linux-x86-64.so.2 is a link into /lib."""
    for name in ("bin", "lib64", "lib"):
        (box / name).mkdir()
    (box / "bin" / "tool").write_text("#!/lib64/loader\n")
    (box / "bin" / "tool").chmod(0o755)
    (box / "lib64" / "loader").symlink_to("second")
    (box / "lib64" / "second").symlink_to("/lib/loader")
    (box / "lib" / "loader").symlink_to("/usr/bin/true")
    line, tool, lacks = ["--ro-bind", box, "/usr"], ["/usr/bin/tool"], "does not exist in the sandbox: show that, too"
    lib64, lib = ["--symlink", "usr/lib64", "/lib64"], ["--symlink", "usr/lib", "/lib"]
    assert refused(line, command=tool).endswith(f"/lib64/loader, which runs it, {lacks}, by --symlink usr/lib64 /lib64 --symlink usr/lib /lib\n")
    assert refused([*line, *lib64], command=tool).endswith(f"{lacks}, by --symlink usr/lib /lib\n")
    assert refused([*line, *lib], command=tool).endswith(f"{lacks}, by --symlink usr/lib64 /lib64\n")
    assert refused([*line, *lib64, *lib], command=tool).endswith(f"/lib64/loader (the link says second), which runs it, {lacks}\n")


def test_what_was_typed_is_told_whatever_else_the_line_asks_for(box):
    refused([*BASE, "--bind-create", box / "new", "/new", "--bind", "~/x", "/x"], "the shell turns ~ into the home directory only where it is not quoted")
    assert not (box / "new").exists()
    result = run([*BASE, "--trace-denied", data_fd()], ["ls -l"])
    assert "execvp ls -l: No such file or directory; COMMAND is one word with a space in it" in result.stderr, result


# ---- before anything is done ----

def warnings_of(args, command, **options):
    result = run(["--dry-run", *args], command, **options)
    assert result.returncode == 0, result
    return result.stderr


def test_a_dry_run_looks_for_sources(home):
    assert warnings_of(["--bind", home / "nothing", "/x", "--bind", "~/x", "/y", "--ro-bind-try", home / "nothing", "/z"], ["true"]).splitlines() == [
        f"{PREFIX}--bind (argument 2): there is no source {home}/nothing: No such file or directory",
        f"{PREFIX}--bind (argument 5): there is no source ~/x: No such file or directory; the shell turns ~ into the home directory only where it is not quoted: \"$HOME\" is the same in double quotes"]
    outward = ["--unix-out", "/run/s", f"unix:{home}/socket", "--unix-out", "/run/t", f"unix:{home}/data", "--unix-out", "/run/u", "unix-abstract:no"]
    said = f"{PREFIX}--unix-out (argument {{}}): there is no socket {home}/socket yet\n"
    assert warnings_of(outward, ["true"]) == said.format(2)
    assert said.format(1)[len(PREFIX):-1] in run(["--ro-bind", "/", "/", *outward[:3], "--check"], ["true"]).stdout.replace("(argument 4)", "(argument 1)")
    (home / "data" / "link").symlink_to("file")
    try:
        assert "is a link, which says file: that file is shown, whatever the link will say later" in warnings_of(["--bind", home / "data" / "link", "/x"], ["true"])
    finally:
        (home / "data" / "link").unlink()


def test_a_resolv_conf_that_is_a_link_to_what_is_not_shown_is_foretold(box):
    (box / "resolv.conf").symlink_to("/run/resolver/conf")

    def warnings(args):
        return warnings_of([*BASE, *args], ["true"], prefix=host_mounts(f"mount --bind {box} /etc"))
    assert warnings(["--ro-bind", "/etc", "/etc"]) == (
        f"{PREFIX}--ro-bind (argument 14): /etc/resolv.conf is a link to /run/resolver/conf, which nothing on the line shows: --resolv-conf auto behind it shows a copy\n")
    for quiet in (["--unshare-net", "--ro-bind", "/etc", "/etc"], ["--ro-bind", "/etc", "/etc", "--ro-bind-try", "/run/resolver", "/run/resolver"], ["--ro-bind", "/etc", "/etc", "--resolv-conf", "auto"], []):
        assert warnings(quiet) == ""


def test_programs_that_want_other_ids_are_foretold():
    args = ["--unshare-user", "--uid", "1000", "--ro-bind", "/", "/"]
    assert "ssh: inside there is no uid but 1000, so root's files belong to nobody" in warnings_of(args, ["ssh", "host"])
    assert "chown: inside there is no uid but 1000, and giving a file to another fails" in warnings_of(args, ["/bin/chown", "x", "y"])
    assert warnings_of(args, ["ls"]) == ""


def test_a_mount_whose_file_was_deleted_is_told(box):
    (box / "new").touch()
    prefix = host_mounts(f"touch {box}/old; mount --bind {box}/old {box}/new; rm {box}/old")
    words = f"{box}/new was deleted on the host, and the kernel mounts nothing of it"
    refused(["--ro-bind", "/", "/", "--tmpfs", "/mnt", "--ro-bind", box / "new", "/mnt/x"], words, prefix=prefix)
    refused(["--ro-bind", "/", "/", "--ro-bind", "/etc/passwd", box / "new"], words, prefix=prefix)
    assert words in warnings_of(["--ro-bind", box / "new", "/x"], ["true"], prefix=prefix)


def test_check_tells_of_what_works_and_is_hardly_meant_so(home):
    result = run(["--check", "--unshare-user", "--uid", "1000", "--tmpfs", home / "data", "--ro-bind", "/", "/"], ["chown", "x", "y"])
    assert result.returncode == 0, result
    assert "--tmpfs (argument 5): hidden by --ro-bind (argument 7): put that first" in result.stdout
    assert "chown: inside there is no uid but 1000" in result.stdout
    assert run(["--check", "--verbose"]).stdout.splitlines()[-1].endswith("had here.")
