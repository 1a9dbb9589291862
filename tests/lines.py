"""The forms of a command line that tests share: which processes there are, who waits for whom."""

import pytest

from sandbox import data_fd

LIMIT_FORMS = {"plain": [], "pid namespace": ["--unshare-pid"], "everything": ["--unshare-all"],
               "joinable": ["--lock-file", "/usr/bin/env"]}
limit_forms = pytest.mark.parametrize("form", LIMIT_FORMS)
PID_FORMS = {"with pid 1": ["--unshare-pid"], "everything": ["--unshare-all"], "as pid 1": ["--unshare-pid", "--as-pid-1"]}
pid_forms = pytest.mark.parametrize("form", PID_FORMS)
SHORT = ["--timeout", "1", "--kill-after", "0.2"]  # COMMAND has to become hostile before
FORMS = {"alone": [], "supervised": ["--json-status-fd", None], "with pid 1": ["--unshare-pid"],
         "as pid 1": ["--unshare-pid", "--as-pid-1"], "die with parent": ["--die-with-parent"],
         "all": ["--unshare-all", "--die-with-parent"], "new session": ["--new-session"]}
forms = pytest.mark.parametrize("form", FORMS)


def form_args(form):
    return [data_fd() if word is None else word for word in FORMS[form]]
