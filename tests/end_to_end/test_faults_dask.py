"""A study on a Dask cluster over loopback TCP, of which a worker is killed: the other goes on, and nothing shows it."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.support.killing import (
    STUDY,
    Watch,
    about,
    alive,
    below,
    environment,
    fair,
    finish,
    kill,
    leftovers,
    said,
    start,
    stored,
    table,
    wait_until,
)
from tests.support.stand_in_servers import page, serving, standing_in

pytestmark = pytest.mark.slow  # clusters of processes, each of which loads torch


@pytest.fixture
def dask(tmp_path):
    """A function that starts a process of Dask's command line in a folder of its own."""
    pytest.importorskip("distributed")
    running, folder = [], tmp_path / "dask"
    folder.mkdir()

    def begin(*words):
        code = "import sys; from dask.__main__ import main; sys.argv[0] = 'dask'; main()"
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words, "--no-dashboard"], cwd=folder, env=environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        children = below(process.pid) if process.poll() is None else []
        process.kill()
        for child in children:
            kill(child)
        process.wait()


@pytest.fixture
def scheduler(dask):
    """The address of a scheduler."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dask("scheduler", "--host", "127.0.0.1", "--port", str(port))
    return f"tcp://127.0.0.1:{port}"


def begin_worker(dask, scheduler):
    return dask("worker", scheduler, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What the local launcher stores and prints."""
    folder = tmp_path_factory.mktemp("undisturbed")
    status, out, err = finish(folder, *STUDY, *ROWS)
    assert status == 0, err
    return stored(folder), table(out)


ROWS = ("--seeds", "0", "--rows", "clip-reid,part-labels,pi-vl")


def test_a_killed_dask_worker_costs_nothing(dask, scheduler, undisturbed, tmp_path):
    workers = [begin_worker(dask, scheduler) for _ in range(2)]
    folder = tmp_path / "study"
    folder.mkdir()
    with Watch(folder / "results") as watch:
        process = start(folder, *STUDY, *ROWS, "--launcher", "dask", "--scheduler", scheduler)
        assert wait_until(lambda: len(list((folder / "results").glob("claims/*@*"))) == 2, 300)
        (supervised,) = below(workers[0].pid)
        workers[0].kill()
        assert wait_until(lambda: not alive(supervised), fair(2.0))
        status, out, err = said(process)
    assert status == 0, err
    assert watch.rewritten == []
    records, printed = undisturbed
    assert stored(folder) == records
    assert table(out) == printed
    assert leftovers(folder) == []
    assert wait_until(lambda: not about(folder), fair(5.0)), about(folder)
    assert "3 of 3 runs" in err


def test_ctrl_c_ends_what_the_cluster_does_for_us_and_a_killed_command_too(dask, scheduler, tmp_path):
    begin_worker(dask, scheduler)
    for end in ("interrupt", "kill"):
        process = start(tmp_path, *STUDY, *ROWS, "--launcher", "dask", "--scheduler", scheduler)
        assert wait_until(lambda: list((tmp_path / "results").glob("claims/*@*")), 300)
        if end == "interrupt":
            process.send_signal(signal.SIGTERM)  # taken like Ctrl-C, and heard in the background too
            process.wait(timeout=fair(5))
        else:
            process.kill()
        status, _, err = said(process)
        if end == "interrupt":
            assert status == 130
            assert "the same command goes on" in err
        assert wait_until(
            lambda: not [one for one in about(tmp_path) if "harness.execution.worker" in one], fair(5.0)
        )
        assert wait_until(lambda: leftovers(tmp_path, unfinished=True) == [], fair(5.0))


def test_a_cluster_on_this_machine_when_none_is_named(undisturbed, tmp_path):
    pytest.importorskip("distributed")
    status, out, err = finish(tmp_path, *STUDY, *ROWS, "--launcher", "dask", "--jobs", "2")
    assert status == 0, err
    assert (stored(tmp_path), table(out)) == undisturbed
    assert wait_until(lambda: not about(tmp_path), fair(5.0)), about(tmp_path)
    assert leftovers(tmp_path) == []


def test_no_scheduler_there_is_one_line(tmp_path):
    pytest.importorskip("distributed")
    status, _, err = finish(tmp_path, *STUDY, *ROWS, "--launcher", "dask", "--scheduler", "tcp://127.0.0.1:1")
    assert status == 2
    assert "no Dask scheduler answers there" in err
    assert err.count("\n") == 1


def test_a_web_server_in_its_place_is_one_line_and_the_command_ends(tmp_path):
    pytest.importorskip("distributed")
    with standing_in(serving(lambda head: page("200 OK"))) as port:
        address = f"tcp://127.0.0.1:{port}"
        began = time.monotonic()
        status, out, err = finish(tmp_path, *STUDY, *ROWS, "--launcher", "dask", "--scheduler", address)
        assert time.monotonic() - began < fair(30)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert f"--scheduler {address}: what listens there is no Dask scheduler" in err
