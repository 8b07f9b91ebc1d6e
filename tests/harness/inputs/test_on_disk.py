"""A csv file that is there is looked at again for every table; what is not at hand is taken as noted, which is said."""

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest

from harness.display.progress import Progress
from harness.experiment.experiment import Experiment
from harness.inputs import identity, spec
from harness.plan import preparation
from harness.report import study_table
from harness.store.records import Finished, Results
from tests.support.bmp_people import (
    BMP_ROWS,
    QUIET,
    ask_about,
    draw_picture,
    replace_map,
    replace_picture,
    write_people,
)
from tests.support.recorded_runs import write_finished


class Recorded:
    """A csv data set with a finished run of two rows, as run leaves it; `said` has every warning."""

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.said: list[str] = []
        self.results = Results(folder / "results", self.said.append)
        self.csv = write_people(folder / "data")
        experiment = ask_about(self.csv)
        found = preparation.find_data(experiment, experiment.inputs, self.results, QUIET)
        for cell in preparation.lay_out(
            experiment, experiment.shown, {experiment.inputs: found}, self.results
        ):
            facts = {**asdict(cell.inputs), "called": cell.inputs.called}
            write_finished(self.results, cell.run, inputs=facts)
        identity.remember(experiment.inputs, experiment.size, found, self.results)

    def table(self, maps: bool = False) -> set[str]:
        """The rows that have numbers where only the csv is named."""
        read = study_table.read_outcomes(self.experiment(maps), self.results, QUIET)
        return {row for row, seeds in read.items() if isinstance(seeds[0], Finished)}

    def experiment(self, maps: bool = False) -> Experiment:
        return ask_about(self.csv, maps)


@pytest.fixture
def recorded(tmp_path: Path, cache: Path) -> Recorded:
    return Recorded(tmp_path)


def correct_cameras(csv: Path) -> None:
    csv.write_text(csv.read_text().replace("gate,gallery", "yard,gallery"))


def reorder(csv: Path) -> None:
    csv.write_text("\n".join(["path,person,camera,split", *BMP_ROWS[::-1]]) + "\n")


ALL = {"clip-reid", "pi-vl"}


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        (lambda csv: None, ALL),
        (reorder, ALL),
        (correct_cameras, set()),
        (replace_picture, set()),
        (replace_map, {"clip-reid"}),
    ],
)
def test_a_table_has_the_numbers_of_what_the_csv_says_now(recorded, change, rows):
    assert recorded.table() == ALL
    change(recorded.csv)
    assert recorded.table() == rows
    changed = (
        f"{recorded.csv}, or an image or part map of it, has changed since the last run; run measures it anew"
    )
    assert recorded.said == ([] if rows == ALL else [changed])
    recorded.said.clear()
    assert recorded.table(maps=True) == rows
    assert recorded.said == []  # its folders were named: nothing was taken for granted


def test_plan_of_a_changed_csv_says_what_is_to_do(recorded):
    correct_cameras(recorded.csv)
    plan = preparation.foresee([recorded.experiment()], recorded.results, QUIET, retry_failed=False).plan
    assert sum(task.is_run for task in plan.tasks) == 2


@pytest.mark.parametrize("gone", ["pictures", "maps", "an image"])
def test_what_is_not_at_hand_is_taken_as_noted_and_said(recorded, gone):
    folder = recorded.csv.parent
    if gone == "pictures":
        shutil.rmtree(folder / "a")
    elif gone == "maps":
        shutil.rmtree(folder / "maps")
    else:
        (folder / "b" / "9.bmp").unlink()
    assert recorded.table() == ALL
    (line,) = recorded.said
    assert line.startswith(
        "people: its files cannot be read now, so what earlier runs recorded of it is used: "
    )
    assert "\n" not in line


def test_a_csv_that_is_gone_is_taken_as_noted(recorded):
    recorded.csv.unlink()
    assert recorded.table() == ALL
    assert recorded.said == []


def test_pictures_are_looked_for_where_the_last_run_had_them(tmp_path, cache):
    recorded = Recorded(tmp_path)
    apart = tmp_path / "apart" / "people.csv"
    apart.parent.mkdir()
    shutil.move(recorded.csv, apart)
    recorded.csv = apart
    experiment = ask_about(apart)
    assert experiment.inputs.data_root is None
    named = spec.Inputs(
        **{
            **asdict(experiment.inputs),
            "data_root": str(tmp_path / "data"),
            "part_maps": str(tmp_path / "data" / "maps"),
        }
    )
    found = preparation.find_data(experiment, named, recorded.results, QUIET)
    for cell in preparation.lay_out(
        experiment, experiment.shown, {experiment.inputs: found}, recorded.results
    ):
        write_finished(recorded.results, cell.run, inputs={**asdict(named), "called": "people"})
    identity.remember(named, experiment.size, found, recorded.results)
    assert recorded.table() == ALL
    draw_picture(tmp_path / "data" / "a" / "1.bmp", 99)
    assert recorded.table() == set()


def test_progress_is_told_of_hashing(recorded, capsys):
    progress = Progress.on_stderr(quiet=False)
    seen: list[str] = []
    progress.update = lambda name, text, *_: seen.append(f"{name}: {text}")
    study_table.read_outcomes(recorded.experiment(True), recorded.results, progress)
    assert seen[0].startswith("people: hashing files, once, 9 of 9 images")
