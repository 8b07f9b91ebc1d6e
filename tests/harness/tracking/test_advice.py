"""A database that MLflow cannot take: what it is and what to do, in one line, and never anything else."""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version

import pytest

from harness.store.records import Results
from harness.tracking import mlflow_client
from harness.tracking.place import place_of
from harness.tracking.view import ShownExperiment
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader
from tests.support.recorded_runs import complain

ANEW = "delete it: pivl-bench mlflow sync makes it again from the records"


@pytest.fixture
def results(tmp_path, monkeypatch, empty_mlflow):
    """Results with an empty database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_mlflow, tmp_path)
    return Results(tmp_path, complain)


def change(path, *statements):
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def said(results, capfd, experiments=()):
    """The one line that syncing ends with; nothing else is printed."""
    with pytest.raises(UserError) as caught:
        mlflow_client.sync(experiments, results)
    assert capfd.readouterr() == ("", "")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_database_of_a_newer_mlflow_is_left_as_it_is(results, capfd):
    path = results.root / "mlflow.db"
    change(path, "update alembic_version set version_num = 'ffffffffffff'", "drop table metrics")
    before = path.read_bytes()
    assert said(results, capfd) == (
        f"{path} was made by a newer MLflow than {version('mlflow')}, which is here; pip install -U mlflow, or {ANEW}"
    )
    assert path.read_bytes() == before


def test_a_database_of_an_older_mlflow_is_to_be_upgraded_or_made_anew(results, capfd):
    path = results.root / "mlflow.db"
    change(path, "update alembic_version set version_num = '0a8213491aaa'")
    expected = f"{path} was made by an older MLflow; mlflow db upgrade sqlite:///{path}, or {ANEW}"
    assert said(results, capfd) == expected


def test_a_database_that_others_share_is_not_to_be_deleted(results, monkeypatch, capfd):
    address = f"sqlite:///{results.root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    path = results.root / "mlflow.db"
    change(path, "update alembic_version set version_num = 'ffffffffffff'")
    assert said(results, capfd).endswith("which is here; pip install -U mlflow")
    path.write_bytes(b"no database" * 1000)
    assert said(results, capfd).endswith("is damaged (file is not a database); restore it from a copy")
    path.unlink()
    change(
        path, "create table alembic_version (version_num)", "insert into alembic_version values ('v3.2.0.a')"
    )
    assert said(results, capfd) == (
        f"{address} is a database of another program; set MLFLOW_TRACKING_URI to another one"
    )


def test_a_damaged_database_is_to_be_made_anew(results, capfd):
    path = results.root / "mlflow.db"
    whole, draw = path.read_bytes(), random.Random(0)
    for damaged in (
        b"no database" * 1000,
        whole[:5000],
        whole[: len(whole) // 2],
        whole[:4096] + draw.randbytes(40960),
    ):
        path.write_bytes(damaged)
        line = said(results, capfd)
        assert line.startswith(f"{path} is damaged (")
        assert line.endswith(ANEW)


@COUNTS
def test_a_database_is_taken_or_refused_whatever_was_done_to_it(count, tmp_path, monkeypatch, empty_mlflow):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results = Results(tmp_path, complain)
    place = place_of(results)

    def read(path):
        with mlflow_client._in_one_line(place):
            mlflow_client._ask_database(place)
            mlflow_client._follow(place, path.with_name("mlartifacts"))

    assert check_reader(tmp_path / "mlflow.db", empty_mlflow.read_bytes(), read, count) > count / 10


def test_what_is_no_file_is_not_opened(results, capfd):
    path = results.root / "mlflow.db"
    path.unlink()
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        make()
        assert said(results, capfd) == f"{path} is no file; move it away"
        path.rmdir() if path.is_dir() else path.unlink()
    path.symlink_to(results.root / "gone" / "mlflow.db")
    assert said(results, capfd).startswith(
        f"{path} cannot be written (unable to open database file); change its"
    )


def test_a_database_that_may_only_be_read_is_said_to_be(results, monkeypatch, capfd):
    address = f"sqlite+pysqlite:///file:{results.root}/mlflow.db?mode=ro&uri=true"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    line = said(results, capfd, [ShownExperiment("a study", ())])
    assert line == (
        f"{address} cannot be written (attempt to write a readonly database); change its permissions, "
        "or set another MLFLOW_TRACKING_URI"
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("127.0.0.1:5055", "127.0.0.1:5055"),
        ("reid:s3cret@127.0.0.1:5055", "***@127.0.0.1:5055"),
        ("ftp://reid:s3cret@host/x", "ftp://***@host/x"),
        ("sqlite+none:///x.db", "sqlite+none:///x.db"),
        ("file:///nowhere/mlruns", "file:///nowhere/mlruns"),
    ],
)
def test_what_is_no_address_is_said_to_be_none(address, shown, results, monkeypatch, capfd):
    monkeypatch.chdir(results.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert said(results, capfd) == (
        f"{shown} is no address that MLflow takes; MLFLOW_TRACKING_URI can be http://HOST:PORT, sqlite:///FILE or "
        "postgresql://USER@HOST/DATABASE"
    )
    assert [path.name for path in results.root.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("address", ["sqlite://", "sqlite:///:memory:", "sqlite:/x.db"])
def test_a_database_in_memory_is_refused(address, results, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(
        UserError, match=f"MLFLOW_TRACKING_URI={address} names no file; write sqlite:////FOLDER/FILE.db"
    ):
        mlflow_client.sync([], results)
