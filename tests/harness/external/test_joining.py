"""A method of other code is a further row of a study: of the same queries, with its seeds, and never marked for one."""

import json

import numpy as np
import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.descriptor_files import CAMERA, PERSON
from tests.support.descriptor_files import write_drawn as write
from tests.support.recorded_experiments import record_all
from tests.support.recorded_runs import complain


@pytest.fixture
def typed(tmp_path, capsys):
    results = Results(tmp_path / "results", complain)
    record_all([resolve(Request("ablation"))], results)

    def type_(*words, status=0):
        assert run_main("table", "ablation", "--results", str(results.root), *map(str, words)) == status
        out, err = capsys.readouterr()
        return out if status == 0 else err

    return type_


def test_a_file_is_a_row_with_one_seed_that_nothing_marks(typed, tmp_path):
    path = write(tmp_path / "feats.npz")
    document = json.loads(typed("--with", f"fastreid={path}", "--format", "json"))
    plain = json.loads(typed("--format", "json"))
    *ours, row = document["rows"]
    assert [one["map"] for one in ours] == [one["map"] for one in plain["rows"]]
    assert (row["row"], row["seeds"], row["seeds_planned"]) == ("fastreid", 1, 1)
    assert row["verdict"] == "too few seeds"
    assert not row["map_gain"]["marked"]
    assert row["map_gain"]["seeds"] == 1
    assert document["departures"]["Rows of other code, by --with"] == f"fastreid={path}"
    assert "feat:before-neck+given" in document["footer"]["signature"]
    text = typed("--with", f"fastreid={path}")
    assert "fastreid is of other code, one seed: feats.npz (sha256 " in text
    assert "Rows come from different code" not in text  # a digest of our code says nothing of other code
    assert row["code"] == []


def test_several_files_are_seeds(typed, tmp_path):
    for seed in range(3):
        write(tmp_path / f"feats-{seed}.npz", seed)
    document = json.loads(typed("--with", f"fastreid={tmp_path}/feats-{{0..2}}.npz", "--format", "json"))
    assert document["rows"][-1]["seeds"] == 3
    assert document["rows"][-1]["map_gain"]["seeds"] == 3


def test_another_test_set_or_a_taken_name_is_one_line(typed, tmp_path):
    path = write(tmp_path / "few.npz", person=PERSON[:8], camera=CAMERA[:8])
    assert "few.npz: 8 queries and 8 gallery images, where the runs have 12 and 12" in typed(
        "--with", path, status=2
    )
    path = write(tmp_path / "odd.npz", person=PERSON[[0, 1, 4, 3, 2, 5, 6, 7, 8, 9, 10, 11]])
    assert "odd.npz: its queries show another person than the runs', first query 4" in typed(
        "--with", path, status=2
    )
    np.savez(
        tmp_path / "said.npz", pivl=json.dumps({"dataset": "people@0"}), **np.load(write(tmp_path / "f.npz"))
    )
    assert "says that it describes people@0, and the runs are of " in typed(
        "--with", tmp_path / "said.npz", status=2
    )
    path = write(tmp_path / "feats.npz")
    assert "a row of ablation is called so" in typed("--with", f"pi-vl={path}", status=2)
    assert "leave --rerank out" in typed("--with", path, "--rerank", status=2)
