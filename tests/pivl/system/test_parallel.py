"""Work spread over processes: every result with its place, an error raised, nobody left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pivl.system.parallel import spread


def test_every_job_comes_back_with_its_place_from_other_processes():
    jobs = [(number, 3) for number in range(7)]
    assert dict(spread(pow, jobs, 2)) == dict(spread(pow, jobs, 1)) == {n: n**3 for n in range(7)}
    assert os.getpid() not in {process for _, process in spread(os.getpid, [(), ()], 2)}
    assert {process for _, process in spread(os.getpid, [(), ()], 1)} == {os.getpid()}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_error_of_a_job_is_raised(workers):
    with pytest.raises(ZeroDivisionError):
        list(spread(divmod, [(1, 1), (1, 0), (3, 1)], workers))


KILLED = """
import time
from pivl.system.parallel import spread
if __name__ == "__main__":
    list(spread(time.sleep, [(60,), (60,)], 2))
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="children are looked up in Linux's /proc")
def test_workers_end_with_a_killed_parent(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    parent = subprocess.Popen([sys.executable, str(script)])
    children = wait_for(
        lambda: children_of(parent.pid) if len(children_of(parent.pid)) >= 3 else None
    )  # and Python's own
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not [child for child in children if running(child)])


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(found):
    """What `found` returns once it is true; the last thing it returned after twenty seconds."""
    for _ in range(400):
        if outcome := found():
            return outcome
        time.sleep(0.05)
    return found()
