"""Part maps on a feature grid against a cell-by-cell truth, and maps read from disk with their errors."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pivl.data.part_maps.labels import ATR, IGNORE, LIP, PASCAL
from pivl.data.part_maps.reading import read_label_set, read_map
from pivl.data.part_maps.voting import FOREGROUND_SHARE, Patches, part_presence, pool_weights, vote
from pivl.errors import UserError

REFERENCE = Path(os.environ.get("PIVL_REFERENCE", "/work/shared/reference"))
GRIDS = [
    ((24, 12), (6, 3), None),
    ((24, 12), (24, 12), None),
    ((26, 13), (21, 10), None),  # cells of unequal size
    ((5, 4), (8, 8), None),  # cells smaller than a pixel
    ((40, 28), (7, 5), Patches(8, 5)),  # overlapping windows, a border left out
    ((20, 14), (7, 5), Patches(4, 3)),  # the last windows reach beyond the image
]


def random_map(count: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Blocky maps of 6 classes with unlabelled patches, so that cells are mixed, pure and empty."""
    rng = np.random.default_rng(seed)
    coarse = rng.choice([0, 0, 1, 2, 3, 4, 5, IGNORE, IGNORE], (count, 5, 4))
    rows, columns = np.arange(size[0]) * 5 // size[0], np.arange(size[1]) * 4 // size[1]
    blocks = coarse[:, rows][:, :, columns]
    noise = rng.choice([0, 1, 2, 3, 4, 5, IGNORE], blocks.shape)
    return torch.tensor(np.where(rng.random(blocks.shape) < 0.3, noise, blocks), dtype=torch.uint8)


def cell_pixels(
    one_map: list[list[int]], cell: tuple[int, int], grid: tuple[int, int], patches: Patches | None
) -> list[list[int]]:
    """The rows of pixels of one cell, by the definition of the docstring."""
    spans = []
    for place, count, length in zip(cell, grid, (len(one_map), len(one_map[0])), strict=True):
        start, stop = place * length // count, (place + 1) * length // count
        if patches is not None:
            start, stop = place * patches.stride, min(place * patches.stride + patches.size, length)
        spans.append(range(start, max(stop, start + 1)))
    return [[one_map[i][j] for j in spans[1]] for i in spans[0]]


def winner_by_hand(pixels: list[list[int]], rule: str) -> int:
    if rule == "nearest":
        return pixels[len(pixels) // 2][len(pixels[0]) // 2]
    labelled = [part for row in pixels for part in row if part != IGNORE]
    if not labelled:
        return IGNORE
    if rule == "foreground":
        parts = [part for part in labelled if part != 0]
        if len(parts) < FOREGROUND_SHARE * len(labelled):
            return 0
        labelled = parts
    counts = Counter(labelled)
    return min(counts, key=lambda part: (-counts[part], part))


@pytest.mark.parametrize("rule", ["majority", "nearest", "foreground"])
@pytest.mark.parametrize(("size", "grid", "patches"), GRIDS)
def test_vote_equals_counting_cell_by_cell(size, grid, patches, rule) -> None:
    maps = random_map(4, size)
    voted = vote(maps, grid, 6, rule, patches)
    by_hand = [
        [
            [winner_by_hand(cell_pixels(one, (i, j), grid, patches), rule) for j in range(grid[1])]
            for i in range(grid[0])
        ]
        for one in maps.tolist()
    ]
    assert voted.dtype == torch.int64
    assert voted.tolist() == by_hand


@pytest.mark.parametrize(("size", "grid", "patches"), GRIDS)
def test_pool_weights_are_the_shares_of_a_cell(size, grid, patches) -> None:
    maps = random_map(3, size, seed=1)
    weights = pool_weights(maps, grid, 6, patches)
    assert weights.shape == (3, 6, *grid)
    for one, shares in zip(maps.tolist(), weights, strict=True):
        for i in range(grid[0]):
            for j in range(grid[1]):
                pixels = [part for row in cell_pixels(one, (i, j), grid, patches) for part in row]
                by_hand = [pixels.count(part) / len(pixels) for part in range(6)]
                assert shares[:, i, j].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_shares_of_an_even_grid_add_up_to_the_pixels_of_each_class() -> None:
    maps = random_map(3, (24, 12), seed=2)
    pixels = pool_weights(maps, (6, 3), 6).sum((2, 3)) * 16  # cells of 4 x 4
    counted = torch.stack([(maps == part).sum((1, 2)) for part in range(6)], 1)
    torch.testing.assert_close(pixels, counted.float())


def test_a_strip_half_a_cell_wide_survives_the_foreground_vote_wherever_it_lies() -> None:
    """What FOREGROUND_SHARE is for; a plain majority never keeps it (half a cell is a tie with id 0)."""
    cell, strip = 8, 4
    kept = {"majority": 0, "foreground": 0}
    for left in range(3 * cell - strip + 1):
        part_map = torch.zeros(1, cell, 3 * cell, dtype=torch.uint8)
        part_map[:, :, left : left + strip] = 1
        for rule in kept:
            kept[rule] += int((vote(part_map, (1, 3), 2, rule) == 1).any())
    assert kept == {"majority": 0, "foreground": 3 * cell - strip + 1}


def test_ties_go_to_the_smallest_id_and_unlabelled_pixels_do_not_vote() -> None:
    tie = torch.tensor([[[5, 2], [2, 5]]], dtype=torch.uint8)
    lone = torch.tensor([[[IGNORE, IGNORE], [IGNORE, 3]]], dtype=torch.uint8)
    blank = torch.full((1, 2, 2), IGNORE, dtype=torch.uint8)
    assert vote(tie, (1, 1), 6).item() == 2
    assert vote(lone, (1, 1), 6).item() == 3
    for rule in ("majority", "foreground", "nearest"):
        assert vote(blank, (1, 1), 6, rule).item() == IGNORE


def test_ids_beyond_the_classes_never_come_out() -> None:
    """Trap 15: an id outside the label set must not reach an embedding look-up."""
    odd = torch.tensor([[[200, 200], [200, 1]], [[200, 200], [200, 200]]], dtype=torch.uint8)
    assert vote(odd, (1, 1), 6).flatten().tolist() == [1, IGNORE]
    assert vote(odd, (2, 2), 6, "nearest").flatten().tolist() == [IGNORE] * 3 + [1] + [IGNORE] * 4
    assert pool_weights(odd, (1, 1), 6).sum((1, 2, 3)).tolist() == [0.25, 0.0]


def test_voting_commutes_with_mirroring() -> None:
    maps = random_map(8, (24, 12), seed=3)
    for rule in ("majority", "foreground"):
        assert torch.equal(vote(maps.flip(-1), (6, 3), 6, rule), vote(maps, (6, 3), 6, rule).flip(-1))


def test_a_whole_benchmark_is_voted_on_in_pieces_without_a_seam() -> None:
    maps = random_map(8, (24, 12), seed=5).repeat(70, 1, 1)  # 560 maps, more than two pieces
    assert torch.equal(vote(maps, (6, 3), 6), vote(maps[:8], (6, 3), 6).repeat(70, 1, 1))
    assert vote(maps[:0], (6, 3), 6).shape == (0, 6, 3)


def test_voting_takes_non_contiguous_and_single_maps() -> None:
    maps = random_map(4, (24, 12), seed=4)
    strided = maps.transpose(1, 2).contiguous().transpose(1, 2)
    assert torch.equal(vote(strided, (6, 3), 6), vote(maps, (6, 3), 6))
    assert torch.equal(vote(maps[2:3], (6, 3), 6), vote(maps, (6, 3), 6)[2:3])


def test_presence_counts_pixels() -> None:
    maps = torch.tensor([[[0, 0], [1, IGNORE]], [[2, 2], [2, 0]]], dtype=torch.uint8)
    assert part_presence(maps, 3).tolist() == [[True, True, False], [True, False, True]]
    assert part_presence(maps, 3, 2).tolist() == [[True, False, False], [False, False, True]]


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_grey_or_palette_png_gives_its_ids(tmp_path: Path, mode: str) -> None:
    ids = np.array([[0, 5, 19], [IGNORE, 1, 7]], dtype=np.uint8)
    picture = Image.fromarray(ids)
    if mode == "P":
        picture = Image.frombytes("P", (3, 2), ids.tobytes())
        picture.putpalette([shade * 7 % 256 for shade in range(768)])
    picture.save(tmp_path / "a.png")
    assert read_map(tmp_path / "a.png", LIP, (2, 3)).tolist() == ids.tolist()


def wrong_files(folder: Path) -> dict[str, Path]:
    """A file for each mistake, by the words that its message must hold."""
    kinds = {
        "no such part map": folder / "absent.png",
        "not a readable PNG": folder / "text.png",
        "2 x 4 (height x width), not 2 x 3": folder / "size.png",
        "class id 20 is not in label set lip (0 to 19, or 255)": folder / "id.png",
        "not an 8-bit grey or palette PNG": folder / "colour.png",
    }
    (folder / "text.png").write_text("no image")
    Image.new("L", (4, 2)).save(folder / "size.png")
    Image.new("L", (3, 2), 20).save(folder / "id.png")
    Image.new("RGB", (3, 2)).save(folder / "colour.png")
    return kinds


def test_every_wrong_map_is_one_line_that_names_the_file(tmp_path: Path) -> None:
    for words, path in wrong_files(tmp_path).items():
        with pytest.raises(UserError) as caught:
            read_map(path, LIP, (2, 3))
        message = str(caught.value)
        assert message.startswith(f"{path}: "), message
        assert words in message
        assert "\n" not in message


@pytest.mark.parametrize("kind", ["16-bit", "1-bit", "4-bit palette", "alpha", "jpeg", "truncated"])
def test_other_depths_kinds_and_broken_files_are_refused(tmp_path: Path, kind: str) -> None:
    """Pillow would read most of these without a word, 4-bit grey with its values stretched."""
    path = tmp_path / "map.png"
    if kind == "16-bit":
        Image.fromarray(np.zeros((2, 3), np.uint16)).save(path)
    elif kind == "1-bit":
        Image.new("1", (3, 2)).save(path)
    elif kind == "4-bit palette":
        picture = Image.frombytes("P", (3, 2), bytes(range(6)))
        picture.putpalette(range(48))
        picture.save(path, bits=4)
    elif kind == "alpha":
        Image.new("LA", (3, 2)).save(path)
    elif kind == "jpeg":
        Image.new("L", (3, 2)).save(path, format="JPEG")
    else:
        noise = np.random.default_rng(0).integers(0, 20, (200, 300), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(UserError, match=r"8-bit grey or palette|not a readable PNG"):
        read_map(path, LIP, (200, 300) if kind == "truncated" else (2, 3))


def test_ids_are_checked_against_the_label_set_that_is_named(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 17).save(tmp_path / "a.png")
    assert read_map(tmp_path / "a.png", ATR, (2, 3)).unique().tolist() == [17]
    with pytest.raises(UserError, match="class id 17 is not in label set pascal"):
        read_map(tmp_path / "a.png", PASCAL, (2, 3))


def test_the_label_set_of_a_folder_is_in_its_meta(tmp_path: Path) -> None:
    meta = tmp_path / "meta.json"
    for bad in (
        "not json",
        "[]",
        "{}",
        json.dumps({"label_set": "coco"}),
        json.dumps({"label_set": []}),
    ):
        meta.write_text(bad)
        with pytest.raises(
            UserError, match=r"no label set of lip, atr, pascal .*; for SCHP trained on LIP: echo "
        ):
            read_label_set(tmp_path)
    meta.write_text(json.dumps({"label_set": "atr", "parser": "schp"}))
    assert read_label_set(tmp_path) is ATR


@pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no reference files at {REFERENCE} (PIVL_REFERENCE)")
def test_a_map_as_the_schp_extractor_writes_it() -> None:
    """The file's size and classes are those that its description states."""
    part_map = read_map(REFERENCE / "schp_demo_lip.png", LIP, (1333, 2000))
    assert part_map.unique().tolist() == [0, 2, 5, 7, 13, 14, 15]
