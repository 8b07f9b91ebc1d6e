"""`figure` draws from what is recorded, with nothing else at hand; whatever is lacking or typed wrongly is one line."""

import csv
import io
import shutil
from dataclasses import replace

import matplotlib
import pytest

from harness.execution.stored_run import OpenedRun
from harness.report.figures.opened import Opened
from tests.support.commands import run_main
from tests.support.descriptor_files import write_drawn
from tests.support.recorded_experiments import record_rows
from tests.support.small_datasets import CSV_ROWS, write_csv
from tests.support.tiny_models import RECIPE, tiny_trainer

SETTINGS = {"rows": "clip-reid,pi-vl", "seeds": "0,1", "backbone": "tiny"}
TYPED = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
QUIET = [*TYPED, "--quiet"]


@pytest.fixture
def results(tmp_path):
    return record_rows(tmp_path / "results", "synthped", **SETTINGS)


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def read(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.mark.parametrize(("left", "names"), [("csv", ["cmc"]), ("nothing", ["gains", "curves", "cmc"])])
def test_from_another_machine_whose_pictures_are_away_come_figures_that_need_none(
    tmp_path, capsys, left, names
):
    people = write_csv(tmp_path / "people", CSV_ROWS)
    folder = record_rows(tmp_path / "results", str(people), **SETTINGS)
    shutil.rmtree(people.parent / "b" if left == "csv" else people.parent)
    typed = ("ablation", "--dataset", str(people), "--results", str(folder), *QUIET)
    for name in names:
        assert run_main("figure", name, *typed, "--output", str(tmp_path / f"{name}.svg")) == 0
        assert (tmp_path / f"{name}.svg").read_text().rstrip().endswith("</svg>")
        assert read(tmp_path / f"{name}.csv")
    capsys.readouterr()
    assert run_main("figure", "cam", *typed) == 2
    *warnings, said = lines(capsys)
    assert all(line.startswith("warning: people: its files cannot be read now") for line in warnings)
    assert said.startswith("pivl-bench: clip-reid, seed 0: ")
    assert str(people.parent) in said


def test_a_row_whose_weights_were_removed_is_named(results, capsys):
    for path in results.glob("runs/*/model.safetensors"):
        path.unlink()
    assert run_main("figure", "tsne", "ablation", "--results", str(results), *QUIET) == 2
    (said,) = lines(capsys)
    assert said.startswith("pivl-bench: clip-reid, seed 0: ")
    assert "its weights, model.safetensors, are not there" in said
    assert "--redo" in said


@pytest.mark.parametrize("name", ["tsne", "cam"])
def test_a_data_set_without_part_maps_is_told(results, capsys, monkeypatch, name):
    trainer = tiny_trainer(RECIPE)
    bare = replace(trainer.split, query=replace(trainer.split.query, part_map=None))
    run = OpenedRun(None, replace(trainer, split=bare), trainer.fresh())
    monkeypatch.setattr(Opened, "run", lambda self, row, seed: run)
    assert run_main("figure", name, "ablation", "--results", str(results), *QUIET) == 2
    (said,) = lines(capsys)
    assert "its test images have no part maps" in said
    assert "--part-maps" in said


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["cmcx"], "unknown figure 'cmcx'; known: tsne, cam, .*; did you mean 'cmc'?"),
        (["cmc", "--rows", "clip-reid,pi-vll"], "unknown row 'pi-vll'; known: .*; did you mean 'pi-vl'?"),
        (["cmc", "--output", "x.jpg"], "x.jpg: a figure is .svg or .png; name such a file"),
        (["cmc", "--output", "missing.png/x.png"], "missing.png is no folder"),
        (["all", "--output", "x.png"], "--output: all figures go to the results folder"),
        (["gains", "--rows", "clip-reid"], "has a gain"),
        (["flips", "--rows", "clip-reid"], "two rows with finished runs are compared"),
    ],
    ids=["figure", "row", "ending", "folder", "all", "no gain", "one row"],
)
def test_what_was_typed_wrongly_is_a_line_and_nothing_is_written(
    results, capsys, monkeypatch, tmp_path, typed, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "missing.png").write_text("")
    before = sorted(tmp_path.rglob("*.*"))
    name, *options = typed
    assert run_main("figure", name, "ablation", "--results", str(results), *QUIET, *options) == 2
    (said,) = lines(capsys)
    assert all(part in said for part in told.split(".*"))
    assert sorted(tmp_path.rglob("*.*")) == before


def test_a_missing_folder_is_made(results, tmp_path, capsys):
    path = tmp_path / "new" / "one" / "cmc.png"
    typed = ("ablation", "--results", str(results), *QUIET, "--output", str(path))
    assert run_main("figure", "cmc", *typed) == 0
    assert capsys.readouterr().out.split() == [str(path.with_suffix(e)) for e in (".png", ".csv", ".txt")]


def test_stderr_says_what_is_drawn_from_what_and_where_it_went(results, tmp_path, capsys):
    path = tmp_path / "cmc.svg"
    typed = ("ablation", "--results", str(results), *TYPED, "--output", str(path))
    assert run_main("figure", "cmc", *typed) == 0
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        f"figure cmc: reading what {results} has",
        f"ablation on synthped: clip-reid, pi-vl; seeds 0, 1; runs of {results}",
        "cmc: drawing",
        "cmc: written as cmc.svg, cmc.csv, cmc.txt",
    ]
    assert out.splitlines()[0] == str(path)


def test_without_a_font_it_is_a_line(results, capsys, monkeypatch, tmp_path):
    def find(name):
        raise ValueError("no font\nanywhere")

    monkeypatch.setattr("matplotlib.font_manager.findfont", find)
    typed = ("ablation", "--results", str(results), *QUIET, "--output", str(tmp_path / "x.png"))
    assert run_main("figure", "cmc", *typed) == 2
    (said,) = lines(capsys)
    assert "no font" in said
    assert "install" in said


def test_without_a_display_it_is_drawn_and_neither_takes_nor_leaves_settings(results, monkeypatch, tmp_path):
    typed = ("ablation", "--results", str(results), *QUIET, "--output")
    assert run_main("figure", "cmc", *typed, str(tmp_path / "plain.png")) == 0
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setitem(matplotlib.rcParams, "backend", "tkagg")
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 9)
    assert run_main("figure", "cmc", *typed, str(tmp_path / "own.png")) == 0
    assert [matplotlib.rcParams[name] for name in ("backend", "lines.linewidth")] == ["tkagg", 9]
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_a_method_of_other_code_has_gains_and_no_runs_to_draw(results, tmp_path):
    path = write_drawn(tmp_path / "feats.npz")
    typed = ("ablation", "--results", str(results), *QUIET, "--with", f"other={path}", "--output")
    for name, expected in (("gains", {"pi-vl", "other"}), ("cmc", {"clip-reid", "pi-vl"})):
        assert run_main("figure", name, *typed, str(tmp_path / f"{name}.svg")) == 0
        assert {line["row"] for line in read(tmp_path / f"{name}.csv")} == expected
