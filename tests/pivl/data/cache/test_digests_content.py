"""Data are what their bytes are: other ones of the same name and size make other fingerprints, caches and ids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.display.progress import Progress
from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs.identity import identify
from harness.plan import preparation
from harness.store.records import Results
from pivl.data.benchmarks import SETS
from pivl.data.cache import digests
from pivl.data.cache.decode import plan_confidence, plan_maps, plan_pictures
from pivl.data.datasets import catalog
from pivl.data.listing import fingerprint
from pivl.errors import UserError
from pivl.synthped import benchmark
from tests.support.recorded_runs import complain
from tests.support.small_datasets import CSV_ROWS, FEW_PEOPLE, write_meta

QUIET = Progress.on_stderr(quiet=True)
SIZE = (32, 16)
WAYS = {"bmp": {}, "png": {"compress_level": 0}, "tif": {}, "ppm": {}}  # whose size the pixels do not decide


def save_picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(path, **WAYS[path.suffix[1:]])


def save_map(path: Path, label: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SIZE, label, np.uint8)).save(path, compress_level=0)


def save_confidence(path: Path, value: float) -> None:
    np.savez(path, confidence=np.full(SIZE, value, np.float16))


def write_people(folder: Path, ending: str = "bmp") -> Path:
    """A csv data set whose pictures, part maps and confidence files are all of their kind's one size; the csv."""
    rows = [row.replace("jpg", ending) for row in CSV_ROWS]
    for number, row in enumerate(rows):
        picture = folder / row.split(",")[0]
        save_picture(picture, number)
        if row.endswith("train"):
            save_map(folder / "maps" / f"{picture.stem}.png", 5)
            save_confidence(folder / "maps" / f"{picture.stem}.npz", 0.5)
    write_meta(folder / "maps")
    (folder / "people.csv").write_text("\n".join(["path,person,camera,split", *rows]) + "\n")
    return folder / "people.csv"


def marks(csv: Path) -> dict[str, str]:
    """Everything that is named by the data set's content."""
    listing, maps = catalog.survey(str(csv), None, csv.parent / "maps")
    files = {which: plan_pictures(listing, which, SIZE) for which in SETS}
    files |= {"maps": plan_maps(listing, maps, SIZE), "sure": plan_confidence(listing, maps, SIZE)}
    return {
        "pictures": fingerprint(listing),
        "digest of maps": catalog.digest_maps(listing, maps),
        "digest of confidence": catalog.digest_maps(listing, maps, True),
        **{f"cache of {name}": file.path.name for name, file in files.items()},
    }


OF_PICTURES = {"pictures", "cache of train", "cache of maps"}
OF_MAPS = {"digest of maps", "digest of confidence", "cache of maps", "cache of sure"}


@pytest.mark.parametrize(
    ("ending", "harm", "changed"),
    [
        *(
            (ending, lambda folder, ending: save_picture(folder / f"a/1.{ending}", 99), OF_PICTURES)
            for ending in WAYS
        ),
        ("bmp", lambda folder, _: save_map(folder / "maps/1.png", 6), OF_MAPS),
        (
            "bmp",
            lambda folder, _: save_confidence(folder / "maps/1.npz", 0.25),
            {"digest of confidence", "cache of sure"},
        ),
    ],
    ids=[*WAYS, "map", "confidence"],
)
def test_other_bytes_of_one_name_and_size_are_other_data(
    tmp_path: Path, cache: Path, ending: str, harm: Callable[[Path, str], None], changed: set[str]
) -> None:
    csv = write_people(tmp_path, ending)
    sizes = {path: path.stat().st_size for path in tmp_path.rglob("*.*")}
    before = marks(csv)
    harm(tmp_path, ending)
    assert {path: path.stat().st_size for path in sizes} == sizes
    after = marks(csv)
    assert {name for name in before if before[name] != after[name]} == changed


def test_the_ids_of_runs_follow_and_what_was_decoded_of_the_others_is_not_served(tmp_path, cache):
    csv = write_people(tmp_path)
    results = Results(tmp_path / "results", complain)
    asked = Request(
        "ablation", "smoke", seeds="0", dataset=str(csv), backbone="tiny", part_maps=csv.parent / "maps"
    )

    def ids() -> dict[str, str]:
        experiment = resolve(asked)
        found = {experiment.inputs: identify(experiment.inputs, SIZE, results, QUIET)}
        return {
            cell.row: cell.run.id for cell in preparation.lay_out(experiment, experiment.rows, found, results)
        }

    first = ids()
    train = catalog.load(str(csv), None, SIZE, csv.parent / "maps").train
    assert ids() == first
    save_map(tmp_path / "maps" / "1.png", 6)
    second = ids()
    assert {row for row in first if first[row] != second[row]} == {*first} - {"clip-reid"}
    save_picture(tmp_path / "a" / "1.bmp", 99)
    assert not {*ids().values()} & {*second.values()}
    again = catalog.load(str(csv), None, SIZE, csv.parent / "maps").train
    assert np.array_equal(again.image[0].permute(1, 2, 0), np.array(Image.open(tmp_path / "a" / "1.bmp")))
    assert not np.array_equal(again.image[0], train.image[0])
    assert set(again.part_map[0].unique().tolist()) == {6}


def test_the_second_look_at_a_data_set_reads_no_file(tmp_path, cache, monkeypatch):
    csv = write_people(tmp_path)
    monkeypatch.setattr(digests, "SETTLED", -(10**9))
    before = marks(csv)
    monkeypatch.setattr(digests, "_hash", lambda path: pytest.fail(f"{path} is read"))
    assert marks(csv) == before


def test_hashing_is_counted(tmp_path, cache):
    csv = write_people(tmp_path)
    seen: list[tuple[int, int]] = []
    catalog.survey(str(csv), None, csv.parent / "maps", report=lambda *counts: seen.append(counts))
    assert seen == [(9, 9), (4, 4)]


def test_one_stem_does_not_make_two_files_one(tmp_path, cache):
    one, other = write_people(tmp_path / "one"), write_people(tmp_path / "other")
    save_picture(tmp_path / "other" / "a" / "1.bmp", 99)
    assert marks(one) != marks(other)


def test_embedded_data_are_named_by_their_configuration_as_ever(cache):
    """The literal is that of version 2's pictures."""
    assert benchmark.load(FEW_PEOPLE).fingerprint == "03e1cd8cc5cd"


def test_pictures_that_change_while_they_are_decoded_leave_no_cache(tmp_path, cache, monkeypatch):
    csv = write_people(tmp_path)
    decode = catalog.decode

    def meddle(files, report=None):
        save_picture(tmp_path / "a" / "1.bmp", 99)
        return decode(files, report)

    monkeypatch.setattr(catalog, "decode", meddle)
    with pytest.raises(UserError) as caught:
        catalog.load(str(csv), None, SIZE)
    assert (
        str(caught.value) == "people.csv: files of it changed while they were decoded; run the command again"
    )
    assert not list(cache.glob("people-*"))
    save_picture(tmp_path / "a" / "1.bmp", 0)  # the picture of before, whose name the cache would have had
    monkeypatch.setattr(catalog, "decode", decode)
    train = catalog.load(str(csv), None, SIZE).train
    assert np.array_equal(train.image[0].permute(1, 2, 0), np.array(Image.open(tmp_path / "a" / "1.bmp")))
