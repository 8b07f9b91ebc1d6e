"""`data` about pictures on disk: exit statuses, and what is said of sound, faulty and foreign folders."""

import shlex

import pytest

from tests.support.commands import run_main
from tests.support.small_datasets import CSV_ROWS, write_csv, write_duke, write_market


def test_a_sound_data_set_is_counted_and_ends_with_0(tmp_path, capsys):
    file = write_csv(tmp_path, CSV_ROWS)
    assert run_main("data", "check", "--dataset", str(file), "--quiet") == 0
    told = capsys.readouterr()
    assert "fingerprint: " in told.out
    assert "fault" not in told.out
    assert told.err == ""


def test_a_data_set_with_faults_ends_with_2_and_shows_each(tmp_path, capsys):
    write_market(tmp_path)
    words = ("data", "check", "--dataset", "market1501", "--data-root", str(tmp_path), "--quiet")
    assert run_main(*words) == 2
    assert (
        "market1501: a subset: 4 of 12936 train images (2 of 751 identities), 2 of" in capsys.readouterr().out
    )
    assert run_main(*words, "--allow-partial") == 0


@pytest.mark.usefixtures("cache")
def test_an_export_says_its_counts_before_and_after_and_the_next_command_works(tmp_path, capsys):
    folder = tmp_path / "two words"
    assert run_main("data", "export", "synthped-mini", str(folder), "--size", "64x32", "--people", "2") == 0
    told = capsys.readouterr()
    counts = "16 train, 12 query, 12 gallery images"
    assert told.err.startswith(f"synthped-mini: {counts} and 16 part maps to write into {folder}\n")
    written, following = told.out.splitlines()
    assert written == (
        f"{folder}: synthped-mini in the layout of market1501, {counts}; 16 part maps in {folder}/part_maps/lip"
    )
    assert run_main(*shlex.split(following)[2:], "--quiet") == 0
    assert f"part maps (lip) in {folder}/part_maps/lip: 16 of 16 train images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dataset", "market"), "no data set 'market'; name one of market1501, dukemtmc"),
        (("--dataset", "msmt17"), "msmt17: name the folder that holds MSMT17 V1 with --data-root"),
        (("--data-root", "/"), "Missing option '--dataset'"),
    ],
)
def test_what_cannot_be_checked_is_one_line(words, said, capsys):
    assert run_main("data", "check", *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_occluded_duke_is_not_made_of_lists_that_are_not_its(tmp_path, capsys):
    write_duke(tmp_path / "duke")
    (tmp_path / "lists").mkdir()
    for name in ("train", "query", "gallery"):
        (tmp_path / "lists" / f"{name}.list").write_text("0005_c2_f0000010.jpg\n")
    folders = (str(tmp_path / name) for name in ("duke", "lists", "made"))
    assert run_main("data", "build-occluded-duke", *folders) == 2
    assert "train.list: expected 15618 images, found 1" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
