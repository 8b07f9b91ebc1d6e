"""`pivl-bench parse DIR`: every picture to a map of its size, once; what cannot be parsed is one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pivl.data.part_maps.confidence import read_confidence
from pivl.data.part_maps.labels import LIP, PASCAL
from pivl.data.part_maps.reading import read_label_set, read_map
from pivl.data.part_maps.writing import schp_palette
from pivl.parsers.schp import empty_network
from pivl.verification.schp import schp_weight
from tests.support.parser_files import (
    BRIGHT,
    SIZE,
    Threshold,
    end,
    found_maps,
    halves,
    schp_file,
    script,
    torchscript_words,
    write_people,
)

EXPECTED = ["0000_c1_f0.png", "0001_c1_f0.png", "below/deep/0000_c1_f0.png", "grey.png", "tall.png"]


def test_every_picture_has_a_map_and_a_broken_one_costs_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_people(tmp_path / "images")
    words = torchscript_words(tmp_path / "images", script(tmp_path / "n.pt", Threshold()), tmp_path / "maps")
    assert end(*words, "--confidence", "--batch", 2) == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "images/below/cut.jpg" in told.err
    assert "5 maps written, 1 could not be read" in told.out
    maps = tmp_path / "maps"
    assert found_maps(maps) == EXPECTED
    assert read_label_set(maps) == PASCAL
    for name in EXPECTED:
        size = (20, 30) if name == "grey.png" else SIZE
        part_map = read_map(maps / name, PASCAL, size).numpy()
        assert (part_map == (halves(size) >= BRIGHT)).all()
        confidence = read_confidence(maps / name)
        assert confidence.shape == size
        assert confidence[0, 0] == confidence[-1, -1] == 1
        assert np.load((maps / name).with_suffix(".npz"))["confidence"].dtype == np.float16
    with Image.open(maps / "grey.png") as picture:
        assert (picture.mode, picture.getpalette()) == (
            "P",
            schp_palette()[: len(picture.getpalette() or [])],
        )
    assert not list(maps.rglob(".*"))


def test_what_is_done_is_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A map of the right size stays, even one that another hand wrote; one of another size or without confidence goes."""
    write_people(tmp_path / "images")
    (tmp_path / "images" / "below" / "cut.jpg").unlink()
    maps = tmp_path / "maps"
    words = torchscript_words(tmp_path / "images", script(tmp_path / "n.pt", Threshold()), maps)
    assert end(*words) == 0
    Image.fromarray(np.full(SIZE, 6, np.uint8)).save(maps / "tall.png")
    Image.fromarray(np.full((4, 4), 6, np.uint8)).save(maps / "0000_c1_f0.png")
    assert end(*words) == 0
    assert "1 maps written, 4 were there" in capsys.readouterr().out
    assert bool((read_map(maps / "tall.png", PASCAL, SIZE) == 6).all())
    assert bool((read_map(maps / "0000_c1_f0.png", PASCAL, SIZE) != 6).all())
    assert end(*words, "--confidence") == 0
    assert "5 maps written\n" in capsys.readouterr().out


def test_maps_of_two_parsers_do_not_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(tmp_path / "images")
    weights, maps = script(tmp_path / "n.pt", Threshold()), tmp_path / "maps"
    end(*torchscript_words(tmp_path / "images", weights, maps))
    capsys.readouterr()
    assert end(*torchscript_words(tmp_path / "images", weights, maps), "--input-size", "12x12") == 2
    assert "maps/meta.json: input_size is [24, 12], not [12, 12]" in capsys.readouterr().err


def test_schp_says_its_label_set_and_its_softmax(tmp_path: Path) -> None:
    """Equal logits at every pixel: the largest wins, inside the square where the picture is."""
    bias = torch.arange(20.0) / 4
    write_people(tmp_path / "images", count=1)
    words = (
        "--weights",
        schp_file(tmp_path / "s.pth", 20, bias),
        "--output",
        tmp_path / "maps",
        "--device",
        "cpu",
    )
    assert end(tmp_path / "images", "--parser", "schp", *words, "--input-size", "33x33", "--confidence") == 1
    meta = json.loads((tmp_path / "maps" / "meta.json").read_text())
    assert [meta[key] for key in ("label_set", "parser", "input_size", "color_order", "weights")] == [
        "lip", "schp", [33, 33], "BGR", "s.pth",
    ]  # fmt: skip
    assert meta["flip_pairs"] == [[14, 15], [16, 17], [18, 19]]
    for name in ("tall.png", "below/deep/0000_c1_f0.png"):
        assert bool((read_map(tmp_path / "maps" / name, LIP, SIZE) == 19).all())
        centre = read_confidence(tmp_path / "maps" / name)[12, 6]
        assert centre == pytest.approx(float(bias.softmax(0)[19]), abs=1e-3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--parser", "torchscript"), "add --labels lip, atr or pascal"),
        (("--parser", "torchscript", "--labels", "lip"), "add --input-size, as 512x512"),
        (("--input-size", "64x32"), "SCHP takes squares"),
        (("--input-size", "64"), "--input-size 64: not a size"),
        (
            ("--labels", "lip"),
            "--parser schp has no use for --labels, which is for torchscript and transformers",
        ),
        (
            ("--normalization", "clip"),
            "has no use for --normalization, which is for torchscript; leave it out",
        ),
        (("--parser", "parser-s", "--input-size", "64x32"), "--parser parser-s has no use for --input-size"),
        (("--parser", "transformers"), "--parser transformers has no use for --weights"),
        (("--device", "cpu", "--precision", "fp16"), "--precision fp16 needs a CUDA device"),
        ((), "no such checkpoint"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    tmp_path: Path, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(tmp_path, "--weights", tmp_path / "none", "--output", tmp_path / "maps", *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("names", "output", "said"),
    [
        ((), "maps", "images holds no image"),
        (("a.png", "a.jpg"), "maps", "a.jpg and a.png would both have the map a.png"),
        (("a.png",), "images", "holds the images themselves"),
    ],
)
def test_a_folder_that_cannot_be_parsed_is_one_line(
    tmp_path: Path, names: tuple[str, ...], output: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    for name in names:
        Image.fromarray(halves()).save(tmp_path / "images" / name)
    weights = script(tmp_path / "n.pt", Threshold())
    assert end(*torchscript_words(tmp_path / "images", weights, tmp_path / output)) == 2
    assert said in capsys.readouterr().err


def test_options_may_stand_before_the_folder_and_the_command_may_be_named(tmp_path: Path) -> None:
    write_people(tmp_path / "images")
    folder, *options = torchscript_words(
        tmp_path / "images", script(tmp_path / "n.pt", Threshold()), tmp_path / "maps"
    )
    for words in ((*options, folder), ("run", folder, *options), (folder, *options)):
        assert end(*words) == 1
        assert found_maps(tmp_path / "maps") == EXPECTED


def test_maps_among_the_pictures_are_not_taken_for_pictures(tmp_path: Path) -> None:
    write_people(tmp_path)
    words = torchscript_words(tmp_path, script(tmp_path / "n.pt", Threshold()), tmp_path / "maps")
    assert [end(*words), end(*words)] == [1, 1]
    assert found_maps(tmp_path / "maps") == EXPECTED


@pytest.mark.slow  # SCHP at 512 x 512 on 24 pictures: 2 min on one core
def test_schp_parses_rendered_people_at_its_own_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """20 rendered people, the last in the sub-folder, a .jpeg, a grey PNG and a broken file; random weights."""
    from pivl.synthped.benchmark import SYNTHPED_MINI, load

    write_people(tmp_path / "images", count=0)
    train = load(SYNTHPED_MINI, (64, 32)).train
    places = [tmp_path / "images" / f"{Path(name).stem}.jpg" for name in train.names[:19]]
    places.append(tmp_path / "images" / "below" / "deep" / "0000_c1_f0.jpg")
    for image, place in zip(train.image[:20], places, strict=True):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(place)
    shapes = {key: tuple(value.shape) for key, value in empty_network(7).state_dict().items()}
    state = {f"module.{key}": schp_weight(key, shape, 7) for key, shape in shapes.items()}
    torch.save({"state_dict": state}, tmp_path / "s.pth")
    words = (
        tmp_path / "images",
        "--parser",
        "schp",
        "--weights",
        tmp_path / "s.pth",
        "--output",
        tmp_path / "maps",
    )
    assert end(*words, "--device", "cpu", "--confidence") == 1
    told = capsys.readouterr()
    (complaint,) = (line for line in told.err.splitlines() if line.startswith("warning: "))
    assert "images/below/cut.jpg" in complaint
    maps = found_maps(tmp_path / "maps")
    assert len(maps) == 22
    for name in maps:
        assert read_confidence(tmp_path / "maps" / name).min() >= 1 / 7 - 1e-3
