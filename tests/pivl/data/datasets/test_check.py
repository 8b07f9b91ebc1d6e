"""`data check`: what is counted, read and said of whole and of broken data sets."""

from dataclasses import replace

import pytest

from pivl.data.benchmarks import BENCHMARKS, MARKET1501, Counts
from pivl.data.datasets import check as checking
from pivl.data.datasets.catalog import digest_maps, survey
from pivl.data.datasets.check import check, describe
from pivl.data.listing import fingerprint
from pivl.errors import UserError
from pivl.synthped.export import export_market
from tests.support.small_datasets import (
    CSV_ROWS,
    FEW_PEOPLE,
    FEW_SIZE,
    MSMT17_LISTS,
    write_csv,
    write_map,
    write_market,
    write_market_maps,
    write_msmt17,
)

SMALL = replace(MARKET1501, counts={"train": Counts(4, 2), "query": Counts(2, 2), "gallery": Counts(3, 2)})


@pytest.fixture
def market(tmp_path, monkeypatch):
    """A small market1501 whose counts are the known ones, and its maps beside it."""
    monkeypatch.setitem(BENCHMARKS, "market1501", SMALL)
    root, maps = tmp_path / "market", tmp_path / "maps"
    write_market(root)
    write_market_maps(root, maps)
    return root, maps


def test_a_whole_data_set_has_no_fault_and_every_count(market):
    root, maps = market
    seen = []
    findings = check("market1501", root, maps, report=lambda done, total: seen.append((done, total)))
    assert not findings.wrong
    assert seen == [(9, 9), (4, 4), (9, 13), (13, 13)]  # hashed: pictures, maps; then read
    listing, found = survey("market1501", root, maps)
    assert (
        describe(findings)
        == f"""\
market1501 in {root}
Please cite its authors; academic use is customary.
set      images  expected images  identities  expected identities  cameras  distractors
train         4                4           2                    2        3            0
query         2                2           2                    2        2            0
gallery       3                3           2                    2        3            1
cameras of all sets: 6 (1, 2, 3, 4, 5, 6)
cameras of the train set alone: 3, 6
cameras of the gallery set alone: 4, 5
cameras of test images that training never sees: 2, 4, 5
left out as junk: 2 images
part maps (lip) in {maps}: 4 of 4 train images, 5 of 20 classes occur
fingerprint: {fingerprint(listing)}, of the part maps {digest_maps(listing, found)}"""
    )


def test_every_broken_file_is_named_and_every_wrong_count_said(market):
    root, maps = market
    cut = root / "query" / "0003_c1s1_000005_00.jpg"
    cut.write_bytes(cut.read_bytes()[:40])
    html = root / "bounding_box_test" / "0003_c2s1_000007_01.jpg"
    html.write_text("<html>")
    (root / "bounding_box_test" / "1500_c4s1_000008_01.jpg").unlink()
    large, foreign = maps / "0002_c1s1_000003_01.png", maps / "0002_c3s1_000004_02.png"
    write_map(large, size=(64, 32))
    write_map(foreign, 77)
    (maps / "0007_c1s1_000001_01.png").unlink()
    findings = check("market1501", root, maps)
    assert findings.wrong
    starts = [
        f"market1501: expected 3 gallery images, found 2 in {root}/bounding_box_test",
        f"market1501: expected 2 gallery identities, found 1 in {root}/bounding_box_test",
        "market1501: the gallery set has one person (0003); at least two identities are needed",
        f"market1501: bounding_box_train/0007_c1s1_000001_01.jpg has no part map in {maps}",
        f"cannot read {cut} (",
        f"cannot read {html} (no header of a JPEG, PNG, BMP, PPM, GIF, WEBP or TIFF file); get it again",
        f"{large}: the map is 64 x 32 (height x width), not 32 x 16 as its image",
        f"{foreign}: class id 77 is not in label set lip (0 to 19, or 255)",
    ]
    assert len(findings.faults) == len(starts)
    for fault, start in zip(findings.faults, starts, strict=True):
        assert fault.startswith(start)
        assert "\n" not in fault
    text = describe(findings)
    assert "identities with a query that has no right answer, which is not scored: 1" in text
    assert "3 of 4 train images, 2 of 20 classes occur" in text
    assert text.endswith("\n8 faults; a subset on purpose? add --allow-partial")


def test_what_makes_counting_impossible_is_an_error(market):
    root, _ = market
    with pytest.raises(UserError, match=r"^market1501: .*nowhere is no folder"):
        check("market1501", root / "nowhere")
    with pytest.raises(UserError, match=r"^no data set 'market'"):
        check("market", root)


def test_maps_without_a_label_set_do_not_hide_the_rest(market):
    root, maps = market
    (maps / "meta.json").unlink()
    findings = check("market1501", root, maps)
    assert findings.maps is None
    assert len(findings.faults) == 1
    assert findings.faults[0].startswith(
        f"{maps} has no meta.json that names its label set, nor do its maps tell it"
    )


def test_no_fault_of_maps_hides_behind_another(market):
    root, maps = market
    (maps / "meta.json").unlink()
    cut, small = maps / "0002_c1s1_000003_01.png", maps / "0002_c3s1_000004_02.png"
    cut.write_bytes(cut.read_bytes()[:50])
    write_map(small, size=(16, 8))
    (maps / "0007_c1s1_000001_01.png").unlink()
    starts = [
        f"market1501: bounding_box_train/0007_c1s1_000001_01.jpg has no part map in {maps}",
        f"{maps} has no meta.json",
        f"{cut}: not a readable PNG",
        f"{small}: the map is 16 x 8",
    ]
    faults = check("market1501", root, maps).faults
    assert [fault[: len(start)] for fault, start in zip(faults, starts, strict=True)] == starts
    findings = check("market1501", root, maps, allow_partial=True)
    assert findings.faults == faults[1:]
    assert f"\nnote: {faults[0]}\n{faults[1]}\n" in describe(findings)


def test_every_missing_map_is_named_up_to_a_limit_and_noted_in_a_subset_on_purpose(market, monkeypatch):
    root, maps = market
    lost = sorted(maps.glob("*.png"))[:3]
    for path in lost:
        path.unlink()
    named = [f"market1501: bounding_box_train/{path.stem}.jpg has no part map in {maps}" for path in lost]
    assert list(check("market1501", root, maps).faults) == named
    assert describe(check("market1501", root, maps)).endswith(
        "\n3 faults; a subset on purpose? add --allow-partial"
    )
    monkeypatch.setattr(checking, "NAMED", 1)
    findings = check("market1501", root, maps, allow_partial=True)
    assert not findings.wrong
    assert describe(findings).endswith(
        f"\nnote: {named[0]}\nnote: market1501: and 2 images more have no part map in {maps}"
    )


def test_maps_of_a_named_label_set_need_no_meta_and_the_counts_say_so(market):
    root, maps = market
    (maps / "meta.json").unlink()
    findings = check("market1501", root, maps, labels="lip")
    assert not findings.wrong
    assert f"part maps (lip, by --labels lip) in {maps}: 4 of 4 train images" in describe(findings)


@pytest.mark.usefixtures("cache")
def test_what_data_export_wrote_is_whole_without_options_and_a_lost_picture_is_a_fault(tmp_path):
    export_market(FEW_PEOPLE, FEW_SIZE, tmp_path / "export")
    findings = check("market1501", tmp_path / "export")
    assert (findings.faults, findings.doubts) == ((), ())
    assert "few-v2, exported by pivl-bench" in describe(findings)
    assert findings.maps is not None
    assert findings.maps.maps == findings.maps.images == findings.sets[0].expected.images
    next((tmp_path / "export" / "query").iterdir()).unlink()
    assert [line.split(": ")[1] for line in check("market1501", tmp_path / "export").faults] == [
        f"expected {findings.sets[1].images} query images, found {findings.sets[1].images - 1} in {tmp_path}/export/query"
    ]
    with pytest.raises(
        UserError, match="a subset: 16 of 12936 train images"
    ):  # to train on it is to train on a part
        survey("market1501", tmp_path / "export")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"benchmark": "a", "counts": {"train": {}}, "part_maps": "m"}']
)
def test_a_note_of_an_export_that_is_none_is_one_line(market, content):
    root, _ = market
    (root / "export.json").write_text(content)
    with pytest.raises(UserError, match=r"export\.json.*export the data set again$"):
        check("market1501", root)


def test_files_that_a_list_names_in_vain_are_named(tmp_path):
    write_msmt17(tmp_path)
    name = MSMT17_LISTS["list_gallery.txt"][1].split()[0]
    (tmp_path / "test" / name).unlink()
    findings = check("msmt17", tmp_path)
    assert f"msmt17: no image {tmp_path}/test/{name}" in findings.faults
    assert findings.sets[2].images == 1
    assert not [
        fault for fault in check("msmt17", tmp_path, allow_partial=True).faults if "no image" in fault
    ]


def test_of_very_many_missing_files_the_first_are_named(tmp_path, monkeypatch):
    write_msmt17(tmp_path)
    monkeypatch.setattr(checking, "NAMED", 1)
    for line in MSMT17_LISTS["list_gallery.txt"] + MSMT17_LISTS["list_query.txt"]:
        (tmp_path / "test" / line.split()[0]).unlink()
    faults = [fault for fault in check("msmt17", tmp_path).faults if "no image " in fault]
    assert faults == [
        f"msmt17: no image {tmp_path}/test/{MSMT17_LISTS['list_query.txt'][0].split()[0]}",
        "msmt17: no image for 3 lines more of its lists",
    ]


def test_a_picture_that_cannot_be_read_is_one_fault_with_maps_or_without(market):
    root, maps = market
    (root / "bounding_box_train" / "0007_c1s1_000001_01.jpg").write_text("<html>")
    assert check("market1501", root).faults == check("market1501", root, maps).faults
    assert len(check("market1501", root).faults) == 1


def test_a_csv_is_counted_without_expectations(tmp_path):
    findings = check(str(write_csv(tmp_path, CSV_ROWS)), None)
    assert not findings.wrong
    assert (
        describe(findings).splitlines()[3]
        == "query         2                -           2                    -        2            0"
    )
    alone = [row.replace("b/7.jpg,cleo,gate", "b/7.jpg,cleo,door") for row in CSV_ROWS]
    broken = check(str(write_csv(tmp_path, alone)), None)
    assert [fault[:48] for fault in broken.faults] == ["people.csv: person cleo stands in the query set "]
    assert not check(str(tmp_path / "people.csv"), None, allow_partial=True).wrong


def test_several_processes_find_what_one_does(market, monkeypatch):
    root, maps = market
    cut = root / "query" / "1500_c2s1_000006_00.jpg"
    cut.write_bytes(cut.read_bytes()[:40])
    alone = check("market1501", root, maps)
    monkeypatch.setattr(checking, "JOB", 2)
    monkeypatch.setattr(checking, "JOBS_PER_WORKER", 1)
    monkeypatch.setattr(checking, "cores", lambda: 2)
    assert check("market1501", root, maps) == alone
