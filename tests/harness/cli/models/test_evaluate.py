"""`evaluate`: what `compare` says of a model's descriptors, for checkpoints of any code; a matrix across data sets."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.commands import run_main
from tests.support.run_folders import fresh, write_model
from tests.support.small_datasets import CSV_ROWS, write_csv


@pytest.fixture
def people(tmp_path, cache):
    return write_csv(tmp_path / "data", CSV_ROWS)


@pytest.fixture
def typed(tmp_path, capsys):
    def type_(*words, status=0):
        assert run_main(*map(str, words), "--quiet", "--results", str(tmp_path / "results")) == status
        out, err = capsys.readouterr()
        return out if status == 0 else err

    return type_


def test_a_run_scores_as_its_extracted_descriptors_do(typed, people, tmp_path):
    run = write_model(tmp_path / "run", *fresh("resnet"))
    (scored,) = json.loads(typed("evaluate", f"mine={run}", "--dataset", people, "--format", "json"))
    typed("extract", run, "--dataset", people, "--output", tmp_path / "f.npz")
    (row,) = json.loads(typed("compare", tmp_path / "f.npz", "--format", "json"))["rows"]
    assert scored["mAP"] == pytest.approx(row["map"]["mean"])
    assert scored["rank1"] == pytest.approx(row["rank1"]["mean"])
    assert scored["checkpoint"] == "mine"
    assert "|feat:before-neck|dist:euclid-l2|" in scored["signature"]
    assert "trained on tiny@000000" in scored["model"]


def test_each_run_has_its_own_scores(typed, people, tmp_path):
    first, second = (write_model(tmp_path / name, *fresh("resnet")) for name in ("first", "second"))
    weights = load_file(second / "model.safetensors")
    draw = torch.Generator().manual_seed(3)
    other = {
        name: one + torch.randn(one.shape, generator=draw) if one.dim() > 1 else one
        for name, one in weights.items()
    }
    save_file(other, second / "model.safetensors")
    told = ("--dataset", people, "--format", "json")
    both = json.loads(typed("evaluate", f"a={first}", f"b={second}", *told))
    typed("extract", second, "--dataset", people, "--output", tmp_path / "f.npz")
    (row,) = json.loads(typed("compare", tmp_path / "f.npz", "--format", "json"))["rows"]
    assert both[1]["mAP"] == pytest.approx(row["map"]["mean"])
    assert both[0]["mAP"] != both[1]["mAP"]


def test_what_would_be_dropped_from_the_table_is_one_line(typed, people, tmp_path):
    run, other = write_model(tmp_path / "run", *fresh("resnet")), write_csv(tmp_path / "more", CSV_ROWS)
    again = write_model(tmp_path / "again", *fresh("resnet"))
    assert "a names 2 checkpoints" in typed(
        "evaluate", f"a={run}", f"a={again}", "--dataset", people, status=2
    )
    assert "two data sets are called" in typed(
        "evaluate", run, "--dataset", people, "--dataset", other, status=2
    )


def test_several_data_sets_make_a_matrix(typed, people, tmp_path):
    run, other = write_model(tmp_path / "run", *fresh("resnet")), people.with_name("others.csv")
    other.write_text(people.read_text().replace("cleo", "eve"))
    said = typed("evaluate", run, f"b={run}", "--dataset", people, "--dataset", other, "--ap", "trapezoid")
    assert "| mAP of checkpoint on " in said
    assert said.count("| run ") == said.count("| b ") == 3  # two rows, and one of the matrix
    assert said.count("**Evaluation protocol**") == 2
    assert "ap:trapezoid" in said
    assert "images of 32x16 normalised by clip (mean 0.481" in said


def test_a_checkpoint_of_no_known_code_is_one_line(typed, people, tmp_path):
    torch.save({"head.weight": torch.zeros(2)}, tmp_path / "a.pth")
    said = typed("evaluate", tmp_path / "a.pth", "--dataset", people, status=2)
    assert "no model that is known but 1 tensors (head.weight)" in said
    assert "none.pth" in typed("evaluate", tmp_path / "none.pth", "--dataset", people, status=2)
    run = write_model(tmp_path / "run", *fresh("student"))
    said = typed("evaluate", run, "--dataset", people, "--image-size", "64x32", status=2)
    assert "says itself how large its images are" in said
