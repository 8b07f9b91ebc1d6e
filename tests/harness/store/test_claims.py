"""One owner for each task: found at once when dead here, after its heartbeat when elsewhere, and never two."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from harness.store.claims import Claim, Claims, Owner
from pivl.errors import UserError
from pivl.system.processes import Process, peak_resident_bytes, this_process
from tests.support.foreign_claims import named, put_down


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "claims", stale=0.4)


ELSEWHERE = Process("other.host", "00000000", 1, "1")


def names(claims):
    return [path.name for path in claims.folder.iterdir()]


def test_what_one_process_has_another_has_not_until_it_is_done(claims):
    with claims.take("task") as claim:
        assert isinstance(claim, Claim)
        owner = claims.owner("task")
        assert owner is not None
        assert owner.process == this_process()
        assert f"process {os.getpid()} on " in str(owner)
        assert take_elsewhere(claims) == str(owner)
        assert claims.owner("another task") is None
    assert names(claims) == []
    assert take_elsewhere(claims) == "taken"


def take_elsewhere(claims):
    """What another process gets when it takes the task."""
    code = (
        "import sys; from pathlib import Path; from harness.store.claims import Claims, Owner\n"
        "found = Claims(Path(sys.argv[1])).take('task')\n"
        "print(found if isinstance(found, Owner) else 'taken')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(claims.folder)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_claim_ends_with_the_block_even_when_that_fails(claims):
    with pytest.raises(KeyboardInterrupt), claims.take("task"):
        raise KeyboardInterrupt
    assert names(claims) == []


def test_a_dead_process_of_this_machine_loses_its_claim_at_once_and_a_living_one_never(claims, living):
    alive = put_down(claims, named(living))
    os.utime(claims.folder / alive.name, (0, 0))  # its heartbeat does not matter here: stopped is not dead
    assert claims.take("task") == alive
    assert names(claims) == [alive.name]
    used_again = put_down(claims, replace(named(living), born="1"), "other")  # the number is another's now
    assert claims.owner("other") is None
    with claims.take("other"):
        assert used_again.name not in names(claims)


def test_a_killed_process_that_nobody_has_waited_for_is_dead(claims):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = put_down(claims, named(process))
    assert claims.owner("task") == owner
    process.kill()
    deadline = time.monotonic() + 10
    while claims.owner("task") is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    claims.sweep()
    assert names(claims) == []
    process.communicate()


def test_an_owner_on_another_machine_is_dead_when_its_heartbeat_has_stopped(claims):
    owner = put_down(claims, ELSEWHERE)
    assert claims.owner("task") == owner
    assert claims.take("task") == owner
    claims.sweep()
    assert names(claims) == [owner.name]  # nobody here can know
    os.utime(claims.folder / owner.name, (time.time() - 1, time.time() - 1))
    assert claims.owner("task") is None
    with claims.take("task") as claim:
        assert names(claims) == [claim.path.name]


def test_a_heartbeat_that_is_seen_beating_counts_whatever_the_clocks_say(claims):
    """The other machine's clock is an hour behind."""
    owner = put_down(claims, ELSEWHERE)
    path, ended = claims.folder / owner.name, threading.Event()

    def beat():
        behind = time.time() - 3600
        while not ended.wait(0.02):
            behind += 0.02
            os.utime(path, (behind, behind))

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        assert claims.take("task") == owner
    finally:
        ended.set()
        heart.join()


def test_a_heart_beats(claims):
    with claims.take("task") as claim:
        os.utime(claim.path, (0, 0))
        deadline = time.monotonic() + 10
        while claim.path.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_who_wakes_up_to_find_his_task_taken_over_ends(claims):
    code = (
        "import sys, time; from pathlib import Path; from harness.store.claims import Claims\n"
        "with Claims(Path(sys.argv[1]), 0.1).take('task') as claim:\n"
        "    claim.path.unlink(); time.sleep(60)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(claims.folder)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "taken over by another command" in done.stderr


RACE = """
import sys, time
from pathlib import Path
from harness.store.claims import Claim, Claims
claims, inside = Claims(Path(sys.argv[1])), Path(sys.argv[2])
for task in map(str, range(40)):
    while not isinstance(claim := claims.take(task), Claim):
        pass
    with claim:
        mark = inside / task
        with open(mark, "x"):  # fails where another is inside too
            time.sleep(0.002)
        mark.unlink()
"""


def test_many_that_take_over_from_the_dead_at_once_go_one_by_one(claims, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    process = replace(named(dead), born="1")
    dead.wait()
    for task in range(40):
        put_down(claims, process, str(task))
    (tmp_path / "inside").mkdir()
    command = [sys.executable, "-c", RACE, str(claims.folder), str(tmp_path / "inside")]
    racers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [(racer.communicate()[1], racer.returncode) for racer in racers]
    assert ended == [("", 0)] * 4
    assert names(claims) == []


def test_a_file_that_is_no_claim_is_nobodys(claims):
    claims.folder.mkdir()
    (claims.folder / "task@something").touch()
    (claims.folder / ".nfs0001").touch()
    assert claims.owners() == []


@pytest.mark.parametrize("ahead", [3600.0, 60 * 60 * 24 * 365 * 80.0])
def test_a_claim_dated_in_the_future_is_not_waited_for(claims, ahead):
    """A clock that went wrong left it; a living owner's heartbeat would have dated it anew."""
    owner = put_down(claims, ELSEWHERE)
    os.utime(claims.folder / owner.name, (time.time() + ahead, time.time() + ahead))
    assert claims.looks_dead(owner)
    assert claims.owner("task") is None
    with claims.take("task") as claim:
        assert names(claims) == [claim.path.name]


ODD = [
    f"task@{ELSEWHERE}@\u00b2",
    f"task@{ELSEWHERE}@{'9' * 60}",
    f"task@{ELSEWHERE}@-1",
    "task@host~00000000~\u00b2~1@1",
    "task@host~00000000~\u0661~1@1",
    f"task@host~00000000~{'9' * 60}~1@1",
    "task@~~~@",
    "task@@@@",
    "task@" + "x" * 250,
    "task@a\nb~00000000~1~1@x",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_nobodys_claims(claims, name):
    claims.folder.mkdir()
    (claims.folder / name).touch()
    assert claims.owners() == []
    with claims.take("task") as claim:
        assert isinstance(claim, Claim)
    claims.sweep()
    claims.leave()
    assert names(claims) == [name]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_nobodys_claim(claims, make):
    claims.folder.mkdir()
    make(claims.folder / Owner("task", ELSEWHERE, 5).name)
    make(claims.folder / Owner("task", replace(this_process(), born="1"), 5).name)
    with claims.take("task") as claim:
        assert isinstance(claim, Claim)
    claims.sweep()
    assert len(names(claims)) == 2


def test_an_owner_since_a_year_that_no_clock_shows_has_a_name():
    assert str(Owner("task", ELSEWHERE, 10**15 - 1)) == "process 1 on other.host"


def test_claims_in_the_place_of_a_folder_are_one_line(claims):
    claims.folder.write_text("")
    assert claims.owners() == []
    with pytest.raises(UserError, match=r"cannot write .*claims"):
        claims.take("task")


def test_one_process_does_not_take_a_task_twice(claims):
    """Not even within the second that names its claim, and giving way leaves the first claim where it is."""
    first = claims.take("task")
    assert isinstance(first, Claim)
    with first:
        assert isinstance(claims.take("task"), Owner)
        assert first.path.exists()
    with claims.take("task"):
        pass


def test_a_process_does_not_count_the_memory_of_the_one_that_started_it():
    held = bytearray(300_000_000)
    code = "from pivl.system.processes import peak_resident_bytes; print(peak_resident_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5e6 < int(done.stdout) < 1e8 < peak_resident_bytes()
    assert len(held) == 300_000_000
