"""The pool of worker processes: its limit, GPUs, events, deaths and end."""

import pytest

from harness.launch.worker_pool import WorkerPool
from harness.system.gpus import Gpus
from pivl.errors import UserError

PROGRAM = ("tests.support.echo_worker",)


def hear(pool):
    """The next event; there is one."""
    return pool.next_event(60)


def test_a_process_that_dies_is_buried_and_its_gpus_are_lent_again():
    gpus = Gpus(["0", "1"])
    with WorkerPool(PROGRAM, "cuda", 2, gpus=gpus) as pool:
        first = pool.start()
        assert pool.has_room
        second = pool.start()
        assert not pool.has_room
        assert [worker.gpus for worker in (first, second)] == [("0",), ("1",)]
        second.submit({"die": 3})
        heard = dict(hear(pool) for _ in range(3) if pool.workers)
        lost = heard[second]
        assert (lost["event"], lost["status"]) == ("lost", 3)
        assert lost["error"] == "its process ended with status 3"
        assert lost["lines"] == ["last words"]
        assert pool.workers == [first]
        assert pool.start().gpus == ("1",)
    assert first.process.returncode is not None
    assert gpus.borrow(1) == ["0"]


def test_events_come_with_their_process_and_the_first_says_how_many_suit():
    with WorkerPool(PROGRAM, "cuda", gpus=Gpus([])) as pool:
        worker = pool.start()
        worker.submit({"number": 1})
        assert not pool.has_room  # one, until a process has found the device
        assert hear(pool) == (worker, {"event": "ready", "device": "cpu", "slots": 2})
        assert pool.has_room
        found, event = hear(pool)
        assert (found, event["number"]) == (worker, 1)
        assert pool.next_event(0.01) is None


def test_a_process_that_never_gets_ready_is_the_installations_fault():
    with WorkerPool((*PROGRAM, "broken"), "cpu") as pool:
        pool.start()
        with pytest.raises(UserError, match=r"does not start: no such device; see python -m tests\.support"):
            hear(pool)
        assert pool.workers == []


@pytest.mark.parametrize("patience", [0.0, 30.0])
def test_with_patience_processes_put_away_what_they_have_begun(tmp_path, patience):
    with WorkerPool(PROGRAM, "cpu", patience=patience) as pool:
        pool.start().submit({"write_at_end": str(tmp_path / "kept")})
        assert [hear(pool)[1]["event"] for _ in range(2)] == ["ready", "echo"]
    assert (tmp_path / "kept").exists() == (patience > 0)
