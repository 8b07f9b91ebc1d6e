"""A results folder of an earlier version: every later one reads it and prints the numbers that it printed.

tests/data/results_v1 was written by commit f056e7c: CLIP-ReID and PI-VL of the smoke ablation at seed 0 with the two
stages that they start from, a run whose worker was killed, and a search of two trials. To keep it small, that commit's
writer stored both runs once more with a model of three numbers. results_v1_ablation.* is what its `table` printed.
A change that makes one of these tests fail takes people's results from them: mend the change, not the folder.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity
from harness.inputs.spec import DataIdentity
from harness.store.records import Finished, Results
from tests.support.commands import run_main
from tests.support.recorded_runs import complain

DATA = Path(__file__).parents[1] / "data"
THEN = (  # as it was then
    "--set", "global_text=tuned", "--set", "depth_wise_start=unit", "--set", "background=class",
    "--set", "align_weight=1", "--set", "head_rate=0.0015",
)  # fmt: skip
SMOKE = ("ablation", "--preset", "smoke", "--seeds", "0", *THEN)
RENDERED = DataIdentity("b36c93267774", "")  # synthped-mini of version 1
WEIGHTS = "51849d1e1ed8a78443e9efecf2edfe172c439150f80111dca1e19b467a059c7c"  # of the tiny CLIP then
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


@pytest.fixture
def results(tmp_path):
    """A copy of the folder."""
    return Results(Path(shutil.copytree(DATA / "results_v1", tmp_path / "results")), complain)


@pytest.fixture
def typed(results, capsys):
    """What a command on the folder prints; it must end with 0."""

    def type_(*words):
        assert run_main(*words, "--results", str(results.root)) == 0
        return capsys.readouterr().out

    return type_


def test_git_has_the_whole_folder():
    """A pattern of .gitignore that hides a part of it would only be seen in a fresh clone."""
    hidden = subprocess.run(
        ["git", "check-ignore", "--stdin"],
        cwd=DATA,
        input="\n".join(str(path) for path in DATA.rglob("*") if path.is_file()),
        capture_output=True,
        text=True,
    )
    assert hidden.stdout == ""


def test_check_finds_every_part_of_it_sound(typed):
    assert typed("results", "check") == "5 runs, 2 stages, 1 searches: no problems\n"


def rows(markdown):
    """The numbers of each row in all grids, sorted, without a verdict's: "1 seed"."""
    found = {}
    for title, line in re.findall(r"^\| (CLIP-ReID|\+ [^|]*?) +\|(.*)$", markdown, flags=re.M):
        found.setdefault(title, []).extend(NUMBER.findall(re.sub(r"\| \d+ seeds? +\|", "|", f"|{line}")))
    return {title: sorted(numbers) for title, numbers in found.items()}


def test_its_table_has_the_numbers_that_were_printed(typed):
    """Words of headings and notes may change, numbers of rows may not."""
    before = rows((DATA / "results_v1_ablation.md").read_text(encoding="utf-8"))
    assert len(before) == 4
    now = rows(typed("table", *SMOKE))
    assert {title: now[title] for title in before} == before


def changes(before, now, place="table"):
    """The places of `before` at which `now` has nothing or another number; what is new or worded anew is none."""
    if isinstance(before, dict):
        pairs = [(name, value, now.get(name)) for name, value in before.items()]
    elif isinstance(before, list):
        pairs = [(at, value, now[at] if at < len(now) else None) for at, value in enumerate(before)]
    else:
        return [place] if before != now and not (isinstance(before, str) and isinstance(now, str)) else []
    return [one for name, value, other in pairs for one in changes(value, other, f"{place} {name}")]


def test_its_table_for_programs_has_the_numbers_that_it_had(typed):
    before = json.loads((DATA / "results_v1_ablation.json").read_text(encoding="utf-8"))
    assert changes(before, json.loads(typed("table", *SMOKE, "--format", "json"))) == []


def test_its_runs_count_as_finished_and_failed(typed, results, monkeypatch):
    """As they did when its pictures were rendered and its weights shipped; today's plan begins anew."""
    experiment = resolve(Request("ablation", preset="smoke"))
    identity.remember(experiment.inputs, experiment.size, RENDERED, results)
    monkeypatch.setattr(identity, "weights_digest", lambda inputs, results: WEIGHTS)
    printed = typed("plan", *SMOKE)
    states = dict(re.findall(r"^\| ([0-9a-f]{16} \| \S+) +\| +0 \| (.+?) *\|", printed, flags=re.M))
    assert states == {
        "b0a94167c8daedfc | clip-reid": "finished by other code",
        "92d003c9d97e383c | part-labels": "failed: its process was killed by SIGKILL, perhaps for want of memory",
        "b4200e8157f7c0ed | identity-parts": "to do",
        "9dd76304f51e28fc | pi-vl": "finished by other code",
    }


def test_its_search_is_read(typed):
    printed = typed("search", "show", "loss-weights", "--preset", "smoke")
    assert "2 trials: 2 finished" in printed
    assert re.search(r"^\| 0 +\| 38\.3 ", printed, flags=re.M)
    assert re.search(
        r"^\| 1 +\| 31\.9 +\| 0\.0132 +\| 0\.603 +\| 1\.71 +\| 0\.445 +\| 0\.0266 ", printed, flags=re.M
    )


def test_its_records_and_tensors_are_read(results):
    """Also those of the trials, of which no table is made."""
    runs = [results.read_run(folder.name) for folder, _ in results.records("runs")]
    finished = [run for run in runs if isinstance(run, Finished)]
    assert (len(runs), len(finished)) == (5, 4)
    for run in finished:
        assert run.metrics["mAP"] == pytest.approx(100 * run.queries["average_precision"].mean())
        assert results.read_history(results.run_folder(run.id))
    for folder, record in results.records("stages"):
        assert results.has_stage(folder.name), record["stage"]
        assert results.read_stage(folder.name)
