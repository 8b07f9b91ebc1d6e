"""The public data sets in the layouts in which they come, and what is said of broken ones."""

import shutil
from dataclasses import replace

import pytest

from pivl.data.benchmarks import BENCHMARKS, MARKET1501, MSMT17, SETS, Counts
from pivl.data.datasets import catalog
from pivl.data.datasets.layouts import locate
from pivl.data.datasets.occluded_duke import build_occluded_duke
from pivl.data.listing import find_faults, fingerprint, in_order
from pivl.errors import UserError
from tests.support.small_datasets import (
    CSV_ROWS,
    MSMT17_LISTS,
    SIZE,
    refusal,
    write_csv,
    write_duke,
    write_market,
    write_msmt17,
    write_picture,
)


@pytest.mark.usefixtures("cache")
def test_market_keeps_distractors_drops_junk_and_numbers_sorted_people(tmp_path):
    write_market(tmp_path)
    split = catalog.load("market1501", tmp_path, SIZE, allow_partial=True)
    assert split.name == "market1501"
    assert split.labels.name == "lip"
    assert split.train.names == tuple(sorted(split.train.names))
    assert [name.split("/")[1][:4] for name in split.train.names] == ["0002", "0002", "0007", "0007"]
    assert split.train.person.tolist() == [0, 0, 1, 1]
    assert split.train.camera.tolist() == [0, 2, 0, 5]
    assert split.query.person.tolist() == [2, 3]
    assert split.gallery.person.tolist() == [-1, 2, 3]
    assert split.gallery.camera.tolist() == [4, 1, 3]
    assert all(getattr(split, which).image.shape[1:] == (3, *SIZE) for which in SETS)
    assert split.train.part_map is None


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("name", ["dukemtmc", "occluded-duke"])
def test_people_of_duke_who_are_in_the_gallery_alone_stay_people(tmp_path, name):
    write_duke(tmp_path)
    split = catalog.load(name, tmp_path, SIZE, allow_partial=True)
    assert split.train.person.tolist() == [0, 1]
    assert split.train.camera.tolist() == [7, 1]
    assert split.query.person.tolist() == [2, 3]
    assert split.gallery.person.tolist() == [2, 3, 4]


@pytest.mark.usefixtures("cache")
def test_msmt17_trains_on_train_and_val_and_its_test_people_are_others(tmp_path):
    write_msmt17(tmp_path)
    split = catalog.load("msmt17", tmp_path, SIZE, allow_partial=True)
    assert split.train.person.tolist() == [0, 1, 1]
    assert split.train.camera.tolist() == [0, 13, 14]
    assert split.query.person.tolist() == split.gallery.person.tolist() == [2, 3]
    assert split.query.camera.tolist() == [3, 3]
    assert split.query.names[0] == "test/0000/0000_003_04_0303morning_0030_0.jpg"


@pytest.mark.parametrize("facts", BENCHMARKS.values(), ids=lambda facts: facts.name)
def test_a_benchmark_is_found_in_the_root_and_in_every_usual_folder_below(tmp_path, facts):
    write = {"market1501": write_market, "msmt17": write_msmt17}.get(facts.name, write_duke)
    for below in ("", *facts.below):
        root = tmp_path / f"root of {below.replace('/', ' ')}"
        write(root / below)
        assert locate(facts, root) == root / below


def test_the_whole_counts_are_those_of_the_papers_table_1():
    totals = {
        name: sum(count.images for count in facts.counts.values()) for name, facts in BENCHMARKS.items()
    }
    assert totals["dukemtmc"] == 36411
    assert totals["occluded-duke"] == 35489
    assert totals["msmt17"] == 126441
    assert totals["market1501"] == 32668 + 3368 - 3819  # Table 1 leaves queries out and counts junk


def test_a_count_that_differs_is_said_and_only_allow_partial_gets_past_it(tmp_path):
    write_market(tmp_path)
    listing = catalog.list_pictures("market1501", tmp_path)
    right = replace(
        MARKET1501, counts={"train": Counts(4, 2), "query": Counts(2, 2), "gallery": Counts(3, 2)}
    )
    assert find_faults(replace(listing, facts=right), allow_partial=False) == []
    assert replace(listing, facts=right).partial == {}
    assert listing.partial == {"train": (4, 12936), "query": (2, 3368), "gallery": (3, 15913)}
    wrong = replace(MARKET1501, counts={**right.counts, "query": Counts(3368, 3)})
    assert find_faults(replace(listing, facts=wrong), allow_partial=False) == [
        f"market1501: expected 3368 query images, found 2 in {tmp_path}/query",
        f"market1501: expected 3 query identities, found 2 in {tmp_path}/query",
    ]
    assert find_faults(replace(listing, facts=wrong), allow_partial=True) == []
    more = replace(MARKET1501, counts={**right.counts, "query": Counts(1, 2), "gallery": Counts(9, 2)})
    assert find_faults(replace(listing, facts=more), allow_partial=False) == [
        f"market1501: expected 1 query images, found 2 in {tmp_path}/query",
        f"market1501: expected 9 gallery images, found 3 in {tmp_path}/bounding_box_test",
    ]
    assert refusal("market1501", tmp_path) == (
        "market1501: a subset: 4 of 12936 train images (2 of 751 identities), 2 of 3368 query images (2 of 750 "
        f"identities), 3 of 15913 gallery images (2 of 750 identities) in {tmp_path}; on purpose? add --allow-partial"
    )


@pytest.mark.usefixtures("cache")
def test_pictures_that_a_list_names_in_vain_are_missing_from_the_count(tmp_path):
    write_msmt17(tmp_path)
    (tmp_path / "test" / MSMT17_LISTS["list_query.txt"][0].split()[0]).unlink()
    listing = catalog.list_pictures("msmt17", tmp_path)
    assert listing.missing == ("test/0000/0000_003_04_0303morning_0030_0.jpg",)
    known = {"train": Counts(3, 2), "query": Counts(2, 2), "gallery": Counts(2, 2)}
    faults = find_faults(replace(listing, facts=replace(MSMT17, counts=known)), allow_partial=False)
    assert f"msmt17: expected 2 query images, found 1 in {tmp_path}/list_query.txt" in faults
    known = {"train": Counts(4, 2), "query": Counts(1, 1), "gallery": Counts(2, 2)}
    faults = find_faults(replace(listing, facts=replace(MSMT17, counts=known)), allow_partial=False)
    assert (
        f"msmt17: expected 4 train images, found 3 in {tmp_path}/list_train.txt and {tmp_path}/list_val.txt"
        in faults
    )


def test_missing_folders_and_lists_are_named(tmp_path):
    assert refusal("market1501", tmp_path / "nowhere") == (
        f"market1501: {tmp_path}/nowhere is no folder; name the one that holds Market-1501 with --data-root"
    )
    assert refusal("dukemtmc", tmp_path) == (
        f"dukemtmc: no folder bounding_box_train in {tmp_path}, nor in the folders below it that usually hold "
        "DukeMTMC-reID (DukeMTMC-reID, dukemtmcreid/DukeMTMC-reID, ...); name its folder with --data-root"
    )
    write_market(tmp_path / "market")
    shutil.rmtree(tmp_path / "market" / "query")
    assert refusal("market1501", tmp_path) == (
        f"market1501: no {tmp_path}/market/query; unpack Market-1501 again"
    )
    write_msmt17(tmp_path / "MSMT17_V1")
    (tmp_path / "MSMT17_V1" / "list_val.txt").unlink()
    assert refusal("msmt17", tmp_path) == (
        f"msmt17: no {tmp_path}/MSMT17_V1/list_val.txt; unpack MSMT17 V1 again"
    )
    assert (
        refusal("market1501", None) == "market1501: name the folder that holds Market-1501 with --data-root"
    )
    assert refusal("cuhk03", tmp_path) == (
        "no data set 'cuhk03'; name one of market1501, dukemtmc, msmt17, occluded-duke, or a csv file of your own"
    )


@pytest.mark.parametrize("folder", ["mask_train_v2", "mask_test_V2"])
def test_msmt17_v2_is_refused_with_the_reason(tmp_path, folder):
    (tmp_path / "MSMT17_V2" / folder).mkdir(parents=True)
    assert refusal("msmt17", tmp_path) == (
        f"msmt17: {tmp_path}/MSMT17_V2 is MSMT17 V2 ({folder.lower()}): its faces are blurred, which costs 2 to 4 mAP, "
        "so its numbers are not comparable with published ones; use V1 (folders train and test)"
    )


def test_only_the_base_name_is_matched_and_a_strange_one_is_named(tmp_path):
    root = tmp_path / "0001_c1s1_000001_00.jpg"
    write_market(root)
    write_picture(root / "query" / "portrait.jpg")
    assert refusal("market1501", root) == (
        f"market1501: {root}/query/portrait.jpg is not named as Market-1501 names its images; move it elsewhere"
    )
    (root / "query" / "portrait.jpg").rename(root / "query" / "0003_c7s1_000001_00.jpg")
    assert refusal("market1501", root) == (
        f"market1501: {root}/query/0003_c7s1_000001_00.jpg is by camera 7, Market-1501 has 6; move it elsewhere"
    )


def test_a_list_that_is_none_is_named_with_its_line(tmp_path):
    write_msmt17(tmp_path)
    (tmp_path / "list_query.txt").write_text(MSMT17_LISTS["list_query.txt"][0] + "\n<html>\n")
    assert refusal("msmt17", tmp_path) == (
        f"msmt17: {tmp_path}/list_query.txt, line 2: '<html>' is not a path and a person; get the list again"
    )


def test_the_fingerprint_says_which_files_and_what_they_show(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there" / "market1501"
    write_market(here)
    write_market(there)
    marks = {fingerprint(catalog.list_pictures("market1501", root)) for root in (here, tmp_path / "there")}
    assert len(marks) == 1  # wherever it lies
    (there / "query" / "1500_c2s1_000006_00.jpg").rename(there / "query" / "1500_c3s1_000006_00.jpg")
    marks.add(fingerprint(catalog.list_pictures("market1501", there)))
    with open(here / "query" / "0003_c1s1_000005_00.jpg", "ab") as file:
        file.write(b"\0")
    marks.add(fingerprint(catalog.list_pictures("market1501", here)))
    rows = [row.replace("a/1.jpg,ann,door", "a/1.jpg,ann,gate") for row in CSV_ROWS]
    for number, content in enumerate((CSV_ROWS, rows, CSV_ROWS[::-1])):
        marks.add(
            fingerprint(catalog.list_pictures(str(write_csv(tmp_path / f"csv{number}", CSV_ROWS)), None))
        )
        (tmp_path / f"csv{number}" / "people.csv").write_text(
            "path,person,camera,split\n" + "\n".join(content)
        )
        marks.add(fingerprint(catalog.list_pictures(str(tmp_path / f"csv{number}" / "people.csv"), None)))
    assert len(marks) == 5  # renamed, longer, the csv, its other camera; not its other order


def test_numbers_are_sorted_by_value_and_before_words():
    assert in_order(["b", "10", "9", "a", "0010"]) == ["9", "0010", "10", "a", "b"]


def test_occluded_duke_is_built_from_the_lists(tmp_path, monkeypatch):
    duke, lists, output = tmp_path / "DukeMTMC-reID", tmp_path / "lists", tmp_path / "Occluded_Duke"
    write_duke(duke)
    lists.mkdir()
    names = {
        "train": ["0005_c2_f0000010.jpg", "0001_c8_f0000020.jpg"],
        "query": ["0004_c1_f0000030.jpg", "0006_c1_f0000060.jpg"],  # the second moves over from the gallery
        "gallery": ["0004_c2_f0000050.jpg", "0009_c1_f0000070.jpg"],
    }
    for which, lines in names.items():
        (lists / f"{which}.list").write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError) as caught:
        build_occluded_duke(tmp_path, lists, output)
    assert str(caught.value) == f"{lists}/train.list: expected 15618 images, found 2; get the list again"
    counts = dict.fromkeys(SETS, Counts(2, 2))
    monkeypatch.setattr(
        "pivl.data.datasets.occluded_duke.OCCLUDED_DUKE", replace(BENCHMARKS["occluded-duke"], counts=counts)
    )
    assert build_occluded_duke(tmp_path, lists, output) == dict.fromkeys(SETS, 2)
    listing = catalog.list_pictures("occluded-duke", tmp_path)
    found = {which: sorted(path.name for path in listing.paths(which)) for which in SETS}
    assert found == {which: sorted(lines) for which, lines in names.items()}
    moved = output / "query" / "0006_c1_f0000060.jpg"
    assert moved.read_bytes() == (duke / "bounding_box_test" / "0006_c1_f0000060.jpg").read_bytes()
    assert not list(tmp_path.glob(".Occluded_Duke*"))
    with pytest.raises(UserError, match=r"Occluded_Duke is there and not an empty folder; name a new one"):
        build_occluded_duke(tmp_path, lists, output)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("<html>", "{lists}/train.list, line 1: '<html>' is no image of DukeMTMC-reID; get the list again"),
        ("0042_c2_f0000010.jpg", "dukemtmc: no image 0042_c2_f0000010.jpg of train.list in {duke}; unpack "
         "DukeMTMC-reID again"),
        (None, "cannot read {lists}/train.list (No such file or directory); name the folder that holds train.list"),
    ],
)  # fmt: skip
def test_lists_that_cannot_be_followed_leave_nothing_behind(tmp_path, monkeypatch, lines, message):
    duke, lists = tmp_path / "duke", tmp_path / "lists"
    write_duke(duke)
    lists.mkdir()
    for which in SETS:
        if lines:
            (lists / f"{which}.list").write_text(lines)
    counts = dict.fromkeys(SETS, Counts(1, 1))
    monkeypatch.setattr(
        "pivl.data.datasets.occluded_duke.OCCLUDED_DUKE", replace(BENCHMARKS["occluded-duke"], counts=counts)
    )
    with pytest.raises(UserError) as caught:
        build_occluded_duke(duke, lists, tmp_path / "output")
    assert str(caught.value) == message.format(lists=lists, duke=duke)
    assert not (tmp_path / "output").exists()
