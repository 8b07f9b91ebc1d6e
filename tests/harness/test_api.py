"""Several studies at once: what they share is planned once, and each has its table and its say in the exit status."""

import json
import re
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from harness import api
from harness.cli.main import main
from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve, resolve_all
from harness.plan.planner import make_plan
from harness.store.records import Results
from harness.store.row_index import asked_rows
from studies.catalog import ALL
from tests.support.recorded_experiments import drawn_cells, record_all
from tests.support.recorded_runs import complain, write_failed


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def run_all(results, *typed):
    """The exit status of `run all` on `results`."""
    with pytest.raises(SystemExit) as end:
        main(["run", "all", "--no-mlflow", "--results", str(results.root), *typed])
    return end.value.code


def test_all_asks_every_study_of_the_catalog_and_a_name_asks_one():
    assert [experiment.study for experiment in resolve_all(Request("all", preset="smoke"))] == list(ALL)
    assert [experiment.name for experiment in resolve_all(Request("ablation"))] == ["ablation"]


def test_what_studies_share_is_planned_once(results):
    ablation, controls = (resolve(Request(name)) for name in ("ablation", "controls"))
    cells = [cell for experiment in (ablation, controls) for cell in drawn_cells(experiment, results)]
    tasks = make_plan(cells, results, False).tasks
    assert len({task.id for task in tasks}) == len(tasks)
    runs = [task for task in tasks if task.is_run]
    seeds = len(ablation.seeds)
    assert len(runs) == seeds * (4 + 13 - 2)  # CLIP-ReID and PI-VL are in both
    stages = [task for task in tasks if not task.is_run]
    assert sorted(task.stage for task in stages) == seeds * ["identity-prompts"] + seeds * ["part-prompts"]
    shared = next(task for task in runs if task.run.recipe.fusion == "pyramid")
    assert shared.name.startswith("+ hierarchical fusion")  # by the title of the first study


def test_api_answers_with_the_table_and_the_records(results):
    request = api.Request("ablation", preset="smoke", rows="clip-reid", seeds="0")
    record_all([resolve(request, device="cpu")], results)
    options = api.Options(device="cpu", mlflow=False)
    answer = api.run(request, results.root, options)
    assert answer.complete
    assert 0 < answer.table.lines[0].means["mAP"].mean < 100
    assert answer.records["mAP"].notna().all()
    assert list(answer.records[["study", "row", "seed"]].iloc[0]) == ["ablation", "clip-reid", 0]
    assert api.table(request, str(results.root)).records.equals(answer.records)
    assert {item.state for item in api.plan(request, results.root, options).runs} == {"finished"}


def test_api_makes_the_page_that_the_command_makes(results, tmp_path):
    request = api.Request("ablation", preset="smoke", rows="clip-reid,pi-vl", seeds="0")
    record_all([resolve(request)], results)
    page, kept = api.report(request, results.root, str(tmp_path / "page.html"))
    assert page == tmp_path / "page.html"
    assert kept.parent == results.root / "figures"
    text = page.read_text(encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")
    assert "--rows clip-reid,pi-vl --seeds 0" in text
    supported = text[text.index("printed table can support") :]
    assert "+0.8 Rank-1: 17 to 19 of 2,228 queries" in supported  # labels over CLIP-ReID in Table 3
    with pytest.raises(SystemExit) as end:
        main(["report", "ablation", "--preset", "smoke", "--rows", "clip-reid,pi-vl", "--seeds", "0",
              "--results", str(results.root), "--output", str(tmp_path / "typed.html")])  # fmt: skip
    assert end.value.code == 0
    assert (tmp_path / "typed.html").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("where", ["guide", "docstring"])
def test_the_examples_run_as_they_are_printed(results, monkeypatch, where):
    """On runs that are recorded in the folder that they name."""
    guide = (Path(__file__).parents[2] / "docs" / "getting-started.md").read_text(encoding="utf-8")
    printed = {
        "guide": re.findall(r"```python\n(from harness import api\n.*?)```", guide, flags=re.S),
        "docstring": re.findall(
            r"^    from harness import api\n(?:\n|    .*\n)+", api.__doc__ or "", flags=re.M
        ),
    }[where]
    record_all([resolve(Request("ablation", preset="smoke"), device="cpu")], results)
    monkeypatch.chdir(results.root.parent)
    known: dict[str, object] = {}
    exec(textwrap.dedent("".join(printed)), known)
    answer = known["answer"]
    assert isinstance(answer, api.Answer)
    assert answer.complete
    assert len(answer.records) == {"guide": 8, "docstring": 1}[where]


def test_what_is_missing_is_said_and_makes_the_answer_incomplete(results):
    record_all([resolve(Request("ablation", rows="clip-reid", seeds="0"))], results)
    answer = api.table(Request("ablation", seeds="0"), results.root)
    assert not answer.complete
    assert list(answer.records["row"]) == ["clip-reid"]


def test_plan_believes_the_note_of_other_code(results, monkeypatch, capsys):
    request = Request("ablation", rows="clip-reid", seeds="0")
    record_all([resolve(request)], results)
    monkeypatch.setattr("harness.inputs.identity._code_digest", lambda inputs: "of other code")
    progress = Progress.on_stderr(quiet=False)
    found = api.plan(request, results.root, api.Options("cpu"), progress)
    assert {item.state for item in found.runs} == {"finished"}
    assert "synthped: taken as other code noted it" in capsys.readouterr().err


def test_worlds_have_one_table_and_files_of_their_own(results, capsys):
    request = Request("ablation", seeds="0-1", worlds="0-2", rows="clip-reid,part-labels")
    record_all(resolve_all(request, device="cpu"), results)
    answer = api.run(request, results.root, api.Options(device="cpu", mlflow=False))
    assert (answer.complete, len(answer.tables), len(answer.records)) == (True, 1, 3 * 2 * 2)
    assert sorted(set(answer.records["world"])) == [0, 1, 2]
    assert answer.records["id"].is_unique
    assert answer.table.heading == "synthped, worlds 0, 1, 2"
    of_world = api.table(replace(request, worlds="1"), results.root)
    gain = answer.table.lines[1].gains["mAP"].comparison.beyond.by_world[1]
    assert of_world.table.lines[1].gains["mAP"].comparison.gain.mean == pytest.approx(gain)
    kept = [path.name for path in (results.root / "tables").glob("*.md")]
    named = ["ablation", "ablation", "ablation-world1", "ablation-world2"]
    assert sorted(name.partition(".")[0] for name in kept) == named
    assert sum(".worlds=0+1+2,rows=" in name for name in kept) == 1
    rows = [(row.table, row.row, row.runs[0]) for row in asked_rows(results)]
    assert len(set(rows)) == len({run for *_, run in rows}) == 3 * 2


def test_each_study_has_its_table_and_its_files(results, capsys):
    record_all(resolve_all(Request("all")), results)
    assert run_all(results) == 0
    told = capsys.readouterr()
    for study in ALL:
        kept = results.root / "tables" / study.name
        table = kept.with_suffix(".md").read_text(encoding="utf-8")
        assert f"### {study.title}" in table
        assert table in told.out
        assert json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))["study"] == study.name
    assert told.err.count("runs are finished") == 1


def test_a_failed_run_of_one_study_is_a_line_of_it_and_status_1(results, capsys):
    asked = resolve_all(Request("all"))
    record_all(asked, results)
    cell = drawn_cells(asked[-1], results)[-1]
    write_failed(results, cell.run)
    assert run_all(results) == 1
    told = capsys.readouterr().out
    assert f"seed {cell.run.seed} failed: it broke" in told
    assert told.count("### ") == len(ALL)
