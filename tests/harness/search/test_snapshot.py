"""What a search looks like in its report, in its figures, in the file that it keeps and in MLflow."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harness.display.progress import Progress
from harness.search.agreement import check_trials, contradictions, examine_search
from harness.search.figures import draw
from harness.search.report import markdown
from harness.search.snapshot import METRIC, KeptSearch, keep, kept_searches, show_search
from harness.search.spec import Place
from harness.search.trials import Trial, best
from harness.store.integrity import examine
from harness.store.records import Results
from harness.tracking import mlflow_client
from harness.tracking.refresh import show_all
from pivl.errors import UserError
from tests.support.recorded_runs import complain, write_finished
from tests.support.searches import search_of

BEGAN = datetime(2026, 11, 25, 12, tzinfo=UTC)


def setting(weight):
    return {"align_weight": weight, "triplet_weight": 0.5, "background": "class"}


def run_of(weight):
    return search_of().cell(setting(weight)).run.id


def drawn_trials(results=None):
    """A finished, a better, a pruned, a failed and a running trial; the first two recorded."""
    search = search_of()
    ended = BEGAN + timedelta(seconds=61)
    usual = search.cell(search.defaults).run
    better = search.cell(setting(0.1)).run
    if results:
        write_finished(results, usual)
        write_finished(results, better, seed=1)
    return [
        Trial(0, "finished", dict(search.defaults), 51.24, {7: 50.0, 8: 51.24}, usual.id, BEGAN, ended),
        Trial(1, "finished", setting(0.1), 52.06, {7: 52.5, 8: 52.06}, better.id, BEGAN, ended),
        Trial(2, "pruned", setting(9.0), None, {1: 20.0, 2: 22.04}, run_of(9.0), BEGAN, ended),
        Trial(3, "failed", setting(8.0), None, {}, run_of(8.0), BEGAN, ended, "the loss is not finite"),
        Trial(4, "running", {"align_weight": 0.2}, None, {}, None, BEGAN),
    ]


@pytest.fixture
def kept(tmp_path):
    """A search that was kept in results with two of its runs."""
    results = Results(tmp_path / "results", complain)
    found = KeptSearch(search_of(), drawn_trials(results), results.root / "searches" / "mine")
    keep(found, results)
    return results, found


def test_the_report_says_what_was_found_and_how_much_it_says():
    text = markdown(search_of(), drawn_trials(), {"align_weight": 0.75, "background": 0.25}, ["history.png"])
    assert "5 trials: 2 finished, 1 pruned, 1 failed, 1 running." in text
    assert "| align_weight   | 8         | 0.1             |" in text
    assert "mAP of held-out identities, %: 52.1, the default settings 51.2; the best of many draws" in text
    assert "pruned, mAP 22.0 after epoch 2" in text
    assert "failed: the loss is not finite" in text
    assert "| align_weight | 75 % " in text
    assert "Importance (PED-ANOVA)" in text
    assert "1 min 01 s" in text
    assert "held out by seed 0" in text
    assert "drawn@000000" in text


def test_a_report_of_nothing_and_of_no_gain():
    assert "0 trials" in markdown(search_of(), [], {}, [])
    alone = drawn_trials()[:1]
    assert "No setting did better than the default settings, by mAP of held-out identities" in markdown(
        search_of(), alone, {}, []
    )
    assert best([replace(alone[0], number=1), alone[0]]).number == 0


def test_figures_are_drawn_of_what_has_finished(tmp_path):
    assert draw(search_of(), drawn_trials()[3:], tmp_path) == []
    assert not list(tmp_path.iterdir())
    assert draw(search_of(), drawn_trials(), tmp_path) == ["history.png", "slices.png"]
    assert all((tmp_path / name).read_bytes()[1:4] == b"PNG" for name in ("history.png", "slices.png"))


def test_what_is_kept_is_read_back_and_a_damaged_file_is_passed_over_with_a_line(kept):
    results, found = kept
    assert kept_searches(results) == [found]
    said = []
    whole = (found.folder / "trials.json").read_text()
    for damaged in (json.dumps({"search": {}}), whole.replace("51.24", "51.25", 1)):
        (found.folder / "trials.json").write_text(damaged)
        assert kept_searches(Results(results.root, said.append)) == []
        assert "trials.json is not as it was written; pivl-bench search show writes it again" in said.pop()
        assert not said


def test_a_trial_that_is_not_as_its_record_is_found(kept, capsys):
    """As a flipped bit in the journal would leave it: it stays readable, and says another mAP."""
    results, found = kept
    record = results.read_run(found.trials[0].run)
    true = [replace(found.trials[0], value=record.metrics["mAP"]), *found.trials[2:]]
    search = found.search
    assert list(contradictions(search, true, results)) == []
    wrong = replace(true[0], value=99.0)
    assert list(contradictions(search, [wrong], results)) == [
        f"trial 0 has mAP 99.0 and its record {true[0].value}"
    ]
    keep(replace(found, trials=[*true, found.trials[1]]), results)
    assert "trial 1 has mAP" in str(
        examine(results.root, Progress.on_stderr(quiet=True), examine_search).problems
    )
    (found.folder / "trials.json").unlink()
    keep(replace(found, trials=true), results)
    assert examine(results.root, Progress.on_stderr(quiet=True), examine_search).problems == []
    keep(replace(found, trials=[wrong, *true[1:]]), results)
    findings = examine(results.root, Progress.on_stderr(quiet=True), examine_search)
    assert findings.counts["searches"] == 1
    assert findings.problems == [
        f"{found.folder / 'trials.json'}: trial 0 has mAP 99.0 and its record {true[0].value}"
    ]
    place = Place(found.folder)
    with pytest.raises(UserError, match=r"journal.log: trial 0 has mAP 99.0 .*delete .* and search again"):
        check_trials(search, [wrong], place, results)


def test_mlflow_shows_every_trial_that_ended_and_a_second_sync_changes_nothing(kept):
    results, found = kept
    assert mlflow_client.sync([show_search(found, results)], results) == 4
    client = mlflow_client.connect(results)
    experiment = client.get_experiment_by_name("search mine on drawn")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"Mine", "trial 0", "trial 1", "trial 2", "trial 3"}
    parent = runs.pop("Mine")
    assert parent.data.metrics[METRIC] == 52.06
    assert parent.data.params["space/align_weight"] == "0.01 10 True"
    assert all(run.data.tags["mlflow.parentRunId"] == parent.info.run_id for run in runs.values())
    assert [runs[f"trial {number}"].info.status for number in range(4)] == ["FINISHED"] * 2 + [
        "KILLED",
        "FAILED",
    ]
    assert runs["trial 1"].data.params["align_weight"] == "0.1"
    curve = client.get_metric_history(runs["trial 1"].info.run_id, METRIC)
    assert [(point.step, point.value) for point in curve] == [(7, 52.5), (8, 52.06)]
    assert runs["trial 2"].data.params["align_weight"] == "9.0"
    assert runs["trial 3"].data.tags["error"] == "the loss is not finite"
    assert mlflow_client.sync([show_search(found, results)], results) == 0


def test_mlflow_sync_makes_the_view_of_a_search_again(kept):
    results, _ = kept
    said = show_all(results, [show_search(one, results) for one in kept_searches(results)])
    assert ": 4 runs added" in said
    assert "of no study" not in said


def test_a_report_says_what_was_changed_in_the_recipe():
    search = replace(search_of(), space="loss-weights")
    assert "The recipe is" not in markdown(replace(search, space="mine"), [], {}, [])
    changed = replace(search, run=replace(search.run, recipe=replace(search.run.recipe, epochs=3)))
    said = markdown(changed, [], {}, [])
    assert "The recipe is PI-VL's with " in said
    assert "epochs=3" in said
