"""`pivl-bench parse import`: files made as SCHP, SOLIDER-HumanParsing and InvPT make them, and their traps."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pivl.data.part_maps.confidence import read_confidence
from pivl.data.part_maps.labels import ATR, LIP, PASCAL, LabelSet
from pivl.data.part_maps.reading import read_label_set, read_map
from pivl.data.part_maps.writing import schp_palette
from pivl.errors import UserError
from pivl.parsers.importers import read_colors, read_logits
from pivl.system.processes import peak_resident_bytes
from tests.support.array_files import SHAPE, npy
from tests.support.mutations import COUNTS, check_reader
from tests.support.parser_files import end, found_maps
from tests.support.picture_files import png

# As method.md 3.4 lists them: background, head, torso, upper and lower arms, upper and lower legs.
VOC = np.array(
    [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)], np.uint8
)
SIZE = (5, 4)


def ids(classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, SIZE, dtype=np.uint8)


def save_palette(path: Path, part_map: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(part_map).convert("L")
    picture.putpalette([*VOC.flatten().tolist(), *[9] * (768 - 21)])
    picture.save(path)


def save_colors(path: Path, part_map: np.ndarray, alpha: bool = True) -> None:
    """As plt.imsave writes an RGB picture: with a channel of 255 more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = VOC[part_map]
    opaque = np.full((*part_map.shape, 1), 255, np.uint8)
    Image.fromarray(np.concatenate([colors, opaque], -1) if alpha else colors).save(path)


def read(path: Path, labels: LabelSet) -> np.ndarray:
    return read_map(path, labels, SIZE).numpy()


@pytest.mark.parametrize("labels", [LIP, ATR, PASCAL])
def test_schp_writes_ids_in_palette_pictures(tmp_path: Path, labels: LabelSet) -> None:
    """0001.jpg and tall.jpeg, from which simple_extractor.py takes four letters each."""
    source, output = tmp_path / "out", tmp_path / "maps"
    names = {
        f"{name[:-4]}.png": ids(len(labels.parts), seed)
        for seed, name in enumerate(("0001.jpg", "tall.jpeg"))
    }
    for name, part_map in names.items():
        save_palette(source / name, part_map)
    assert end("import", "--from", "schp", source, output, "--labels", labels.name, "--quiet") == 0
    assert found_maps(output) == ["0001.png", "tall.png"]
    assert read_label_set(output) == labels
    assert (read(output / "0001.png", labels) == names["0001.png"]).all()
    assert (read(output / "tall.png", labels) == names["tall..png"]).all()


def test_ids_of_a_short_palette_which_pillow_writes_with_four_bits_become_a_map(tmp_path: Path) -> None:
    part_map = ids(7, 0)
    picture = Image.fromarray(part_map)
    picture.putpalette(schp_palette()[: 3 * 7])
    (tmp_path / "out").mkdir()
    picture.save(tmp_path / "out" / "a.png")
    with pytest.raises(UserError, match=r"4-bit P; .* convert it with pivl-bench parse import --from schp$"):
        read(tmp_path / "out" / "a.png", PASCAL)
    assert end("import", "--from", "schp", tmp_path / "out", tmp_path / "maps", "--labels", "pascal") == 0
    assert (read(tmp_path / "maps" / "a.png", PASCAL) == part_map).all()
    part_map[0, 0] = 7
    picture = Image.fromarray(part_map)
    picture.putpalette(schp_palette()[: 3 * 8])
    picture.save(tmp_path / "out" / "a.png")
    assert end("import", "--from", "schp", tmp_path / "out", tmp_path / "again", "--labels", "pascal") == 1


def test_logits_of_schp_become_confidence(tmp_path: Path) -> None:
    logits = np.random.default_rng(1).normal(0, 4, (*SIZE, 20)).astype(np.float32)
    save_palette(tmp_path / "out" / "a.png", logits.argmax(-1).astype(np.uint8))
    np.save(tmp_path / "out" / "a.npy", logits)
    assert end("import", "--from", "schp", tmp_path / "out", tmp_path / "maps") == 0
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert np.allclose(read_confidence(tmp_path / "maps" / "a.png"), softmax.max(-1), atol=1e-3)


@pytest.mark.parametrize("below", ["", "sp_results"])
def test_solider_writes_them_below_its_log_folder(tmp_path: Path, below: str) -> None:
    save_palette(tmp_path / "log" / below / "77_12.png", ids(20))
    assert end("import", "--from", "solider", tmp_path / "log", tmp_path / "maps") == 0
    assert found_maps(tmp_path / "maps") == ["77_12.png"]
    assert (read(tmp_path / "maps" / "77_12.png", LIP) == ids(20)).all()
    meta = json.loads((tmp_path / "maps" / "meta.json").read_text())
    assert (meta["label_set"], meta["input_size"], meta["color_order"]) == ("lip", [572, 384], "RGB")


def test_invpt_writes_colours_and_names_the_task(tmp_path: Path) -> None:
    """One folder per picture, named with or without suffix; files that someone named by the picture; ids."""
    source, output = tmp_path / "results", tmp_path / "maps"
    save_colors(source / "train" / "0001_c1.2.jpg" / "human_parts.png", ids(7, 0))
    save_colors(source / "train" / "0001_c1.2.jpg" / "semseg.png", ids(7, 9))
    save_colors(source / "0002" / "human_parts.png", ids(7, 1), alpha=False)
    save_colors(source / "0003.png", ids(7, 2))
    save_palette(source / "0004.png", ids(7, 3))
    assert end("import", "--from", "invpt", source, output) == 0
    expected = ["0002.png", "0003.png", "0004.png", "train/0001_c1.2.png"]
    assert found_maps(output) == expected
    assert read_label_set(output) == PASCAL
    for name, seed in zip(expected, (1, 2, 3, 0), strict=True):
        assert (read(output / name, PASCAL) == ids(7, seed)).all()


def test_what_cannot_be_read_is_named_and_the_rest_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "results"
    save_colors(source / "sound.png", ids(7))
    Image.fromarray(np.full((*SIZE, 3), 77, np.uint8)).save(source / "smooth.png")
    (source / "cut.png").write_bytes((source / "sound.png").read_bytes()[:40])
    assert end("import", "--from", "invpt", source, tmp_path / "maps", "--quiet") == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 2
    assert "smooth.png: colour (77, 77, 77) at row 0, column 0 is none of the 7 of pascal" in told.err
    assert "cut.png: not a readable PNG" in told.err
    assert "1 maps written, 2 could not be read" in told.out
    assert found_maps(tmp_path / "maps") == ["sound.png"]


NAN = np.where(np.arange(20) == 3, np.nan, np.zeros((*SIZE, 20))).astype(np.float32)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.zeros((*SIZE, 18), np.float32), "(5, 4, 18), not logits of its map's size (5, 4) and 20 classes"),
        (np.zeros((4, 5, 20), np.float32), "(4, 5, 20), not logits of its map's size"),
        (np.zeros((*SIZE, 20), int), "int64 (5, 4, 20), not logits"),
        (NAN, "not all logits are finite"),
        (NAN + np.inf, "not all logits are finite"),
        (npy(SHAPE % "(32, 16, 1000000000000)"), "not a readable .npy file"),  # cases/fuzz/8c-parse-import-2
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"), "it holds Python objects"),
        (b"", "not a readable .npy file"),
        (None, "not a readable .npy file (No such file or directory)"),
    ],
)
def test_logits_that_are_none_cost_a_line_and_the_rest_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: np.ndarray | bytes | None, said: str
) -> None:
    for name in ("a", "b"):
        save_palette(tmp_path / "out" / f"{name}.png", ids(20))
    path = tmp_path / "out" / "b.npy"
    if content is None:
        path.symlink_to("/nowhere")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    assert end("import", "--from", "schp", tmp_path / "out", tmp_path / "maps", "--quiet") == 1
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert f"{path}: " in told.err
    assert said in told.err
    assert found_maps(tmp_path / "maps") == ["a.png"]


def test_large_pictures_take_strips_and_larger_ones_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A colour picture of 13,000 x 13,000 took 9.5 GB; one of 4,000 x 2,000 takes less than three times its pixels."""
    (tmp_path / "in").mkdir()
    part_map = np.random.default_rng(0).integers(0, 7, (4000, 2000), dtype=np.uint8)
    save_colors(tmp_path / "in" / "a.png", part_map)
    before = peak_resident_bytes()
    assert (read_colors(tmp_path / "in" / "a.png", PASCAL) == part_map).all()
    assert peak_resident_bytes() - before < 3 * 4 * part_map.size
    (tmp_path / "in" / "b.png").write_bytes(png(13_000, 13_000, 8, 2))
    assert end("import", "--from", "invpt", tmp_path / "in", tmp_path / "maps", "--quiet") == 1
    assert capsys.readouterr().err.endswith(
        "b.png: not a readable PNG (13000 x 13000, more than the 89 million pixels that are read); "
        "write the part map again\n"
    )


def test_colours_that_are_transparent_are_no_map(tmp_path: Path) -> None:
    pixels = np.concatenate([VOC[ids(7)], np.full((*SIZE, 1), 255, np.uint8)], -1)
    pixels[3, 2, 3] = 254
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a.png: transparent pixels"):
        read_colors(tmp_path / "a.png", PASCAL)


@COUNTS
def test_damaged_colours_are_one_line_or_a_map(tmp_path: Path, count: int) -> None:
    save_colors(tmp_path / "whole.png", ids(7))
    content = (tmp_path / "whole.png").read_bytes()
    check_reader(tmp_path / "a.png", content, lambda path: read_colors(path, PASCAL), count)


@COUNTS
def test_damaged_logits_are_one_line_or_confidence(tmp_path: Path, count: int) -> None:
    def read_one(path: Path) -> None:
        confidence = read_logits(path, SIZE, 7)
        assert confidence is not None
        assert confidence.min() >= 1 / 7 - 1e-6
        assert confidence.max() <= 1

    np.save(tmp_path / "whole.npy", np.random.default_rng(0).normal(0, 4, (*SIZE, 7)).astype(np.float32))
    check_reader(tmp_path / "a.npy", (tmp_path / "whole.npy").read_bytes(), read_one, count)


@pytest.mark.parametrize(
    ("names", "words", "said"),
    [
        (("human_parts.png",), ("--from", "invpt"), "does not say which image it is of"),
        (("a.png", "a..png"), ("--from", "schp"), "a..png and a.png would both become a.png"),
        (("a.png",), ("--from", "invpt", "--labels", "lip"), "invpt writes maps of pascal, not of lip"),
        (("a.txt",), ("--from", "solider"), "holds no PNG file"),
    ],
)
def test_a_folder_that_cannot_be_imported_is_one_line(
    tmp_path: Path,
    names: tuple[str, ...],
    words: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in names:
        save_palette(tmp_path / "out" / "x.png", ids(7))
        (tmp_path / "out" / "x.png").rename(tmp_path / "out" / name)
    assert end("import", *words, tmp_path / "out", tmp_path / "maps") == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_maps_are_not_imported_into_their_own_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_palette(tmp_path / "a.png", ids(7))
    assert end("import", "--from", "schp", tmp_path, tmp_path / "maps") == 2
    assert "name a folder outside it" in capsys.readouterr().err
