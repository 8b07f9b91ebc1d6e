"""A real `mlflow server` on loopback: what it misses while it is down it gets later, artifacts and all."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import suppress

import pytest

from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.plan import preparation
from harness.store.records import Results
from harness.tracking import refresh
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain, write_failed
from tests.support.stand_in_servers import page, standing_in

BROWSER = shutil.which("chromium")
pytestmark = pytest.mark.slow  # the server takes its time to start


def free_port():
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(folder, port):
    """A server that keeps everything in `folder`, once it answers."""
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'server.db'}", "--artifacts-destination", str(folder / "kept"),
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return process
        except OSError:
            time.sleep(0.2)
    raise AssertionError((folder / "log").read_text())


@pytest.fixture
def server(tmp_path):
    """Where a server will be, and how to start it."""
    started, port = [], free_port()

    def start():
        started.append(serve(tmp_path, port))

    yield f"http://127.0.0.1:{port}", start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_was_down_gets_everything_later_and_nothing_twice(
    server, tmp_path, monkeypatch, capsys
):
    from mlflow import MlflowClient

    uri, start = server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    results = Results(tmp_path / "results", complain)
    experiment = resolve(Request("ablation", rows="clip-reid,pi-vl", seeds="0,1"))
    cells = record_all([experiment], results)
    write_failed(results, cells[-1].run)
    preparation.note_asked(experiment, cells, results)

    refresh.show({experiment.name}, results, Progress.on_stderr(False))
    assert "does not answer" in capsys.readouterr().err
    assert not (results.root / "mlflow.db").exists()

    start()
    assert f"{uri}: 4 runs added" in refresh.show_all(results)
    assert f"{uri}: 0 runs added" in refresh.show_all(results)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("ablation on synthped")
    runs = client.search_runs([experiment.experiment_id])
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert len(runs) == 6
    assert sorted(run.info.status for run in children) == ["FAILED", "FINISHED", "FINISHED", "FINISHED"]
    shown = next(run for run in children if run.data.tags["pivl.id"] == cells[0].run.id)
    assert len(client.get_metric_history(shown.info.run_id, "image-tower/identity")) == 6
    kept = list((tmp_path / "kept").rglob("queries.parquet"))
    assert len(kept) == 3
    recorded = results.run_folder(cells[0].run.id) / "queries.parquet"
    assert recorded.read_bytes() in [path.read_bytes() for path in kept]

    if BROWSER is None:
        pytest.skip("no chromium here to look at the pages with; the server has what it should")
    pages = f"{uri}/#/experiments/{experiment.experiment_id}/runs"
    rows = look(pages, tmp_path)
    assert "CLIP-ReID" in rows
    assert "+ hierarchical fusion (PI-VL)" in rows
    child = look(f"{pages}/{shown.info.run_id}", tmp_path)
    for text in (
        "Parent run",
        cells[0].run.id,
        "image-tower/identity",
        "synthped (000000000000)",
        "part_text",
    ):
        assert text in child
    assert "image-tower" in look(f"{pages}/{shown.info.run_id}/model-metrics", tmp_path)
    assert "queries.parquet" in look(f"{pages}/{shown.info.run_id}/artifacts", tmp_path)


def guard(port):
    """In front of the server: lets through what says that it comes from reid with s3cret, request by request."""
    login = b"Authorization: Basic " + base64.b64encode(b"reid:s3cret")

    def talk(connection):
        with socket.create_connection(("127.0.0.1", port)) as server:
            threading.Thread(target=pass_on, args=(server, connection), daemon=True).start()
            while more := connection.recv(2**20):
                if b" HTTP/1.1\r\n" in more and login not in more:
                    connection.sendall(page("401 Unauthorized"))
                    return
                server.sendall(more)

    return talk


def pass_on(source, target):
    with suppress(OSError):
        while more := source.recv(2**20):
            target.sendall(more)


def test_a_server_behind_a_password_gets_runs_and_artifacts(server, tmp_path, monkeypatch, capsys):
    uri, start = server
    start()
    results = Results(tmp_path / "results", complain)
    experiment = resolve(Request("ablation", rows="clip-reid", seeds="0"))
    preparation.note_asked(experiment, record_all([experiment], results), results)
    with standing_in(guard(int(uri.rpartition(":")[2]))) as port:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://reid:s3cret@127.0.0.1:{port}")
        refresh.show({experiment.name}, results, Progress.on_stderr(False))
        assert (
            f"1 runs added; look at them in a browser at http://***@127.0.0.1:{port}\n"
            in capsys.readouterr().err
        )
        assert len(list((tmp_path / "kept").rglob("queries.parquet"))) == 1
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://reid:wrong@127.0.0.1:{port}")
        refresh.show({experiment.name}, results, Progress.on_stderr(False))
    said = capsys.readouterr().err
    assert f"(http://***@127.0.0.1:{port} refuses this user and password (401); " in said
    assert said.count("\n") == 1


def look(page, folder):
    """The text of a page, once its scripts have run in a browser."""
    quiet = ["quic", "background-networking", "component-update", "sync", "gpu"]
    command = [
        BROWSER, "--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in quiet),
        f"--user-data-dir={tempfile.mkdtemp(dir=folder)}", "--window-size=1500,1100",
        "--virtual-time-budget=30000", "--dump-dom", page,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=180).stdout
