"""`verify`: every figure of the original's, and the exit status."""

import numpy as np

from tests.support.commands import run_main
from tests.support.reference_files import EVALUATION


def test_verify_shows_every_figure_and_ends_with_1_if_one_fails(tmp_path, capsys):
    assert run_main("verify", str(EVALUATION), "--quiet") == 0
    told = capsys.readouterr().out
    assert told.endswith("all values pass\n")
    with np.load(EVALUATION) as file:
        figures = dict(file)
    key = next(line.split()[0] for line in told.splitlines() if line.endswith(" pass"))
    figures[key] = figures[key] + 1
    np.savez(tmp_path / "wrong.npz", **figures)
    assert run_main("verify", str(EVALUATION), str(tmp_path / "wrong.npz"), "--quiet") == 1
    assert capsys.readouterr().out.endswith("\n1 values failed\n")
    assert run_main("verify", str(tmp_path / "none.npz")) == 2
    assert "No such file" in capsys.readouterr().err
