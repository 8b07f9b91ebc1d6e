"""A search whose trials lie in a real PostgreSQL, as several hosts would share one."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from harness.search import storage
from harness.search.spec import Place
from pivl.errors import UserError
from tests.support.searches import do, facts, search_of

pytestmark = pytest.mark.slow  # starts a server
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if shutil.which("initdb") is None else []
PATH = os.pathsep.join([*map(str, BINARIES), os.environ["PATH"]])
WORKER = """
import sys, time
from harness.search import storage as ledger
from harness.search.loop import work
from tests.support.searches import Arithmetic, place_at, search_of
ledger.HEARTBEAT, ledger.GRACE = 1, 3
place = place_at(sys.argv[1], sys.argv[2])
def stop(number):
    if number == 1 and sys.argv[3] == "stops":
        print("at it", flush=True)
        time.sleep(600)
    time.sleep(0.02)
with ledger.alive(place) as worker:
    work(ledger.join(search_of(), place), search_of(), place, 12, Arithmetic(search_of(), worker, stop))
"""


@pytest.fixture(scope="module")
def server():
    """The address of an empty database of a server of our own."""
    initdb, postgres = shutil.which("initdb", path=PATH), shutil.which("postgres", path=PATH)
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed (Debian: postgresql)")
    user: dict = {}
    folder = Path(tempfile.mkdtemp(prefix="pivl-postgresql-"))
    if os.geteuid() == 0:  # the server refuses to be run by root
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data = folder / "data"
    subprocess.run(
        [initdb, "-D", data, "-U", "pivl", "-A", "trust"], check=True, capture_output=True, cwd=folder, **user
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with open(folder / "log", "w") as log:
        running = subprocess.Popen(
            [postgres, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder],
            stdout=log, stderr=log, cwd=folder, **user,
        )  # fmt: skip
    url = f"postgresql://pivl@127.0.0.1:{port}/postgres"
    try:
        wait_for(running, port, folder / "log")
        yield url
    finally:
        running.terminate()
        running.wait(timeout=30)
        shutil.rmtree(folder)


def wait_for(running, port, log):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert running.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(1)
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture
def place(server, tmp_path):
    """An empty database, and a folder."""
    import psycopg

    name = f"search_{tmp_path.name}".lower()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return Place(tmp_path, server.rpartition("/")[0] + f"/{name}")


def test_a_database_gives_the_trials_that_a_journal_gives(place, tmp_path):
    search = search_of()
    begun = do(place, 12, search)
    assert facts(begun) == facts(do(Place(tmp_path / "journal"), 12, search))
    found, study = storage.find("mine", place)
    assert found == search
    assert facts(study) == facts(begun)


def test_two_workers_share_the_trials_and_one_that_is_killed_loses_none(place, monkeypatch):
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 3)
    storage.begin(search_of(), place)

    def start(how):
        command = [sys.executable, "-c", WORKER, str(place.folder), place.url, how]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    killed = start("stops")
    assert killed.stdout.readline() == b"at it\n"
    others = [start("goes on") for _ in range(2)]
    time.sleep(5)  # longer than the grace: a heartbeat keeps the trial its own
    killed.kill()
    killed.wait()
    assert [other.wait(timeout=120) for other in others] == [0, 0]
    for process in (killed, *others):
        process.stdout.close()
    _, study = storage.find("mine", place)
    trials = storage.trials(study)
    assert [trial.number for trial in trials] == list(range(12))
    assert all(trial.state in ("finished", "pruned") for trial in trials)
    attempts = [trial for trial in study.get_trials() if trial.user_attrs.get("number") == 1]
    assert [trial.state.name for trial in attempts][:-1] == ["FAIL"]
    assert attempts[0].params == attempts[1].params
    assert len(study.get_trials()) == 13


def test_a_database_that_is_not_there_is_one_line_without_the_password(tmp_path):
    place = Place(tmp_path, "postgresql://pivl:secret@127.0.0.1:1/none")
    with pytest.raises(UserError, match="--storage: the database does not answer") as caught:
        storage.begin(search_of(), place)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
