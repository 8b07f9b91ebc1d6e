"""The commands about pictures on disk and about equality with the original: exit statuses and what they say."""

import numpy as np
import pytest

from harness.cli.main import main
from tests.support.small_datasets import CSV_ROWS, write_csv, write_duke, write_market

REFERENCE = "tests/reference/evaluation.npz"


def end(*words):
    """The exit status of the command line."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def test_a_sound_data_set_is_counted_and_ends_with_0(tmp_path, capsys):
    file = write_csv(tmp_path, CSV_ROWS)
    assert end("data", "check", "--dataset", str(file), "--quiet") == 0
    told = capsys.readouterr()
    assert "fingerprint: " in told.out
    assert "fault" not in told.out
    assert told.err == ""


def test_a_data_set_with_faults_ends_with_2_and_shows_each(tmp_path, capsys):
    write_market(tmp_path)
    words = ("data", "check", "--dataset", "market1501", "--data-root", str(tmp_path), "--quiet")
    assert end(*words) == 2
    assert "market1501: expected 12936 train images, found 4" in capsys.readouterr().out
    assert end(*words, "--allow-partial") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dataset", "market"), "no data set 'market'; name one of market1501, dukemtmc"),
        (("--dataset", "msmt17"), "msmt17: name the folder that holds MSMT17 V1 with --data-root"),
        (("--data-root", "/"), "Missing option '--dataset'"),
    ],
)
def test_what_cannot_be_checked_is_one_line(words, said, capsys):
    assert end("data", "check", *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_occluded_duke_is_not_made_of_lists_that_are_not_its(tmp_path, capsys):
    write_duke(tmp_path / "duke")
    (tmp_path / "lists").mkdir()
    for name in ("train", "query", "gallery"):
        (tmp_path / "lists" / f"{name}.list").write_text("0005_c2_f0000010.jpg\n")
    folders = (str(tmp_path / name) for name in ("duke", "lists", "made"))
    assert end("data", "build-occluded-duke", *folders) == 2
    assert "train.list: expected 15618 pictures, found 1" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_verify_shows_every_figure_and_ends_with_1_if_one_fails(tmp_path, capsys):
    assert end("verify", REFERENCE, "--quiet") == 0
    told = capsys.readouterr().out
    assert told.endswith("all figures pass\n")
    with np.load(REFERENCE) as file:
        figures = dict(file)
    key = next(line.split()[0] for line in told.splitlines() if line.endswith(" pass"))
    figures[key] = figures[key] + 1
    np.savez(tmp_path / "wrong.npz", **figures)
    assert end("verify", REFERENCE, str(tmp_path / "wrong.npz"), "--quiet") == 1
    assert capsys.readouterr().out.endswith("\n1 figures failed\n")
    assert end("verify", str(tmp_path / "none.npz")) == 2
    assert "No such file" in capsys.readouterr().err
