"""Searches for real, at the smallest size: worker processes, a kill, going on, the report and the confirmation."""

import os
import re
import signal
import time

import pytest

from harness.search import storage
from harness.search.spec import Place
from harness.search.trials import best as best_of
from harness.store.records import Finished, Results
from tests.support.commands import start
from tests.support.recorded_runs import complain

pytestmark = pytest.mark.slow  # trains a dozen times

SEARCH = ("search", "loss-weights", "--preset", "smoke")
NAME = "loss-weights-smoke"
DIVERGENT = ("--set", "rate=10", "--set", "bias_rate_factor=1000", "--set", "weight_decay=1")


PATIENCE = 1200  # seconds; a minute on two free cores


def run(folder, *typed):
    """Status, standard output and standard error of a command that ends by itself."""
    process = start(folder, *typed)
    try:
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    return process.returncode, out, err


def wait_for(condition, process):
    """Wait until `condition` holds while `process` goes on; it is ended if that never comes."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end or process.poll() is not None:
            process.kill()
            raise AssertionError(process.communicate())
        time.sleep(0.1)


def found_in(folder):
    """The trials of the search in `folder`."""
    found = storage.find(NAME, Place(folder / "results" / "searches" / NAME))
    return storage.trials(found[1]) if found else []


def facts(folder):
    return [(one.number, one.state, one.setting, one.value, one.epochs) for one in found_in(folder)]


def processes_in(folder):
    """The processes that work in `folder` or were started from there, by their command lines."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{name}/cwd") == str(folder):
                found.append(int(name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A folder with 6 trials by 2 workers, which were killed once with their parent; what the second command said."""
    folder = tmp_path_factory.mktemp("resumed")
    killed = start(folder, *SEARCH, "--trials", "6", "--jobs", "2")
    wait_for(lambda: sum(one.done for one in found_in(folder)) >= 2, killed)
    running = [one.number for one in found_in(folder) if one.state == "running"]
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=30)
    end = time.monotonic() + 60
    while processes_in(folder):  # workers notice that their parent is gone
        assert time.monotonic() < end
        time.sleep(0.1)
    status, out, err = run(folder, *SEARCH, "--trials", "6", "--jobs", "2")
    assert status == 0, err
    return folder, running, out, err


def test_a_killed_search_goes_on_and_does_every_trial_once(resumed):
    folder, running, out, err = resumed
    trials = found_in(folder)
    assert [one.number for one in trials] == list(range(6))
    assert all(one.state in ("finished", "pruned") for one in trials)
    assert running
    said = re.search(r"(\d) of 6 trials are done", err)
    assert 2 <= int(said[1]) < 6
    assert "6 trials: " in out
    assert not processes_in(folder)


def test_its_trials_are_records_of_held_out_people_without_weights(resumed):
    folder, *_ = resumed
    results = Results(folder / "results", complain)
    for trial in found_in(folder):
        if trial.state == "finished":
            found = results.read_run(trial.run)
            assert isinstance(found, Finished)
            assert found.metrics["mAP"] == trial.value == trial.epochs[max(trial.epochs)]
            assert "synthped-mini-v1-held-out@" in found.signature
            assert len(found.queries) == 160  # 20 people x 8 pictures
            assert {name: found.record["recipe"][name] for name in trial.setting} == trial.setting
            assert not (results.run_folder(trial.run) / "model.safetensors").exists()
    assert len(list((folder / "results" / "stages").iterdir())) == 1 + 6  # one stage 1a, a stage 1b for each


def test_show_prints_the_same_again_and_draws_figures(resumed):
    folder, _, out, _ = resumed
    status, shown, err = run(folder, "search", "show", "loss-weights", "--preset", "smoke")
    assert (status, err) == (0, "")
    assert shown == out == (folder / "results" / "searches" / NAME / "report.md").read_text()
    for name in ("history.png", "slices.png"):
        assert f"![{name}]({name})" in shown
        assert (folder / "results" / "searches" / NAME / name).read_bytes()[:4] == b"\x89PNG"
    status, listed, _ = run(folder, "search", "list")
    assert f"started in results: {NAME}" in listed


def test_confirm_prints_a_table_of_the_test_people(resumed):
    folder, *_ = resumed
    best = best_of(found_in(folder))
    status, out, err = run(folder, "search", "confirm", *SEARCH[1:], "--seeds", "0", "--no-mlflow")
    assert status == 0, err
    if best.number == 0:
        assert out == f"{NAME}: no trial did better than the default settings; there is nothing to confirm\n"
        return
    assert "| PI-VL, tuned " in out
    assert f"the best of 6 trials, number {best.number}" in out
    assert "synthped-mini-v1@" in out  # the test people, not those held out


def test_the_same_search_gives_the_same_trials_twice(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        status, _, err = run(tmp_path / name, *SEARCH, "--trials", "3", "--jobs", "1")
        assert status == 0, err
    assert facts(tmp_path / "one") == facts(tmp_path / "two")


def test_ctrl_c_ends_at_once_and_the_same_command_goes_on(tmp_path):
    process = start(tmp_path, *SEARCH, "--trials", "2", "--jobs", "1")
    wait_for(lambda: any(one.state == "running" for one in found_in(tmp_path)), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues from there" in err
    assert not processes_in(tmp_path)
    status, _, err = run(tmp_path, *SEARCH, "--trials", "2", "--jobs", "1")
    assert status == 0, err
    assert [one.state for one in found_in(tmp_path)] == ["finished", "finished"]


def test_a_search_that_diverges_records_failed_trials_and_goes_on(tmp_path):
    status, out, err = run(tmp_path, *SEARCH, "--trials", "2", "--jobs", "1", *DIVERGENT)
    assert status == 1, err
    assert [one.state for one in found_in(tmp_path)] == ["failed", "failed"]
    assert "not finite" in out
