"""`run` on pictures from disk with CLIP's weights in OpenAI's form: the same rows, from the same core, at any size."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from harness.cli.main import main
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.store.records import Results
from pivl.synthped.benchmark import SYNTHPED_MINI
from pivl.synthped.export import export_market
from tests.support.clip_files import TINY_RESNET, TINY_VIT, write_weights
from tests.support.recorded_runs import complain
from tests.support.small_datasets import CSV_ROWS, write_csv, write_duke, write_map, write_meta, write_msmt17
from tests.support.small_datasets import SIZE as PICTURE

PEOPLE = replace(SYNTHPED_MINI, training_people=20, training_shots=4, test_people=8)
SIZE = ("--set", "image_size=64x32")
SHORT = (*SIZE, "--set", "epochs=1", "--set", "identity_epochs=1", "--set", "part_epochs=1")


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A data set in Market-1501's layout with part maps, and two weights files."""
    folder = tmp_path_factory.mktemp("disk")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIVL_CACHE", str(folder / "cache"))
        export_market(PEOPLE, (64, 32), folder / "market")
        write_weights(folder / "resnet.pt", TINY_RESNET)
        write_weights(folder / "vit.pt", TINY_VIT)
        yield folder


@pytest.fixture
def typed(disk, tmp_path, monkeypatch):
    """A function that runs the command line in a folder of its own: status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(command, study, *more, backbone="resnet", maps=True):
        words = [command, study, "--dataset", "market1501", "--data-root", str(disk / "market")]
        words += ["--part-maps", str(disk / "market" / "part_maps" / "lip")] if maps else []
        words += ["--weights", str(disk / f"{backbone}.pt"), "--allow-partial", "--seeds", "0"]
        words += [] if "--backbone" in more else ["--backbone", backbone]
        words += ["--device", "cpu", "--jobs", "1", "--no-mlflow"] if command == "run" else []
        return words + list(more)

    return run


def end(words):
    """The exit status of the command line."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


def records(folder, kind="runs"):
    """The records in a results folder by row order."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"results/{kind}/*/record.json"))]


@pytest.mark.slow  # four rows through all their stages in a worker process, 15 s
def test_a_trial_of_a_few_steps_is_recorded_and_never_enters_a_table(typed, tmp_path, capsys):
    assert end(typed("run", "ablation", *SIZE, "--limit-steps", "2")) == 0
    table = capsys.readouterr().out
    assert "**Test run**, 2 steps per stage" in table
    assert table.count("| image-tower ") == 4
    assert "No complete run yet" in table
    assert len(records(tmp_path)) == 4
    for record in records(tmp_path):
        assert record["limit_steps"] == 2
        assert record["inputs"]["allow_partial"] is True
        assert re.fullmatch("[0-9a-f]{64}", record["weights"])
    for history in (tmp_path / "results").glob("*/*/history.jsonl"):
        assert len(history.read_text().splitlines()) == 2
    assert len(records(tmp_path, "stages")) == 3  # 1a of CLIP-ReID, 1a and 1b of PI-VL
    assert not (tmp_path / "results" / "tables").exists()


@pytest.mark.slow  # two rows trained, then scored again, 15 s
def test_a_comparison_stands_beside_the_published_table_and_is_re_ranked_without_training(
    typed, tmp_path, capsys
):
    words = typed("run", "comparison", *SHORT, backbone="vit")
    assert end(words) == 0
    table = capsys.readouterr().out
    assert len(re.findall(r"^\| .* \| (?:CNN|ViT) ", table, flags=re.M)) == 22
    assert "PI-VL, trained here" in table
    assert "Contradiction in the paper" in table
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results" / "runs").rglob("*")}
    assert end([*words, "--rerank"]) == 0
    capsys.readouterr()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results" / "runs").rglob("*")} == before
    plain, reranked = records(tmp_path), records(tmp_path, "reranked")
    assert {one["signature"] for one in plain}.isdisjoint(one["signature"] for one in reranked)
    assert all("rerank:k-reciprocal-20-6-0.3" in one["signature"] for one in reranked)
    results = Results(tmp_path / "results", complain)
    again = ["table", "comparison", "--dataset", "market1501", "--backbone", "vit", "--seeds", "0", *SHORT]
    assert end(again) == 0  # from records alone: neither pictures nor weights are named
    assert capsys.readouterr().out == table
    assert {results.read_run(one["id"]).id for one in plain} == {one["id"] for one in plain}


@pytest.mark.parametrize(
    ("more", "options", "said"),
    [
        (
            ("--backbone", "rn50"),
            {},
            "is a resnet of 3-4-6-3 blocks, 64 wide, into 1024; name its weights, or",
        ),
        (
            ("--backbone", "resnet"),
            {"backbone": "vit"},
            "but --backbone resnet is a resnet; name --backbone vit",
        ),
        ((), {"maps": False}, "market1501 has no part maps, which part-labels, identity-parts, pi-vl need"),
        (("--weights", "none.pt"), {}, "none.pt: no such weights file"),
        (("--weights", "openai"), {}, "--weights openai: resnet is none of OpenAI's"),
    ],
)
def test_what_cannot_be_trained_is_one_line_before_anything_is(typed, tmp_path, capsys, more, options, said):
    for command in ("plan", "run"):
        assert end(typed(command, "ablation", *SIZE, *more, **options)) == 2
        told = capsys.readouterr()
        assert said in told.err
        assert told.err.count("\n") == 1
        assert not records(tmp_path)


def test_clips_backbones_need_weights_and_the_known_counts(disk, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["run", "ablation", "--dataset", "market1501", "--data-root", str(disk / "market")]
    assert end([*words, "--precision", "fp32", "--allow-partial"]) == 2
    assert "rn50: name CLIP's weights with --weights" in capsys.readouterr().err
    assert end([*words, "--weights", str(disk / "resnet.pt"), "--precision", "fp32"]) == 2
    assert "market1501: a subset: 80 of 12936 train images" in capsys.readouterr().err


def lay_out(layout, folder):
    """A handful of pictures in a public layout, or listed in a csv file, with maps; what to type for them."""
    if layout == "people.csv":
        file = write_csv(folder, CSV_ROWS)
        named, train = ["--dataset", str(file)], [row.split(",")[0] for row in CSV_ROWS if "train" in row]
    else:
        {"msmt17": write_msmt17}.get(layout, write_duke)(folder)
        named, below = ["--dataset", layout, "--data-root", str(folder)], folder / "train"
        below = below if layout == "msmt17" else folder / "bounding_box_train"
        train = [str(path.relative_to(folder)) for path in below.rglob("*.jpg")]
    write_meta(folder / "maps")
    for name in train:
        write_map((folder / "maps" / name).with_suffix(".png"), palette=True)
    return [*named, "--part-maps", str(folder / "maps")]


def one_step(disk):
    """The options of one step per stage, with one seed, from the tiny ViT on `disk`."""
    words = [
        "--backbone",
        "vit",
        "--weights",
        str(disk / "vit.pt"),
        *SIZE,
        "--limit-steps",
        "1",
        "--seeds",
        "0",
    ]
    return [
        *words,
        "--set",
        "people_per_batch=2",
        "--set",
        "prompt_batch=8",
        "--device",
        "cpu",
        "--no-mlflow",
    ]


@pytest.mark.slow  # one row through all its stages in a worker process each, 8 s
@pytest.mark.parametrize("layout", ["dukemtmc", "msmt17", "occluded-duke", "people.csv"])
def test_every_layout_trains(disk, tmp_path, monkeypatch, capsys, layout):
    monkeypatch.chdir(tmp_path)
    words = ["run", "ablation", *lay_out(layout, tmp_path / "set"), "--allow-partial", "--rows", "pi-vl"]
    words += one_step(disk)
    assert end(words) == 0, capsys.readouterr().err
    (record,) = records(tmp_path)
    assert record["dataset"] == layout.removesuffix(".csv")
    assert set(record["stages"]) == {"identity-prompts", "part-prompts"}


@pytest.mark.slow  # three rows in a worker process, 15 s
def test_each_parsers_maps_are_a_row_of_table_4(disk, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["run", "parsers", *lay_out("dukemtmc", tmp_path / "set")[:-2], "--allow-partial"]
    shutil.copytree(tmp_path / "set" / "maps", tmp_path / "worse")
    for path in (tmp_path / "worse").rglob("*.png"):
        write_map(path, label=9)  # no palette: another size, by which maps are told apart
    words += [
        "--parser-maps",
        f"schp={tmp_path / 'set' / 'maps'}",
        "--parser-maps",
        f"mine={tmp_path / 'worse'}",
    ]
    assert end([*words, *one_step(disk)]) == 0, capsys.readouterr().err
    table = capsys.readouterr().out
    assert re.findall(r"^\| (CLIP-ReID|PI-VL, \w+) ", table, flags=re.M)[:3] == [
        "CLIP-ReID",
        "PI-VL, schp",
        "PI-VL, mine",
    ]
    found = records(tmp_path)
    assert len({record["fingerprint"] for record in found}) == 1
    assert len({record["signature"] for record in found}) == 1
    assert len({record.get("maps") for record in found}) == 3
    stages = [record["stages"] for record in found if "part-prompts" in record["stages"]]
    assert len({one["identity-prompts"] for one in stages}) == 1
    assert len({one["part-prompts"] for one in stages}) == 2


@pytest.mark.slow  # two stages in a worker process, 8 s
def test_version_2_trains_where_maps_have_confidence_and_says_so_where_not(
    disk, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    words = [
        "run",
        "ablation",
        *lay_out("dukemtmc", tmp_path / "set"),
        "--allow-partial",
        "--rows",
        "pi-vl-v2",
    ]
    words += one_step(disk)
    assert end(words) == 2
    assert "no confidence" in capsys.readouterr().err
    for path in (tmp_path / "set" / "maps").rglob("*.png"):
        np.savez(path.with_suffix(".npz"), np.full(PICTURE, 0.9, np.float16))
    assert end(words) == 0, capsys.readouterr().err
    (record,) = records(tmp_path)
    assert set(record["stages"]) == {"part-prompts"}
    capsys.readouterr()
    words = ["run", "ablation", "--rows", "pi-vl-v2", "--seeds", "0", "--device", "cpu", "--no-mlflow"]
    assert end(words) == 2
    assert "synthped: its part maps are exact" in capsys.readouterr().err


def test_a_trial_is_another_run():
    whole, trial = (resolve(Request("ablation", limit_steps=limit)) for limit in (None, 2))
    assert trial.recipe(trial.study.rows[0]) == whole.recipe(whole.study.rows[0])
