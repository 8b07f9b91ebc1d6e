"""Files and folders as they are typed: a home folder for `~` in every option, and what is to be written checked first."""

import os
from dataclasses import replace
from pathlib import Path

import click
import pytest

from harness.cli.main import commands, main
from harness.cli.paths import OutputFile, OutputFolder, PathText, UserPath
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from pivl.data.cache.folder import cache_folder
from pivl.errors import UserError
from pivl.system.homes import expand_home, home_of, substitute

PLACES = {"PATH", "FILE", "DIR", "FOLDER", "MAPS"}  # metavars of what is a file or folder
NAMES = {"folder", "files", "source", "output", "duke", "lists", "results", "dataset", "weights"}


def parameters(command=commands, words=()):
    """Every argument and option of every command, with the words that name it."""
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from parameters(one, (*words, name))
    for one in command.params:
        yield (*words, one.opts[-1]), one


PATHS = {words: one for words, one in parameters() if isinstance(one.type, UserPath | PathText)}


def test_whatever_takes_a_path_takes_it_by_a_type_that_expands():
    for words, one in parameters():
        assert not isinstance(one.type, click.Path), words
        is_place = one.metavar in PLACES or (one.name in NAMES and words[:2] != ("data", "show"))
        exempt = words in {
            ("data", "export", "dataset"),
            ("data", "show", "dataset"),
            ("claims", "--dataset"),
        }
        assert words in PATHS or exempt or not is_place, words
    assert len(PATHS) > 30


@pytest.mark.parametrize("words", PATHS, ids=" ".join)
def test_a_tilde_is_a_home_folder_in_every_option_and_argument(words, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    kind = PATHS[words].type
    assert str(kind.convert("~/some.csv", None, None)) == str(tmp_path / "some.csv")
    assert str(kind.convert("~/some.csv", None, None)) == str(
        kind.convert(f"{tmp_path}/some.csv", None, None)
    )
    for typed, said in (
        ("~nouser/x", "~nouser/x: there is no user nouser; write the whole path"),
        (f"{'x' * 256}/y", "no file has a name of 256 letters"),
        (f"~/{'é' * 128}.csv", "no file has a name of 260 letters"),
        ("a\0b", "NUL"),
    ):
        with pytest.raises(UserError, match=said) as refused:
            kind.convert(typed, None, None)
        assert "\n" not in str(refused.value)


def test_a_name_before_a_folder_of_maps_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    typed = PathText()
    assert typed.convert("schp=~/maps", None, None) == f"schp={tmp_path}/maps"
    for plain in ("openai", "synthped", "a/~b.csv", "schp=maps~"):
        assert typed.convert(plain, None, None) == plain
    asked = Request("ablation", dataset="market1501", backbone="rn50")
    assert resolve(replace(asked, weights="~/w.pt")).inputs.weights == str(tmp_path / "w.pt")
    with pytest.raises(UserError, match="there is no user nouser"):
        resolve(replace(asked, weights="~nouser/w.pt"))


def test_results_behind_an_equals_sign_lie_at_home(tmp_path, monkeypatch, capsys):
    """cases/tilde-results: shells leave `--results=~/res` as it is, and a folder called ~ was made."""
    home, work = tmp_path / "home", tmp_path / "work"
    (home / "res").mkdir(parents=True)
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    with pytest.raises(SystemExit) as end:
        main(["results", "check", "--quiet", "--results=~/res"])
    assert (end.value.code, capsys.readouterr().out) == (0, "nothing stored: no problems\n")
    with pytest.raises(SystemExit) as end:
        main(["table", "ablation", "--results=~/res", "--dataset=~/none.csv"])
    assert str(home / "none.csv") in capsys.readouterr().err
    assert end.value.code == 2
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("unset", [True, False], ids=["unset", "empty"])
def test_without_a_home_folder_the_cache_is_a_temporary_one_and_a_tilde_is_refused(
    tmp_path, monkeypatch, unset
):
    """cases/no-home: a user id that passwd does not know, and no HOME."""
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    monkeypatch.delenv("HOME") if unset else monkeypatch.setenv("HOME", "")
    for name in ("PIVL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert home_of() is None
    assert substitute() in cache_folder().parents
    assert substitute().parent == tmp_path
    assert substitute().stat().st_mode & 0o777 == 0o700
    with pytest.raises(
        UserError, match="~/x: no home folder is known, since HOME is not set; write the whole"
    ):
        expand_home("~/x")
    monkeypatch.setenv("HOME", str(substitute()))  # as it is for what the command starts
    assert home_of() is None
    monkeypatch.setenv("PIVL_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_a_stand_in_for_home_that_is_anothers_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("HOME", "PIVL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "elsewhere").mkdir()
    substitute().symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="set PIVL_CACHE to a folder"):
        cache_folder()


def test_the_home_of_a_user_is_found_by_name():
    assert expand_home("~root/x").name == "x"
    assert expand_home("~root/x").is_absolute()
    assert expand_home("a~b") == Path("a~b")


def results_in(folder):
    """A results folder of which one run was recorded."""
    run = folder / "runs" / ("0" * 16)
    run.mkdir(parents=True)
    for path in (folder / "datasets.json", folder / "asked.jsonl", folder / "mlflow.db", run / "record.json"):
        path.write_text("kept")
    return folder


@pytest.mark.parametrize(
    "name",
    ["datasets.json", "asked.jsonl", "mlflow.db", f"runs/{'0' * 16}/record.json", "tables/new.md", "runs/x"],
)
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
def test_what_a_results_folder_keeps_is_not_written_over(tmp_path, name, linked):
    folder = results_in(tmp_path / "results")
    path = folder / name
    if linked:
        path = tmp_path / "link"
        path.symlink_to(folder / name)
    before = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    for kind in (OutputFile(), OutputFolder()):
        with pytest.raises(UserError, match=r"is of the results in|is no folder"):
            kind.convert(str(path), None, None)
    with pytest.raises(UserError, match="is of the results in"):
        OutputFile().convert(str(path), None, None)
    assert {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()} == before


def test_a_file_beside_results_and_runs_of_something_else_may_be_written(tmp_path):
    folder = results_in(tmp_path / "results")
    assert OutputFile().convert(str(folder / "performance.md"), None, None) == folder / "performance.md"
    (tmp_path / "runs").mkdir()
    assert OutputFile().convert(str(tmp_path / "runs" / "x.md"), None, None).name == "x.md"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table", "ablation", "--output", "."], ". is a folder; name a file"),
        (["perf", "--output", "there/x.md"], "there is no folder; name another place"),
        (["data", "show", "synthped", "--output", "there/x.png"], "there is no folder"),
        (["data", "card", "--output", "."], ". is a folder"),
        (["data", "export", "synthped", "there"], "there is no folder"),
        (["pretrain", "--output", "there/x.safetensors"], "there is no folder"),
        (["pretrain", "--output", "/dev/null"], "/dev/null is no regular file"),
        (["pretrain", "--parser", "s", "--output", "there"], "there is no folder"),
        (["table", "ablation", "--output", ""], "an empty name is no file"),
    ],
)
def test_what_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("a file")
    with pytest.raises(SystemExit) as end:
        main(words)
    told = capsys.readouterr()
    assert end.value.code == 2
    assert said in told.err
    assert told.err.count("\n") == 1
    assert os.listdir() == ["there"]
