"""What lines tests are made of: the option table, and the forms of a line that decide which processes there are."""
import os
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from sandbox import BASE, BINARY, bpf, data_fd, keep, pipe, python, seconds_of


# ---- the option table: no test spells a list of options ----

class Option(NamedTuple):
    name: str
    words: tuple  # ("FD", "DEST"); () for none
    group: str
    help: str
    use: str  # what becomes of its FD: "passed" to COMMAND, or anything else
    traits: tuple
    needs: str  # another option, and perhaps why

    def line(self, first):
        """A whole line with it: `first` is its first word, what else it takes and needs beside it is valid."""
        before, after = NEEDS.get(self.name, ([], []))
        others = [{"OCTAL": "0755", "VALUE": "1"}.get(word, "/x") for word in self.words[1:]]
        return [*before, self.name, first, *others, *after]


# What an option cannot do without: what stands before it, what after it.
NEEDS = {"--userns-block-fd": (["--unshare-user", "--info-fd", "1"], []), "--overlay-src-fd": ([], ["--overlay-src", "/usr", "--ro-overlay", "/x"]),
         "--overlay-changes": ([], ["--overlay-src", "/usr", "--tmp-overlay", "/x"]),
         "--seccomp-trace": (["--seccomp-profile", "minimal"], []), "--seccomp-dump": (["--seccomp-deny", "acct"], [])}
DUMP = Path(BINARY).with_name("options-dump")  # an installed bwrapish has none beside it


def _table():
    lines = subprocess.run([DUMP], capture_output=True, text=True, check=True).stdout.splitlines() if DUMP.exists() else []
    rows = [line.split("\t") for line in lines]
    return {name: Option(name, tuple(words.split()), group, help, use, tuple(traits.split()), needs)
            for name, words, group, help, use, traits, needs, *_ in rows}


TABLE = _table()
TAKE_WORDS = [option for option in TABLE.values() if option.words]
TAKE_FD = [option for option in TAKE_WORDS if option.words[0] == "FD"]
PATHS = {"SRC", "DEST", "PATH", "DIR", "RWSRC", "WORKDIR"}

# What joins a namespace, and its name in /proc/PID/ns.
JOINED = {"--userns": "user", "--userns2": "user", "--pidns": "pid", "--netns": "net", "--ipcns": "ipc", "--utsns": "uts",
          "--cgroupns": "cgroup", "--timens": "time"}


def each(options):
    return pytest.mark.parametrize("option", options, ids=lambda option: option.name)


def descriptor_for(option, folder, holder):
    """One that `option` accepts: `folder`, a namespace of `holder`, a filter, or a file."""
    if option.name.endswith(("bind-fd", "-src-fd")):
        return keep(os.open(folder, os.O_PATH))
    if option.name in JOINED:
        return holder.namespace(JOINED[option.name])
    if option.name == "--die-with-fd":
        return pipe()[0]
    if option.name in ("--seccomp", "--add-seccomp-fd"):
        return data_fd(bpf({}))
    if option.name == "--pidfd-socket":
        here, there = socket.socketpair()
        keep(here.detach())
        return keep(there.detach())
    return data_fd()


# ---- forms ----

LIMIT_FORMS = {"plain": [], "pid namespace": ["--unshare-pid"], "everything": ["--unshare-all"],
               "joinable": ["--lock-file", "/usr/bin/env"]}
limit_forms = pytest.mark.parametrize("form", LIMIT_FORMS)
PID_FORMS = {"with pid 1": ["--unshare-pid"], "everything": ["--unshare-all"], "as pid 1": ["--unshare-pid", "--as-pid-1"]}
pid_forms = pytest.mark.parametrize("form", PID_FORMS)


def _time_to_start():
    """Seconds within which COMMAND surely runs and has done what it does first, on a machine as slow as this one."""
    fastest = min(seconds_of([*BASE, "--unshare-pid"], python("import ctypes"))[1] for _ in range(3))
    return round(min(max(0.8, 10 * fastest), 8.0), 1)


SOON = _time_to_start()
SHORT = ["--timeout", str(SOON), "--kill-after", "0.2"]  # COMMAND has to become hostile before
FORMS = {"alone": [], "supervised": ["--json-status-fd", None], "with pid 1": ["--unshare-pid"],
         "as pid 1": ["--unshare-pid", "--as-pid-1"], "die with parent": ["--die-with-parent"],
         "all": ["--unshare-all", "--die-with-parent"], "new session": ["--new-session"]}
forms = pytest.mark.parametrize("form", FORMS)


def form_args(form):
    return [data_fd() if word is None else word for word in FORMS[form]]
