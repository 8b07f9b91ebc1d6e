"""`run transfer` from command to table: on rendered people, and on pictures from disk at paper scale's own options."""

import json
from pathlib import Path

import pytest
import torch
from torchvision.models import mobilenet_v2

from harness.cli.main import main
from harness.store.records import Results
from tests.support.clip_files import TINY_RESNET, TINY_VIT, write_weights
from tests.support.recorded_runs import complain
from tests.support.small_datasets import CSV_ROWS, write_csv, write_map, write_meta

STEP = (
    "--set",
    "image_size=64x32",
    "--set",
    "people_per_batch=2",
    "--set",
    "prompt_batch=8",
    "--limit-steps",
    "1",
)
QUIET = ("--seeds", "0", "--device", "cpu", "--jobs", "1", "--no-mlflow")


def end(*words: str) -> int:
    """The exit status of the command line."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def records(folder: Path) -> dict[str, dict]:
    """The records of runs by the student and the part texts of their recipe."""
    found = [json.loads(path.read_text()) for path in folder.glob("results/runs/*/record.json")]
    return {f"{one['recipe']['student']} {one['recipe']['part_text']}".strip(): one for one in found}


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Options for a few pictures that a csv file lists, and a tiny CLIP of OpenAI's form; their folder is current."""
    monkeypatch.chdir(tmp_path)
    people = write_csv(tmp_path / "set", CSV_ROWS)
    write_meta(tmp_path / "maps")
    for name in (row.split(",")[0] for row in CSV_ROWS if "train" in row):
        write_map((tmp_path / "maps" / name).with_suffix(".png"), palette=True)

    def options(backbone: str) -> list[str]:
        vision = TINY_VIT if backbone == "vit" else TINY_RESNET
        weights = write_weights(tmp_path / f"{backbone}.pt", vision)
        data = ["--dataset", str(people), "--part-maps", str(tmp_path / "maps"), "--allow-partial"]
        return [*data, "--backbone", backbone, "--weights", str(weights), *QUIET]

    return options


@pytest.mark.slow  # five rows through all their stages in a worker process, 20 s
@pytest.mark.parametrize("backbone", ["resnet", "vit"])
def test_students_of_a_file_learn_under_the_texts_of_any_clip(tmp_path, typed, capsys, backbone) -> None:
    torch.save(mobilenet_v2(width_mult=0.25).state_dict(), tmp_path / "student.pth")
    words = [*typed(backbone), *STEP]
    assert end("run", "transfer", *words, "--student-weights", "student.pth") == 0, capsys.readouterr().err
    runs = records(tmp_path)
    assert len(list(tmp_path.glob("results/runs/*"))) == 5
    digests = {name: run.get("student_weights") for name, run in runs.items()}
    assert digests["none"] is None
    assert len(digests["mobilenetv2-0.25 identity+label"]) == 64
    # the frozen stage 1 of the teacher is the student's: stored once, by one id
    assert runs["identity+label"]["stages"] == runs["mobilenetv2-0.25 identity+label"]["stages"]
    costs = {name: run["inference"] for name, run in runs.items()}
    taught, alone = costs["mobilenetv2-0.25 identity+label"], costs["mobilenetv2-0.25 none"]
    assert (taught["parameters"], taught["macs"]) == (alone["parameters"], alone["macs"])
    state = Results(tmp_path / "results", complain).read_tensors(
        tmp_path / "results" / "runs" / runs["mobilenetv2-0.25 identity+label"]["id"]
    )
    assert "head.project.2.weight" in state
    capsys.readouterr()
    assert end("run", "transfer", *words, "--student", "timm:resnet18", "--rows", "student-clip-reid") == 0
    assert records(tmp_path)["timm:resnet18 none"]["student_weights"] == ""
    assert len(list(tmp_path.glob("results/runs/*"))) == 7  # and the student alone, unasked


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--student-weights", "none.pth"), "none.pth: no such weights file"),
        (("--student", "resnet18"), "no student is called 'resnet18'"),
        (("--student", "timm:nonsense"), "timm:nonsense: timm makes no feature maps of it"),
        (("--student-weights", "resnet.pt"), "resnet.pt: no weights of mobilenetv2-0.25"),
    ],
)
def test_what_no_student_can_start_from_is_one_line_before_anything_is_trained(
    tmp_path, typed, capsys, more, said
) -> None:
    assert end("run", "transfer", *typed("resnet"), *STEP, *more) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.err.count("\n") == 1
    assert not records(tmp_path)


@pytest.mark.slow  # the smoke preset of Table 5, a minute
def test_the_smoke_preset_answers_table_5(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert end("run", "transfer", "--preset", "smoke", *QUIET) == 0
    told = capsys.readouterr().out
    for title in ("Teacher PI-VL", "Student alone", "Student with PI-VL's prompts"):
        assert told.count(f"| {title} ") >= 2, title  # in the results and in the costs
    assert "random weights" not in told
