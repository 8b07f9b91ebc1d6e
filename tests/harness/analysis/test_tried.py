"""Test runs of --limit-steps: what was tried stands in the place of scores, and nothing else of them."""

import json

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.recorded_experiments import drawn_cells, note_data
from tests.support.recorded_runs import complain, write_failed, write_finished, write_stage

TYPED = (
    "table",
    "ablation",
    "--rows",
    "clip-reid",
    "--seeds",
    "0,1,2",
    "--limit-steps",
    "2",
    "--precision",
    "fp32",
)


@pytest.fixture
def results(tmp_path):
    """Test runs of CLIP-ReID at two seeds with drawn curves, and a third seed that failed."""
    results = Results(tmp_path / "results", complain)
    experiment = resolve(
        Request("ablation", rows="clip-reid", seeds="0,1,2", limit_steps=2, precision="fp32")
    )
    note_data(experiment, results)
    for cell in drawn_cells(experiment, results):
        run = cell.run
        if run.seed == 2:
            write_failed(results, run, "no memory")
            continue
        write_finished(results, run, run.seed, limit_steps=2)
        folder = write_stage(results, run, "identity-prompts")
        record = json.loads((folder / "record.json").read_text())
        record = {name: value for name, value in record.items() if name not in ("files", "checksum")}
        steps = [{"stage": "identity-prompts", "terms": {"a": 5.0, "b": 1.0 + run.seed}} for _ in range(2)]
        lines = "".join(json.dumps(step) + "\n" for step in steps)
        results.write(folder, record, {"history.jsonl": lambda path, lines=lines: path.write_text(lines)})
    return results


def test_what_was_tried_is_printed_by_row_and_stage_and_no_dashes(results, capsys):
    assert run_main(*TYPED, "--results", str(results.root)) == 0
    told = capsys.readouterr().out
    assert "**Test run**, 2 steps per stage: scores are not reported. Drop --limit-steps for results." in told
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines() if line[:1] == "|"
    ]
    assert rows[0] == ["Row", "Stage", "Seeds", "Steps", "Loss in the last step", "Seconds"]
    assert rows[2:] == [
        ["CLIP-ReID", "identity-prompts", "2", "2", "6.500", "3.5"],  # 5 + 1 and 5 + 2
        ["CLIP-ReID", "image-tower", "2", "6", "0.200", "3.5"],  # as drawn: 1 / (2 + 3)
    ]
    assert "- **CLIP-ReID**: seed 2 failed: no memory." in told
    assert "**No complete run yet (2 test runs).**" in told
    assert "scores not reported" not in told


def test_json_has_them_too_and_a_table_of_results_has_none(results, capsys):
    assert run_main(*TYPED, "--results", str(results.root), "--format", "json") == 0
    tried = json.loads(capsys.readouterr().out)["test_runs"]
    assert (tried["runs"], tried["limit"]) == (2, 2)
    assert [stage["stage"] for stage in tried["stages"]] == ["identity-prompts", "image-tower"]
    assert run_main(*TYPED[:6], *TYPED[8:], "--results", str(results.root), "--format", "json") == 0
    assert "test_runs" not in json.loads(capsys.readouterr().out)
