"""`extract`: descriptors that score as the record does, in every form, of data sets and of any folder of pictures."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import pivl
from harness.external.described import Described, Side
from harness.external.feature_files import write_features
from harness.external.forms.reader import read_described
from harness.external.request import Reading
from pivl.data.datasets.catalog import load
from pivl.deployment.card import NAME
from pivl.evaluation.retrieval import Descriptors, rank, score
from tests.support.commands import run_main
from tests.support.run_folders import fresh, write_model
from tests.support.small_datasets import CSV_ROWS, write_csv, write_picture
from tests.support.tiny_models import SIZE


@pytest.fixture
def run(tmp_path, cache):
    recipe, vision, model = fresh("resnet")
    return write_model(tmp_path / "results" / "runs" / "0123456789abcdef", recipe, vision, model)


@pytest.fixture
def people(tmp_path):
    return write_csv(tmp_path / "data", CSV_ROWS)


def test_the_csv_file_of_a_data_set_is_not_written_over(run, people, capsys):
    before = people.read_text()
    typed = ("extract", str(run), "--dataset", str(people), "--output", str(people.with_suffix(".npy")))
    for _ in range(2):
        assert run_main(*typed) == 2
        assert "choose another name" in capsys.readouterr().err
    assert people.read_text() == before


def test_descriptors_are_written_over_those_of_before(run, people, tmp_path):
    for _ in range(2):
        assert (
            run_main("extract", str(run), "--dataset", str(people), "--output", str(tmp_path / "f.npy")) == 0
        )


@pytest.mark.parametrize("form", ["npz", "parquet", "npy"])
def test_a_data_sets_descriptors_score_to_the_bit_what_the_model_scores(run, people, tmp_path, form):
    output = tmp_path / f"feats.{form}"
    assert run_main("extract", str(run), "--dataset", str(people), "--output", str(output)) == 0
    described = read_described(output, Reading())
    model, split = pivl.load(run), load(str(people), None, SIZE)
    wanted = score(model.embed, split, model.facts.normalization, 64, torch.device("cpu"))
    sides = [
        Descriptors.of(
            torch.from_numpy(feature), torch.from_numpy(side.person), torch.from_numpy(side.camera)
        )
        for feature, side in zip(described.features, (described.query, described.gallery), strict=True)
    ]
    found = rank(*sides)
    assert np.array_equal(found.average_precision, wanted.average_precision)
    assert np.array_equal(found.first_match, wanted.first_match)
    assert described.query.names == ("b/5.jpg", "b/6.jpg")
    assert len(described.gallery) == 3  # the distractor is a wrong answer
    if form != "npy":
        assert described.facts["metric"] == "euclid-l2"
        assert described.facts["dataset"].startswith("people@")


def test_a_run_is_found_by_its_id_and_every_picture_of_a_folder_is_described(run, tmp_path, capsys):
    folder = tmp_path / "pictures"
    for number, name in enumerate(("a.jpg", "b/c.png", "d.bmp", "e.webp")):
        write_picture(folder / name, number)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    output = tmp_path / "feats.npz"
    typed = (
        run.name,
        str(folder),
        "--results",
        str(tmp_path / "results"),
        "--batch",
        "2",
        "--output",
        str(output),
    )
    assert run_main("extract", *typed) == 1
    out, err = capsys.readouterr()
    assert out == f"{output}: 4 images, 288 numbers each, 1 could not be read\n"
    assert err.count("broken.jpg") == 1
    with np.load(output) as arrays:
        assert arrays["name"].tolist() == ["a.jpg", "b/c.png", "d.bmp", "e.webp"]
        model = pivl.load(run)
        alone = model.embed(model.transform(folder / "b" / "c.png")[None])
        assert torch.allclose(torch.from_numpy(arrays["feature"][1]), alone[0], atol=1e-4)
    run_main("extract", *typed[:-1], str(tmp_path / "feats.parquet"))
    assert list(pd.read_parquet(tmp_path / "feats.parquet").columns) == ["path", "feature"]


def test_cameras_are_known_to_a_model_on_its_own_data_alone(people, tmp_path, cache):
    recipe, vision, model = fresh("vit")
    folder = write_model(tmp_path / "run", recipe, vision, model)
    found = []
    for data in ("people@000000", f"people@{load(str(people), None, SIZE).fingerprint[:6]}"):
        card = json.loads((folder / NAME).read_text())
        (folder / NAME).write_text(json.dumps({**card, "training_data": data}))
        output = tmp_path / "feats.npz"
        assert run_main("extract", str(folder), "--dataset", str(people), "--output", str(output)) == 0
        with np.load(output) as arrays:
            found.append(arrays["query_f"])
    assert not np.allclose(found[0], found[1], atol=1e-3)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["0123456789abcdee", "--dataset", "synthped"], "no run has the id 0123456789abcdee"),
        (["{run}"], "name a folder of images, or --dataset NAME, and not both"),
        (
            ["{run}", "{run}", "--dataset", "synthped"],
            "name a folder of images, or --dataset NAME, and not both",
        ),
        (["{run}", "{run}"], "holds no image"),
    ],
)
def test_a_mistake_is_one_line(run, tmp_path, capsys, typed, said):
    words = [word.format(run=run) for word in typed]
    output = ("--results", str(tmp_path / "results"), "--output", str(tmp_path / "a.npz"))
    assert run_main("extract", *words, *output, "--quiet") == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_a_name_that_tells_no_form_is_refused(run, capsys, tmp_path):
    assert run_main("extract", str(run), str(run), "--output", str(tmp_path / "feats.txt")) == 2
    assert "end it in .npz, .parquet or .npy" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["npz", "parquet", "npy"])
def test_families_travel_with_the_descriptors(form, tmp_path):
    """Made people look alike within a family: queries are clustered by it, in `compare` as in the tables of studies."""
    side = Side(np.array([3, 4, 5]), np.array([0, 1, 0]), ("a", "b", "c"), np.array([7, 7, 9]))
    feature = np.ones((3, 2), np.float32)
    write_features(tmp_path / f"f.{form}", Described(side, side, (feature, feature)))
    found = read_described(tmp_path / f"f.{form}", Reading()).query.cluster
    assert found[0] == found[1] != found[2]
