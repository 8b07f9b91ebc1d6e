"""What a person types: mistakes cost one clear line and status 2, help costs nothing."""

import pytest
from click.shell_completion import ShellComplete

from harness.cli.main import commands
from tests.support.commands import run_code, run_main


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            ["run", "ablatoin"],
            "unknown study 'ablatoin'; known: ablation, controls, token-controls, choices, comparison, parsers, "
            "transfer, all, starts; did you mean 'ablation'?",
        ),
        (["run", "all", "--rows", "pi-vl"], "--rows: each study of all has rows of its own"),
        (["run", "ablation", "--rows", "pivl"], "did you mean 'pi-vl'?"),
        (["run", "ablation", "--rows", ","], "no row named"),
        (["run", "ablation", "--preset", "smok"], "known: default, long, smoke; did you mean 'smoke'?"),
        (
            ["run", "ablation", "--preset", "long", "--dataset", "market1501"],
            "--preset long: its epochs are chosen for tiny, tiny-global, tiny-vit, tiny-vit-sie-olp; leave it out",
        ),
        (["run", "ablation", "--seeds", "3-1"], "3-1 runs backwards; write 1-3"),
        (["run", "ablation", "--seeds", "one"], "'one' is no seed"),
        (["run", "ablation", "--with", "a=f-0.npz", "a=f-1.npz"], "as {0..4}, in quotes"),
        (["run", "ablation", "--jobs", "0"], "--jobs 0"),
        (["run", "ablation", "--scheduler", "tcp://host:8786"], "say --launcher dask with it"),
        (["run", "ablation", "--results", "/dev/null/results"], "cannot write /dev/null/results"),
        (["run", "ablation", "--device", "tpu"], "'tpu' is not one of"),
        (["run"], "no study named; known: ablation"),
        (["rum"], "No such command 'rum'"),
        (["run", "ablation", "--sedes", "0"], "--seeds"),
        (["table", "ablation", "--format", "jsn"], "did you mean 'json'?"),
        (["power"], "name a study, as pivl-bench power ablation, or --dataset and --seeds"),
        (["power", "--dataset", "market1501", "--seeds", "2"], "no verdict is given on fewer than 3 seeds"),
        (
            ["power", "--dataset", "mine", "--seeds", "5", "--queries", "mine=90"],
            "add the identities, as mine=1200/200",
        ),
        (["power", "ablation", "--gain", "0"], "--gain"),
        (["power", "all", "--figure", "f.png"], "--figure draws one study; name it"),
        (["power", "starts", "--figure", "f.png"], "--figure draws one study; name it"),
        (["claims", "--dataset", "markt1501"], "did you mean 'market1501'?"),
        (["claims", "--queries", "mine"], "write mine=1200 or mine=1200/200, queries and identities"),
        (["claims", "table.xls"], "table.xls: neither .csv nor .md"),
        (["data", "show", "synthpad"], "did you mean 'synthped'?"),
        (["data", "export", "synthped", "/tmp/nowhere", "--size", "256"], "as 256x128"),
        (["data", "export", "synthped", "/tmp/nowhere", "--layout", "market"], "did you mean 'market1501'?"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do_and_status_2(typed, said, capsys):
    assert run_main(*typed) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_an_unexpected_error_is_one_line_without_debug(capsys, monkeypatch):
    monkeypatch.setattr("harness.api.resolve_worlds", lambda *_: 1 / 0)
    assert run_main("table", "ablation") == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "ZeroDivisionError" in told
    assert "--debug" in told
    assert run_main("table", "ablation", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_error_does_not_tell_the_password_of_an_address(capsys, monkeypatch):
    def fail(*_):
        raise RuntimeError("no answer from http://reid:s3cret@host")

    monkeypatch.setattr("harness.api.resolve_worlds", fail)
    assert run_main("table", "ablation", "--debug") == 1
    told = capsys.readouterr().err
    assert "s3cret" not in told
    assert (
        told.count("RuntimeError: no answer from http://***@host\n") == 2
    )  # in the traceback and in the line


def test_help_answers_at_once_and_loads_nothing_heavy():
    code = (
        "import sys; from harness.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([name for name in ('torch', 'mlflow', 'pandas', 'scipy') if name in sys.modules])"
    )
    done, seconds = run_code(code)
    assert seconds < 2  # half of one
    assert done.stdout.splitlines()[-1] == "[]"
    assert "pivl-bench run ablation --preset smoke" in done.stdout  # what to type next


def test_bare_command_is_help_and_options_stand_in_groups(capsys):
    assert run_main() == 0
    assert "pivl-bench run ablation --preset smoke" in capsys.readouterr().out
    assert run_main("run", "--help") == 0
    told = capsys.readouterr().out
    places = [
        told.index(f"\n{name}:\n") for name in ("What is measured", "Data", "Training", "Running", "Output")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("run abl", "ablation"),
        ("run ablation --rows clip-reid,pi-v", "clip-reid,pi-vl"),
        ("run ablation --dataset marke", "market1501"),
        ("plan ablation --preset smo", "smoke"),
        ("plan ablation --preset l", "long"),
        ("table ablation --backbone vit-b-16-s", "vit-b-16-sie-olp"),
        ("claims --dataset occ", "occluded-duke"),
        ("search loss", "loss-weights"),
        ("search show ra", "rates"),
    ],
)
def test_a_shell_completes_names(typed, known):
    """As the functions do that click writes for bash and zsh."""
    *words, last = typed.split(" ")
    found = ShellComplete(commands, {}, "pivl-bench", "_PIVL_BENCH_COMPLETE").get_completions(words, last)
    assert known in [item.value for item in found]
    assert not {"parser-s", "clip-reid,parser-s"} & {item.value for item in found}
