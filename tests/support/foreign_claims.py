"""Claims of other processes, as they leave them."""

import subprocess
import sys
from dataclasses import replace

from harness.store.claims import Owner
from pivl.system.processes import this_process


def put_down(claims, process, task="task"):
    """The claim of another process."""
    owner = Owner(task, process, 0)
    claims.folder.mkdir(parents=True, exist_ok=True)
    (claims.folder / owner.name).touch()
    return owner


def named(process):
    """A running child as claims name it."""
    found = replace(this_process(), number=process.pid)
    return replace(found, born=birth(process.pid))


def birth(number):
    code = "from pivl.system.processes import _birth; import sys; print(_birth(int(sys.argv[1])))"
    return subprocess.run(
        [sys.executable, "-c", code, str(number)], capture_output=True, text=True, check=True
    ).stdout.strip()
