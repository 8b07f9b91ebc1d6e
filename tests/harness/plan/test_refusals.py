"""What run and plan refuse before anything is decoded or trained: queries without a match, people too few for a batch."""

from dataclasses import replace

import numpy as np
import pytest

from harness.cli.main import main
from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs.identity import identify, recall, remember
from harness.plan.refusals import check_ahead
from harness.store.manifest import write_note
from harness.store.records import Results
from pivl.data.datasets.enough import check_enough
from pivl.data.sampler import identity_batches
from pivl.errors import UserError
from pivl.recipe import CLIP_REID_CNN
from tests.support.commands import run_main
from tests.support.recorded_runs import complain
from tests.support.small_datasets import (
    CSV_ROWS,
    write_csv,
    write_map,
    write_market,
    write_meta,
    write_picture,
)

CLIP_REID = ("--rows", "clip-reid", "--seeds", "0", "--preset", "smoke", "--backbone", "tiny")
NO_MATCH = (
    "{}: no query has its person in the gallery under another camera, so that nothing can be scored; correct the "
    "cameras, or add such images"
)


def said(tmp_path, capsys, command, *typed):
    """What the command ends with, on stderr; it must be status 2."""
    words = (command, "ablation", *CLIP_REID, *typed, "--results", str(tmp_path / "results"))
    with pytest.raises(SystemExit) as ended:
        main((*words, "--no-mlflow", "--quiet") if command == "run" else words)
    told = capsys.readouterr()
    assert ended.value.code == 2, told
    assert not list((tmp_path / "results").glob("stages/*"))
    return told.err


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("option", [(), ("--allow-partial",)])
def test_no_query_with_a_match_is_refused_and_no_option_recommended(tmp_path, capsys, command, option):
    one = [",".join([row.split(",")[0], row.split(",")[1], "1", row.split(",")[3]]) for row in CSV_ROWS]
    told = said(tmp_path, capsys, command, "--dataset", str(write_csv(tmp_path, one)), *option)
    assert told == f"pivl-bench: {NO_MATCH.format('people.csv')}\n"


def test_no_match_in_a_partial_copy_is_refused_as_well(tmp_path, capsys):
    write_market(tmp_path)
    for path in (tmp_path / "bounding_box_test").glob("*.jpg"):
        path.unlink()
    for number, name in enumerate(("0003_c1s1_000007_01.jpg", "1500_c2s1_000008_01.jpg")):
        write_picture(tmp_path / "bounding_box_test" / name, number)
    copy = ("--dataset", "market1501", "--data-root", str(tmp_path), "--allow-partial")
    assert said(tmp_path, capsys, "plan", *copy) == f"pivl-bench: {NO_MATCH.format('market1501')}\n"


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("command", ["run", "plan"])
def test_too_few_people_for_a_batch_are_refused_with_the_option(tmp_path, capsys, command):
    file = write_csv(tmp_path, CSV_ROWS)
    told = said(tmp_path, capsys, command, "--dataset", str(file), "--allow-partial")
    assert told.startswith("pivl-bench: people: 2 training identities cannot fill a batch of ")
    assert "; add --set people_per_batch=2" in told
    assert told.endswith("; add --set people_per_batch=2\n")


def test_what_an_older_csv_had_is_not_believed(tmp_path, capsys):
    file = write_csv(tmp_path, CSV_ROWS)
    write_note(Results(tmp_path / "results", complain), f"people {file}", {"8": 900})
    assert "people: 2 training identities cannot" in said(tmp_path, capsys, "run", "--dataset", str(file))


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("command", ["run", "plan"])
def test_so_are_rendered_people(tmp_path, capsys, command):
    told = said(tmp_path, capsys, command, "--set", "people_per_batch=900")
    assert "training identities cannot fill a batch of 900; add --set people_per_batch=" in told


PARTS = replace(CLIP_REID_CNN, part_text="identity+label")


@pytest.mark.parametrize(
    ("recipe", "people", "options"),
    [
        (CLIP_REID_CNN, 16, ""),
        (CLIP_REID_CNN, 15, "people_per_batch=15"),
        (replace(CLIP_REID_CNN, prompt_batch=128), 16, ""),  # which shuffles
        (replace(PARTS, people_per_batch=4), 15, "prompt_batch=60"),
        (PARTS, 15, "people_per_batch=15 --set prompt_batch=60"),
        (replace(CLIP_REID_CNN, prompt_sampling="identity", prompt_batch=128), 31, "prompt_batch=124"),
        (
            replace(CLIP_REID_CNN, prompt_sampling="identity", prompt_batch=128, image_to_text_weight=0.0),
            31,
            "",
        ),
    ],
)
def test_what_is_foreseen_is_what_the_sampler_says(recipe, people, options):
    """And the options that are named are enough for it."""
    if options:
        with pytest.raises(UserError, match=f"; add --set {options}$"):
            check_enough("people.csv", people, [recipe])
    changed = replace(recipe, **{name: int(value) for name, value in _parse(options)})
    check_enough("people.csv", people, [changed])
    assert identity_batches(
        _people(people), changed.people_per_batch, changed.images_per_person, _generator()
    )
    if options.startswith("people"):
        with pytest.raises(UserError, match="cannot fill a batch of 16"):
            identity_batches(_people(people), recipe.people_per_batch, recipe.images_per_person, _generator())


@pytest.mark.parametrize(("backbone", "warned"), [("vit-b-16-sie-olp", True), ("vit-b-16", False)])
def test_with_sie_a_camera_that_training_never_sees_is_warned_of(tmp_path, backbone, warned):
    rows = [row.replace(",door,gallery", ",far,gallery") for row in CSV_ROWS]
    sizes = ("people_per_batch=2", "prompt_batch=8")
    asked = Request("ablation", dataset=str(write_csv(tmp_path, rows)), backbone=backbone, overrides=sizes)
    experiment, results, said = resolve(asked), Results(tmp_path / "results", complain), []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = said.append
    found = {experiment.inputs: identify(experiment.inputs, experiment.size, results, progress)}
    check_ahead(experiment, found, results, progress)
    remember(experiment.inputs, experiment.size, found[experiment.inputs], results)
    assert recall(experiment.inputs, experiment.size, results) == found[experiment.inputs]  # as plan has it
    line = (
        "people: training never sees 1 cameras of test images (first: far); as their embedding (SIE) they have the "
        "mean of the others'"
    )
    assert said == [line] * warned


def _parse(options):
    return [one.split("=") for one in options.replace("--set ", "").split()]


def _people(count):
    import torch

    return torch.arange(count)  # one picture each: the sampler draws it several times


def _generator():
    import torch

    return torch.Generator().manual_seed(0)


REFUSED = {
    "a csv that is not there": ("--dataset {}/nowhere.csv", "nowhere.csv"),
    "no folder of a public set": ("--dataset market1501", "with --data-root"),
    "a folder that is not there": ("--dataset market1501 --data-root {}/nowhere", "nowhere is no folder"),
    "a public set that is not whole": ("--dataset market1501 --data-root {}/market", "a subset: 4 of 12936 train images"),
    "no part maps": ("--rows clip-reid,pi-vl {enough}", "has no part maps"),
    "part maps that are not there": ("--part-maps {}/nowhere", "nowhere is no folder"),
    "part maps that tell no label set": ("--part-maps {}/flat", "nor do its maps tell it"),
    "no confidence": ("--rows pi-vl-v2 --part-maps {}/maps", "no confidence"),
    "weights that are not there": ("--weights {}/nowhere.pt", "no such weights file"),
    "weights that are none": ("--weights {}/junk {enough}", "not whole weights but text"),
    "no weights": ("--backbone rn50", "name CLIP's weights"),
    "an unknown row": ("--rows pivl", "unknown row 'pivl'"),
    "a row of one's own that is none": ("--row mine=pi-vl,lamda=1", "did you mean 'lambda'"),
    "a value out of range": ("--set lambda=-1", "align_weight is -1.0; it must be at least 0"),
    "a batch that people cannot fill": ("--set images_per_person=4 --set rate=1e-3", "cannot fill a batch of"),
    "a GPU that is not here": ("--device mps", "--device mps: torch sees none here"),
    "a precision of GPUs": ("--precision fp16 --device cpu {enough}", "--precision fp16 needs a CUDA device, not cpu"),
    "descriptors that are not there": ("--with mine={}/nowhere.npz {enough}", "nowhere.npz: no such file"),
    "descriptors of a row's name": ("--with pi-vl={}/feats.npy {enough}", "--with pi-vl: a row of ablation is called so"),
    "a study that is not there": ("--study {}/nowhere.py", "nowhere.py: no file of Python"),
    "a study that raises": ("--study {}/bad.py", "ZeroDivisionError"),
    "results that are a file": ("--results {}/junk {enough}", "File exists; free space or name another folder"),
    "results below a file": ("--results {}/junk/x {enough}", "Not a directory; free space or name another folder"),
}  # fmt: skip
ENOUGH = "--set people_per_batch=2 --set prompt_batch=8"


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("case", REFUSED)
def test_plan_refuses_what_run_refuses_by_the_same_line_before_anything_is_trained(tmp_path, capsys, case):
    write_market(tmp_path / "market")
    file = write_csv(tmp_path, CSV_ROWS)
    for number in (1, 2, 3, 4):
        write_map(tmp_path / "flat" / f"{number}.png")
        write_map(tmp_path / "maps" / f"{number}.png")
    write_meta(tmp_path / "maps")
    (tmp_path / "junk").write_text("junk")
    (tmp_path / "bad.py").write_text("1 / 0\n")
    np.save(tmp_path / "feats.npy", np.eye(5, 3, dtype=np.float32))
    options, expected = REFUSED[case]
    typed = options.format(tmp_path, enough=ENOUGH).split()
    base = ["ablation"] * ("--study" not in typed)
    for option, value in (
        ("--preset", "smoke"), ("--rows", "clip-reid"), ("--seeds", "0"), ("--backbone", "tiny"),
        ("--dataset", str(file)), ("--results", str(tmp_path / "results")), ("--device", "cpu"),
    ):  # fmt: skip
        dropped = option == "--preset" and "rn50" in typed
        base += (
            []
            if option in typed or dropped or (option == "--rows" and "--study" in typed)
            else [option, value]
        )
    told = {}
    for command, quiet in (("plan", ()), ("run", ("--quiet", "--no-mlflow"))):
        assert run_main(command, *base, *typed, *quiet) == 2, capsys.readouterr()
        told[command] = capsys.readouterr().err
    assert told["plan"] == told["run"]
    assert expected in told["plan"]
    assert told["plan"].count("\n") == 1
    assert not list((tmp_path / "results").glob("[rs]*/*"))
