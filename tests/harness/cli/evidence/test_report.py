"""`report` writes one page of what is recorded, with a line in the place of what cannot be drawn."""

import shutil

from tests.support.commands import run_main
from tests.support.descriptor_files import write_drawn
from tests.support.recorded_experiments import record_rows
from tests.support.small_datasets import CSV_ROWS, write_csv

SETTINGS = {"rows": "clip-reid,pi-vl", "seeds": "0,1", "backbone": "tiny"}
TYPED = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]


def test_from_another_machine_whose_pictures_are_away_comes_a_page_that_says_so(tmp_path, capsys):
    people = write_csv(tmp_path / "people", CSV_ROWS)
    folder = record_rows(tmp_path / "results", str(people), **SETTINGS)
    shutil.rmtree(people.parent)
    descriptors = write_drawn(tmp_path / "feats.npz")
    page = tmp_path / "new" / "page.html"
    typed = ("--dataset", str(people), "--results", str(folder), *TYPED, "--with", f"other={descriptors}")
    assert run_main("report", "ablation", *typed, "--output", str(page)) == 0
    assert capsys.readouterr().out == f"{page}\n"
    text = page.read_text()
    assert text.count("<svg") >= 3  # gains, curves and cmc
    assert text.count("clip-reid, seed 0: ") >= 2  # in the places of tsne and cam
    assert "other" in text
    assert [one.name.rpartition("-")[2] for one in (folder / "figures").iterdir()] == ["report.html"]


def test_what_cannot_be_is_a_line(tmp_path, capsys):
    folder = record_rows(tmp_path / "results", "synthped", **SETTINGS)
    (tmp_path / "file").write_text("")
    for typed, told in (
        (["--output", str(tmp_path / "file" / "x.html")], "cannot write below"),
        (["--rows", "clip-reid,pi-vll", "--output", str(tmp_path / "x.html")], "did you mean 'pi-vl'?"),
        (["--seeds", "7", "--output", str(tmp_path / "x.html")], "no finished run to draw from"),
    ):
        assert run_main("report", "ablation", "--results", str(folder), *TYPED, "--quiet", *typed) == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert told in said
    assert not (tmp_path / "x.html").exists()
