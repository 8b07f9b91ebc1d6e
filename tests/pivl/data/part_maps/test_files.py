"""Part maps on disk: found in every layout, resized by the nearest pixel, and what is said of those of no use."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pivl.data.datasets import catalog
from pivl.data.part_maps.labels import IGNORE
from pivl.synthped.benchmark import load
from pivl.synthped.export import export_market
from tests.support.small_datasets import (
    CSV_ROWS,
    FEW_PEOPLE,
    SIZE,
    TRAINING_SIZE,
    load_market,
    refusal,
    write_csv,
    write_map,
    write_market,
    write_market_maps,
    write_meta,
    write_msmt17,
    write_picture,
)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(("where", "palette"), [(".", True), ("bounding_box_train", False), ("train", True)])
def test_maps_are_found_in_every_layout_and_follow_their_pictures(tmp_path, where, palette):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps, where, palette)
    split = load_market(root, maps)
    assert split.train.part_map.shape == (4, *TRAINING_SIZE)
    assert split.train.part_map.dtype == torch.uint8
    for label, part_map in enumerate(split.train.part_map, 5):
        assert (part_map[:24] == 0).all()
        assert (part_map[24:] == label).all()
    assert split.query.part_map is None
    assert split.gallery.part_map is None


@pytest.mark.usefixtures("cache")
def test_maps_are_resized_by_the_nearest_pixel(tmp_path):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps, ".")
    ids = np.random.default_rng(0).choice(np.array([0, 1, 19, IGNORE], np.uint8), (33, 15))
    Image.fromarray(ids).save(maps / "0002_c1s1_000003_01.png")
    write_picture(root / "bounding_box_train" / "0002_c1s1_000003_01.jpg", size=(33, 15))
    doubled = load_market(root, maps, size=(66, 30)).train.part_map[0]
    assert np.array_equal(doubled, ids.repeat(2, 0).repeat(2, 1))
    third = load_market(root, maps, size=(11, 5)).train.part_map[0]
    assert np.array_equal(third, ids[1::3, 1::3])


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("where", ["train", ".", "flat"])
def test_maps_of_msmt17_are_found_in_its_sub_folders_and_flat(tmp_path, where):
    root, maps = tmp_path / "msmt17", tmp_path / "maps"
    write_msmt17(root)
    write_meta(maps, "atr")
    for label, path in enumerate(sorted((root / "train").glob("*/*.jpg")), 1):
        place = maps if where == "flat" else maps / where / path.parent.name
        write_map(place / f"{path.stem}.png", label)
    split = catalog.load("msmt17", root, SIZE, maps, True)
    assert split.labels.name == "atr"
    assert split.train.part_map[:, -1, 0].tolist() == [1, 2, 3]


@pytest.mark.usefixtures("cache")
def test_a_csv_names_its_maps_itself_or_schp_named_them(tmp_path):
    rows = [f"{row},maps/{row[2]}.png" if row.endswith("train") else f"{row}," for row in CSV_ROWS]
    file = write_csv(tmp_path, rows, "path,person,camera,split,part_map")
    write_meta(tmp_path, "pascal")
    for number in range(1, 5):
        write_map(tmp_path / "maps" / f"{number}.png", number)
    split = catalog.load(str(file), None, SIZE)
    assert split.labels.name == "pascal"
    assert split.train.part_map[:, -1, 0].tolist() == [1, 2, 3, 4]
    rows = [row.replace(".jpg", ".jpeg") for row in CSV_ROWS]
    file = write_csv(tmp_path / "schp", rows)
    write_meta(tmp_path / "output")
    for number in range(1, 5):
        write_map(tmp_path / "output" / "a" / f"{number}..png", number)
    assert catalog.load(str(file), None, SIZE, tmp_path / "output").train.part_map[:, -1, 0].tolist() == [
        1,
        2,
        3,
        4,
    ]


@pytest.mark.usefixtures("cache")
def test_another_parsers_maps_have_another_digest_and_leave_the_pictures_decoded(tmp_path):
    root, maps, counted = tmp_path / "market", tmp_path / "maps", []
    write_market(root)
    write_market_maps(root, maps, ".")
    plain, first = load_market(root), load_market(root, maps)
    write_meta(maps, "atr")
    relabelled = load_market(root, maps, lambda done, total: counted.append((done, total)))
    ids = np.random.default_rng(0).integers(0, 9, SIZE, np.uint8)
    Image.fromarray(ids).save(maps / "0002_c1s1_000003_01.png")
    splits = (plain, first, relabelled, load_market(root, maps))
    assert len({split.maps for split in splits}) == 4
    assert len({split.fingerprint for split in splits}) == 1  # numbers of the same pictures may be compared
    assert counted == [(4, 4)]


@pytest.mark.usefixtures("cache")
def test_maps_that_cannot_be_used_are_a_line_that_names_the_file(tmp_path):
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    path = maps / "0002_c1s1_000003_01.png"
    assert (
        refusal("market1501", root, maps, allow_partial=True)
        == f"{maps} is no folder; name the one that holds the part maps with --part-maps"
    )
    maps.mkdir()
    assert refusal("market1501", root, maps, allow_partial=True) == (
        f"{maps} has no meta.json that names its label set, nor do its maps tell it; add --labels with one of lip, atr, "
        f'pascal, or for SCHP trained on LIP: echo \'{{"label_set": "lip"}}\' > {maps}/meta.json'
    )
    write_market_maps(root, maps, ".")
    write_map(path, size=(32, 17))
    assert refusal("market1501", root, maps, allow_partial=True) == (
        f"{path}: the map is 32 x 17 (height x width), not 32 x 16 as its image; resize the map with nearest neighbours"
    )
    write_map(path, label=20)
    assert refusal("market1501", root, maps, allow_partial=True) == (
        f"{path}: class id 20 is not in label set lip (0 to 19, or 255); name the label set the map was made with"
    )
    path.write_bytes(path.read_bytes()[:40])
    assert refusal("market1501", root, maps, allow_partial=True).startswith(f"{path}: not a readable PNG (")


@pytest.mark.usefixtures("cache")
def test_a_missing_map_is_a_line_and_allow_partial_trains_without_it(tmp_path):
    rows = [f"{row},maps/{row[2]}.png" if row.endswith("train") else f"{row}," for row in CSV_ROWS]
    file = write_csv(tmp_path, rows, "path,person,camera,split,part_map")
    write_meta(tmp_path)
    for number in (1, 2, 4):
        write_map(tmp_path / "maps" / f"{number}.png", number)
    assert refusal(file, None) == (
        f"people.csv: 1 of 4 train images have no part map in {tmp_path} (first: a/3.jpg); parse them, or pass "
        "--allow-partial and they are trained without"
    )
    split = catalog.load(str(file), None, SIZE, allow_partial=True)
    assert (split.train.part_map[2] == IGNORE).all()
    assert split.train.part_map[[0, 1, 3], -1, 0].tolist() == [1, 2, 4]


@pytest.mark.usefixtures("cache")
def test_a_flat_folder_must_not_serve_two_pictures_by_one_map(tmp_path):
    rows = [row.replace("a/3.jpg", "c/1.jpg") for row in CSV_ROWS]
    file, maps = write_csv(tmp_path, rows), tmp_path / "maps"
    write_meta(maps)
    for number in (1, 2, 4):
        write_map(maps / f"{number}.png")
    assert refusal(file, None, maps, allow_partial=True) == (
        f"{maps}/1.png would be the part map of a/1.jpg and of c/1.jpg; keep the images' folders"
    )


@pytest.mark.usefixtures("cache")
def test_the_export_of_the_embedded_benchmark_loads_as_market1501_with_its_maps(tmp_path):
    export_market(FEW_PEOPLE, SIZE, tmp_path / "export")
    drawn = load(FEW_PEOPLE, SIZE)
    split = load_market(tmp_path / "export", tmp_path / "export" / "part_maps" / "lip", size=SIZE)
    for which in ("train", "query", "gallery"):
        found, meant = getattr(split, which), getattr(drawn, which)
        names = [Path(name).name for name in found.names]
        order = [names.index(name) for name in meant.names]
        assert sorted(names) == sorted(meant.names)
        assert found.person[order].tolist() == meant.person.tolist()
        assert found.camera[order].tolist() == meant.camera.tolist()
        assert (found.image[order].float() - meant.image.float()).abs().mean() < 4  # JPEG
        if which == "train":
            assert torch.equal(found.part_map[order], meant.part_map)
