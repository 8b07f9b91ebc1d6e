"""`pretrain` refuses before it renders anything; what it trains is held in tests/pivl/synthped/pretraining."""

import pytest

from tests.support.commands import run_main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--parser", "s", "--student"), "--parser and --student: train one after the other"),
        (("--student", "--device", "cuda"), "--device cuda: parsers and student are trained on a CPU"),
        (("--parser", "s", "--device", "mps"), "--device mps: parsers and student are trained on a CPU"),
        (("--parser", "xl"), "'xl' is not one of 's', 'm', 'l', 'all'"),
        (("--steps", "3"), "3 is not in the range x>=50"),
    ],
)
def test_a_mistake_is_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_main("pretrain", *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
