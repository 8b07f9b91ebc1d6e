"""pivl.toml: options that repeat are taken as if they were typed, typed ones go before, what is none is one line."""

import pytest

from harness.cli.main import commands
from harness.cli.project import read_defaults
from tests.support.commands import run_main


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Writes pivl.toml into a folder, which becomes the working one."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "pivl.toml").write_text(text)
        return tmp_path

    return write


def parsed(folder, *typed):
    """The values of a command's parameters."""
    found = commands.commands[typed[0]].make_context(
        typed[0], list(typed[1:]), default_map=read_defaults(commands, folder)[typed[0]]
    )
    return found.params


def test_options_are_taken_by_all_commands_that_have_them_and_by_one(project):
    folder = project(
        'dataset = "synthped-mini"\nset = ["epochs=3", "rate=1e-4"]\n[run]\njobs = 2\nno-mlflow = true\n'
    )
    found = parsed(folder, "run", "ablation")
    assert found["request"].dataset == "synthped-mini"
    assert found["request"].overrides == ("epochs=3", "rate=1e-4")
    assert (found["options"].jobs, found["options"].mlflow) == (2, False)
    planned = parsed(folder, "plan", "ablation")
    assert planned["request"].dataset == "synthped-mini"
    assert planned["options"].jobs is None


def test_what_is_typed_and_a_commands_own_section_go_before(project):
    folder = project('seeds = "0"\nrerank = true\nprecision = "bf16"\n[run]\nseeds = "1"\nrerank = false\n')
    assert parsed(folder, "plan", "ablation")["request"].seeds == "0"
    own = parsed(folder, "run", "ablation")["request"]
    assert (own.seeds, own.rerank, own.precision) == ("1", False, "bf16")
    assert parsed(folder, "run", "ablation", "--seeds", "7")["request"].seeds == "7"


def test_a_flag_that_is_true_is_as_typed(project, capsys):
    folder = project("rerank = true\nallow-partial = true\n[run]\nquiet = true\n[table]\nbrief = true\n")
    typed = parsed(folder, "run", "ablation")
    assert (typed["request"].rerank, typed["request"].allow_partial, typed["quiet"]) == (True, True, True)
    assert parsed(folder, "table", "ablation")["brief"] is True
    assert capsys.readouterr().err.splitlines() == [
        "pivl.toml: --allow-partial, --rerank, --quiet", "pivl.toml: --allow-partial, --rerank, --brief",
    ]  # fmt: skip


def test_either_name_of_a_pair_of_flags_may_be_written(project):
    for text, raw in (
        ("raw-input = true", True),
        ("normalised-input = true", False),
        ("normalised-input = false", True),
    ):
        folder = project(f"[export]\n{text}\noutput = 'a.onnx'\n")
        assert parsed(folder, "export", "0" * 16)["raw"] is raw


def test_the_sections_of_a_group_are_by_its_commands(project):
    folder = project('[data.check]\ndataset = "market1501"\n')
    assert read_defaults(commands, folder)["data"]["check"] == {"dataset": "market1501"}


def test_what_a_group_says_is_for_all_its_commands_and_a_search_by_its_name_is_one(project, capsys):
    folder = project('results = "here"\n[search]\nseed = "3"\n[search.show]\nseed = "4"\n')
    defaults = read_defaults(commands, folder)["search"]
    assert [defaults[name]["seed"] for name in ("do", "show", "confirm")] == ["3", "4", "3"]
    assert run_main("search", "none") == 2
    assert capsys.readouterr().err.splitlines()[0] == "pivl.toml: --seed 3, --results here"


def test_what_was_taken_is_told_on_one_line(project, capsys):
    project('results = "here"\nseeds = "0"\nrerank = false\nset = ["a=1", "b=2"]\n')
    assert run_main("plan", "none", "--seeds", "1") == 2
    assert capsys.readouterr().err.splitlines()[0] == "pivl.toml: --set a=1 b=2, --results here, --rerank off"


def test_help_shows_them_as_defaults(project, capsys):
    project('results = "here"\n')
    assert run_main("run", "--help") == 0
    assert "[default: here]" in capsys.readouterr().out


def test_without_a_file_nothing_is_kept(tmp_path):
    assert read_defaults(commands, tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dataset = market1501", "pivl.toml: Invalid value"),
        ('datasets = "x"', "unknown option 'datasets'"),
        ('[runs]\ndataset = "x"', "unknown command 'runs'; known: run"),
        ("[table]\njobs = 2", "unknown option 'jobs'"),
        ("[search]\nrow = 'x'", "unknown option 'row'"),
        ("[data.chek]\nx = 1", "unknown command 'chek'"),
        ("rerank = 1", "rerank takes true or false"),
        ("seeds = true", "seeds takes a text or a number"),
        ("seeds = [0, 1]", "seeds takes one value, not a list"),
        ("debug = true", "unknown option 'debug'"),
        ('seeds = "x"', "--seeds x"),
    ],
)
def test_what_is_no_option_is_one_line_that_names_the_file(project, capsys, text, said):
    project(text)
    assert run_main("plan", "ablation") == 2
    told = capsys.readouterr().err
    assert said in told
    assert "pivl.toml" in told
