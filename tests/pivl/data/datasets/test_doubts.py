"""What makes numbers doubtful: copies by their bytes, names that look alike, cameras that stand apart."""

import os
import shutil

import pytest

from harness.cli.main import main
from harness.display.progress import Progress
from harness.inputs.identity import identify
from harness.inputs.spec import Inputs
from harness.store.records import Results
from pivl.data.datasets.check import check, describe
from pivl.data.datasets.doubts import copies, doubts, list_names, repeated, untrained_cameras
from tests.support.recorded_runs import complain
from tests.support.small_datasets import CSV_ROWS, SIZE, listed, write_csv, write_market


def with_copy(folder, source, row, make=shutil.copyfile):
    """The small csv with one picture more, which is a copy of `source`."""
    file = write_csv(folder, [*CSV_ROWS, row])
    copy = folder / row.split(",")[0]
    copy.unlink()
    make(folder / source, copy)
    return file


@pytest.mark.parametrize("make", [shutil.copyfile, os.symlink, os.link])
@pytest.mark.parametrize(
    ("source", "row", "said"),
    [
        ("b/5.jpg", "c/5.jpg,cleo,gate,gallery", "1 of 2 query images has a copy, byte for byte, in the gallery under "
         "another camera or person (first: b/5.jpg and c/5.jpg); whatever the model, it is found, or counted as wrong"),
        ("b/5.jpg", "c/5.jpg,dan,door,gallery", "1 of 2 query images has a copy, byte for byte, in the gallery under "
         "another camera or person (first: b/5.jpg and c/5.jpg); whatever the model, it is found, or counted as wrong"),
        ("b/5.jpg", "c/5.jpg,distractor,door,gallery", "1 of 2 query images has a copy, byte for byte, in the gallery "
         "under another camera or person (first: b/5.jpg and c/5.jpg); whatever the model, it is found, or counted as "
         "wrong"),
        ("b/7.jpg", "c/7.jpg,ann,door,train", "1 of 5 train images has a copy, byte for byte, in query or gallery "
         "(first: c/7.jpg and b/7.jpg); test images must not be trained on"),
    ],
)  # fmt: skip
def test_a_copy_in_sets_that_must_not_share_any_is_a_fault_and_a_warning(tmp_path, source, row, said, make):
    file = with_copy(tmp_path, source, row, make)
    for allow_partial in (False, True):
        assert check(str(file), None, allow_partial=allow_partial).faults == (f"people.csv: {said}",)
    warned = []
    progress = Progress.on_stderr(quiet=True)
    progress.warn = warned.append
    identify(Inputs(str(file)), SIZE, Results(tmp_path / "results", complain), progress)
    assert warned == [f"people.csv: {said}"]


def test_query_and_gallery_share_pictures_of_one_camera_as_is_usual(tmp_path):
    """Where every test picture is a query, under its own path or as a copy."""
    rows = CSV_ROWS + [row.replace("query", "gallery") for row in CSV_ROWS if row.endswith("query")]
    assert doubts(listed(tmp_path, rows)) == []
    listing = listed(tmp_path, [*CSV_ROWS, "c/5.jpg,cleo,door,gallery"])
    assert doubts(listing) == []
    shutil.copyfile(tmp_path / "b" / "5.jpg", tmp_path / "c" / "5.jpg")
    assert doubts(listed_again(tmp_path)) == []


def listed_again(folder):
    from pivl.data.datasets.csv_file import list_csv

    return list_csv(folder / "people.csv")


def test_a_copy_within_a_set_is_counted_and_is_no_fault(tmp_path):
    file = with_copy(tmp_path, "a/1.jpg", "c/1.jpg,bob,door,train")
    said = (
        "people.csv: 1 of 5 train images has a copy, byte for byte, in the train set itself "
        "(first: c/1.jpg and a/1.jpg); it counts twice"
    )
    findings = check(str(file), None)
    assert findings.faults == ()
    assert findings.doubts == (said,)
    assert said in describe(findings).splitlines()
    assert doubts(listed_again(tmp_path)) == [said]


def test_all_queries_in_the_gallery_under_the_camera_of_the_gallery(tmp_path, capsys):
    """As where no camera is known: Rank-1 is 100, whatever the model."""
    rows = [row for row in CSV_ROWS if "train" in row]
    rows += [
        f"{kind}/{name}.jpg,{name},{kind[0]},{kind}"
        for kind in ("query", "gallery")
        for name in ("cleo", "dan")
    ]
    file = write_csv(tmp_path, rows)
    for name in ("cleo", "dan"):
        shutil.copyfile(tmp_path / "query" / f"{name}.jpg", tmp_path / "gallery" / f"{name}.jpg")
    with pytest.raises(SystemExit) as ended:
        main(("data", "check", "--dataset", str(file), "--quiet"))
    assert ended.value.code == 2
    told = capsys.readouterr().out
    assert "2 of 2 query images have a copy, byte for byte, in the gallery under another camera" in told
    assert "cameras of all sets: 4 (door, g, gate, q)" in told
    assert "cameras of the query set alone: q\n" in told
    assert "cameras of the gallery set alone: g\n" in told
    assert "cameras of test images that training never sees: g, q\n" in told


def test_copies_are_found_in_a_benchmark_and_by_the_naive_way_too(tmp_path):
    write_market(tmp_path)
    shutil.copyfile(
        tmp_path / "bounding_box_train" / "0007_c1s1_000001_01.jpg",
        tmp_path / "bounding_box_test" / "1500_c1s1_000012_01.jpg",
    )
    (fault,) = check("market1501", tmp_path, allow_partial=True).faults
    assert fault.startswith(
        "market1501: 1 of 4 train images has a copy, byte for byte, in query or gallery (first: "
    )


def test_copies_of_thousands_take_no_square_of_their_number(tmp_path):
    from dataclasses import replace

    listing = listed(tmp_path)
    query, gallery = listing.entries["query"][0], listing.entries["gallery"][0]
    many = {
        "train": listing.entries["train"],
        "query": tuple(replace(query, name=f"q{n}", person=str(n), digest="d") for n in range(20_000)),
        "gallery": tuple(replace(gallery, name=f"g{n}", person=str(n), digest="d") for n in range(20_000)),
    }
    assert copies(replace(listing, entries=many))[0].startswith(
        "people.csv: 20000 of 20000 query images have"
    )
    assert len(repeated(replace(listing, entries=many))) == 2
    unread = {which: tuple(replace(one, digest="") for one in entries) for which, entries in many.items()}
    assert doubts(replace(listing, entries=unread)) == []


def test_names_that_look_alike_and_junk_are_said(tmp_path):
    rows = [row.replace("gate", "c1").replace("door", "c01") for row in CSV_ROWS]
    assert doubts(listed(tmp_path, [*rows, "b/10.jpg,-1,c1,gallery", "b/11.jpg,Dan,c1,gallery"])) == [
        "people.csv: identities 'Dan' and 'dan' are taken as two; spell them alike if they are one",
        "people.csv: cameras 'c01' and 'c1' are taken as two; spell them alike if they are one",
        "people.csv: 1 images of person -1 are left out as junk",
    ]


def test_cameras_are_counted_over_all_sets(tmp_path):
    """Two in each set, four in truth; numbers of another spelling are no others."""
    numbers = {"door": "1", "gate": "2"}
    rows = [row.replace(",door,", ",1,").replace(",gate,", ",2,") for row in CSV_ROWS]
    padded = [row.replace(",1,", ",01,").replace(",2,", ",2.0,") if "gallery" in row else row for row in rows]
    assert check(str(write_csv(tmp_path / "padded", padded)), None).cameras == tuple(numbers.values())
    other = [row.replace(",1,", ",x,").replace(",2,", ",y,") if "gallery" in row else row for row in rows]
    findings = check(str(write_csv(tmp_path / "other", other)), None)
    assert [one.cameras for one in findings.sets] == [2, 2, 2]
    assert findings.cameras == ("1", "2", "x", "y")
    assert findings.apart == {"train": (), "query": (), "gallery": ("x", "y")}
    assert findings.untrained == ("x", "y")
    assert untrained_cameras(listed(tmp_path / "plain", rows)) == []
    assert list_names([str(n) for n in range(14)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more"
