"""Where MLflow is: folders that are copied, moved and oddly named, other databases, servers that want a password."""

import base64
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing as at_last
from pathlib import Path

import pytest

from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan import preparation
from harness.store.records import Results
from harness.store.row_index import asked_rows
from harness.tracking import mlflow_client, refresh
from harness.tracking.place import place_of
from pivl.errors import UserError
from tests.support.commands import run_main
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain
from tests.support.stand_in_servers import page, saying, serving, silent, standing_in

ODD = ["a?b", "%20x", "100%;#c", 'it\'s "é" @b']
LOGIN = "reid:s3cret@"


@pytest.fixture
def results(tmp_path, monkeypatch, empty_mlflow):
    """Results with two finished runs of an asked experiment, and an empty database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return fill(tmp_path / "results", empty_mlflow)


def fill(folder, database):
    folder.mkdir(parents=True)
    results = Results(folder, complain)
    experiment = resolve(Request("ablation", rows="clip-reid,pi-vl", seeds="0", precision="fp32"))
    preparation.note_asked(experiment, record_all([experiment], results), results)
    shutil.copy(database, folder)
    return results


def draw_table(results, text):
    """The table of what was asked, which makes MLflow's parents of its rows other ones than before."""
    (name,) = {row.file for row in asked_rows(results)}
    (results.root / "tables").mkdir(exist_ok=True)
    (results.root / "tables" / f"{name}.md").write_text(text)


def content(folder):
    """Every file with its bytes and the time it was written."""
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()
    }


def kept(folder):
    """Where the artifacts of its database's runs lie, by run; none of them may be elsewhere or missing."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    with at_last(sqlite3.connect(folder / "mlflow.db")) as database:
        places = [place for (place,) in database.execute("select artifact_location from experiments")]
        runs = dict(database.execute("select name, artifact_uri from runs where lifecycle_stage = 'active'"))
    paths = {name: Path(local_file_uri_to_path(uri)) for name, uri in runs.items()}
    for path in [*map(Path, map(local_file_uri_to_path, places)), *paths.values()]:
        assert path.is_relative_to(folder / "mlartifacts")
    return {
        name: sorted(file.name.partition(".")[0] for file in path.glob("*")) for name, path in paths.items()
    }


CHILDREN = {
    "CLIP-ReID, seed 0": ["queries", "record"],
    "+ hierarchical fusion (PI-VL), seed 0": ["queries", "record"],
}
WHOLE = {**CHILDREN, "CLIP-ReID": ["ablation"], "+ hierarchical fusion (PI-VL)": ["ablation"]}


def test_artifacts_of_a_folder_that_was_copied_or_moved_lie_in_it_and_the_original_is_left_alone(results):
    draw_table(results, "the table")
    refresh.show_all(results)
    original = content(results.root)
    assert kept(results.root) == WHOLE
    copy = Results(results.root.with_name("copy"), complain)
    shutil.copytree(results.root, copy.root)
    draw_table(copy, "another")
    assert refresh.show_all(copy).endswith(": 0 runs added")
    assert kept(copy.root) == WHOLE
    assert {path.read_text() for path in copy.root.glob("mlartifacts/*/artifacts/*.md")} == {"another"}
    moved = Results(results.root.with_name("moved"), complain)
    copy.root.rename(moved.root)
    experiment = resolve(Request("ablation", rows="clip-reid", seeds="1", precision="fp32"))
    preparation.note_asked(experiment, record_all([experiment], moved), moved)
    assert refresh.show_all(moved).endswith(": 1 runs added")
    assert kept(moved.root) == {**WHOLE, "CLIP-ReID, seed 1": ["queries", "record"]}
    assert content(results.root) == original
    assert not copy.root.exists()


def test_a_client_of_mlflow_finds_the_artifacts_of_a_folder_that_was_moved(results, tmp_path):
    refresh.show_all(results)
    moved = results.root.rename(tmp_path / "moved")
    assert run_main("mlflow", "sync", "--results", str(moved)) == 0
    client = mlflow_client.MlflowClient(f"sqlite:///{moved}/mlflow.db")
    (experiment,) = (one for one in client.search_experiments() if one.name != "Default")
    runs = client.search_runs([experiment.experiment_id], "tags.`mlflow.parentRunId` != ''")
    for run in runs:
        assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"record.json"}
        copy = Path(client.download_artifacts(run.info.run_id, "record.json", str(tmp_path)))
        assert copy.read_bytes() == (moved / "runs" / run.data.tags["pivl.id"] / "record.json").read_bytes()
    assert len(runs) == 2


def test_a_database_that_was_copied_without_its_artifacts_gets_them_anew(results):
    refresh.show_all(results)
    copy = Results(results.root.with_name("copy"), complain)
    shutil.copytree(results.root, copy.root, ignore=shutil.ignore_patterns("mlartifacts"))
    assert refresh.show_all(copy).endswith(": 2 runs added")
    assert {name: files for name, files in kept(copy.root).items() if files} == CHILDREN
    assert refresh.show_all(copy).endswith(": 0 runs added")


def test_experiments_of_others_in_the_database_stay_where_they_are(results):
    client = mlflow_client.connect(results)
    client.create_experiment("theirs", "s3://bucket/mlartifacts/7")
    copy = Results(results.root.with_name("copy"), complain)
    shutil.copytree(results.root, copy.root)
    assert (
        mlflow_client.connect(copy).get_experiment_by_name("theirs").artifact_location
        == "s3://bucket/mlartifacts/7"
    )


@pytest.mark.parametrize("name", ODD)
def test_whatever_the_folder_is_called_its_database_and_artifacts_lie_in_it(
    name, tmp_path, monkeypatch, empty_mlflow
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / " x").mkdir()
    results = fill(tmp_path / name, empty_mlflow)
    monkeypatch.chdir(tmp_path)
    assert refresh.show_all(Results(Path(name), complain)).endswith(": 2 runs added")
    assert {one: files for one, files in kept(results.root).items() if files} == CHILDREN
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([" x", name])
    assert not list((tmp_path / " x").iterdir())


@pytest.mark.slow
def test_a_new_database_is_made_in_an_oddly_named_folder_and_mlflow_ui_takes_the_advice(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    odd = tmp_path / "a?b %20'x"
    odd.mkdir()
    monkeypatch.chdir(odd)
    results = Results(Path("results"), complain)
    mlflow_client.connect(results)
    assert [path.name for path in odd.iterdir()] == ["results"]
    assert {path.name for path in (odd / "results").iterdir()} == {"mlflow.db"}
    assert kept(odd / "results") == {}
    *_, address = shlex.split(place_of(results).how_to_look)
    upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", address]
    subprocess.run(upgrade, check=True, capture_output=True, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [odd.name]


def test_artifacts_of_a_database_elsewhere_lie_beside_it_and_not_where_the_command_was_typed(
    results, tmp_path, monkeypatch
):
    (tmp_path / "here").mkdir()
    (tmp_path / "lab").mkdir()
    (results.root / "mlflow.db").rename(tmp_path / "lab" / "mlflow.db")
    with at_last(sqlite3.connect(tmp_path / "lab" / "mlflow.db")) as database, database:
        database.execute("delete from experiments")  # MLflow's own, which lies where the database was made
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///../lab/mlflow.db")
    assert refresh.show_all(results) == "MLflow at sqlite:///../lab/mlflow.db: 2 runs added"
    assert {one: files for one, files in kept(tmp_path / "lab").items() if files} == CHILDREN
    assert not list((tmp_path / "here").iterdir())
    assert not (results.root / "mlartifacts").exists()


def test_how_to_look_at_the_runs_is_said_as_it_works(results, monkeypatch):
    def how(address):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        return place_of(results).how_to_look

    monkeypatch.setattr("harness.tracking.place.which", lambda name: None)
    beside = Path(sys.executable).with_name("mlflow")
    assert how("sqlite:////x.db") == f"with {beside} ui --backend-store-uri sqlite:////x.db"
    monkeypatch.setattr("harness.tracking.place.which", lambda name: f"/bin/{name}")
    assert how("") == f"with mlflow ui --backend-store-uri sqlite:///{results.root}/mlflow.db"
    assert how("sqlite:////x.db") == "with mlflow ui --backend-store-uri sqlite:////x.db"
    assert how("sqlite:////a b.db") == "with mlflow ui --backend-store-uri 'sqlite:////a b.db'"
    assert how("postgresql://host/x") == "with mlflow ui --backend-store-uri postgresql://host/x"
    assert how("postgresql://u:p@host/x") == 'with mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
    assert how("http://127.0.0.1:5055") == "in a browser at http://127.0.0.1:5055"
    assert how(f"http://{LOGIN}127.0.0.1:5055") == "in a browser at http://***@127.0.0.1:5055"
    assert how("databricks") == "at databricks"


def guarded(head):
    """A tracking server with no experiments, for reid with s3cret alone."""
    wanted = b"Authorization: Basic " + base64.b64encode(b"reid:s3cret")
    return page("200 OK") if wanted in head else page("401 Unauthorized", b"who?", "text/plain")


def test_user_and_password_of_an_address_or_of_the_environment_work(results, monkeypatch):
    with standing_in(serving(guarded)) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{LOGIN}127.0.0.1:{port}")
        assert mlflow_client.sync([], results) == 0
        assert "MLFLOW_TRACKING_USERNAME" not in os.environ
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}/")
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "reid")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
        assert mlflow_client.sync([], results) == 0
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wr0ng")
        expected = (
            f"http://127.0.0.1:{port}/ refuses this user and password (401); give those of its account "
            "in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
        with pytest.raises(UserError) as caught:
            mlflow_client.sync([], results)
        assert str(caught.value) == expected


def web(status):
    """A server of pages that are not MLflow's."""
    return serving(lambda head: page(status, b"<html>", "text/html"))


@pytest.mark.parametrize(
    ("talk", "line"),
    [
        (silent, "does not answer in time"),
        (web("404 Not Found"), "is no MLflow server (it answers 404); check its address"),
        (web("200 OK"), "is no MLflow server (it answers 200); check its address"),
        (serving(lambda head: page("500 Oh")), "reports an error of its own (500); its log says why"),
        (saying(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "does not answer: "),
    ],
)  # fmt: skip
def test_a_server_that_is_none_or_says_nothing_is_one_line_soon(talk, line, results, monkeypatch, capfd):
    monkeypatch.setattr(mlflow_client, "PATIENCE", 1.0)
    began = time.monotonic()
    with standing_in(talk) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{LOGIN}127.0.0.1:{port}")
        refresh.show({"ablation"}, results, Progress.on_stderr(False))
    said = capfd.readouterr().err
    assert time.monotonic() - began < 60  # MLflow's own patience is minutes
    assert f"(http://***@127.0.0.1:{port} {line}" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("is_there", [False, True])
def test_a_dead_database_is_given_up_soon_and_its_password_not_said(is_there, results, monkeypatch, capfd):
    pytest.importorskip("psycopg")
    monkeypatch.setattr(mlflow_client, "PATIENCE", 2.0)
    began = time.monotonic()
    with standing_in(silent) as port:
        address = f"localhost:{port if is_there else 1}/x"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql+psycopg://{LOGIN}{address}")
        refresh.show({"ablation"}, results, Progress.on_stderr(False))
    said = capfd.readouterr().err
    assert time.monotonic() - began < 60  # what does not answer at all is waited for without end
    assert f"(postgresql+psycopg://***@{address} does not answer{' in time' if is_there else ': '}" in said
    assert said.count("\n") == 1
    assert "s3cret" not in said
