"""Each form of other code is read as what it is; what does not fit is one line that says what is there and was wanted."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from harness.external.described import JUNK
from harness.external.forms.reader import read_described
from harness.external.request import Reading
from pivl.errors import UserError
from tests.support import descriptor_files as files
from tests.support.descriptor_files import GALLERY, NAMES, PLACES, QUERIES, WRITERS, features, labels, named
from tests.support.mutations import COUNTS, check_reader

AS_IS = Reading()
PEOPLE = [*QUERIES, *GALLERY]


def refusal(path, reading=AS_IS):
    with pytest.raises(UserError) as refused:
        read_described(path, reading)
    said = str(refused.value)
    assert "\n" not in said
    assert path.name in said
    return said


def same_partition(found, wanted):
    """Whether labels tell the same pictures apart, whatever they are called."""
    pairs = set(zip(found.tolist(), wanted.tolist(), strict=True))
    return len(pairs) == len(set(found.tolist())) == len(set(wanted.tolist()))


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_gives_the_same_test_set(form, tmp_path):
    """Features to the bit; junk left out, distractors kept, and people and cameras one and the same on both sides."""
    found = read_described(WRITERS[form](tmp_path), AS_IS)
    assert len(found.query) == 6
    assert len(found.gallery) == len(PLACES)
    known = {
        tuple(values): one for values, one in zip(np.concatenate(features()).tolist(), PEOPLE, strict=True)
    }
    wanted = np.array([known[tuple(one)] for side in found.features for one in side.tolist()])
    sides = (found.query, found.gallery)
    person, camera = (
        np.concatenate([getattr(side, what) for side in sides]) for what in ("person", "camera")
    )
    assert same_partition(person, wanted[:, 0])
    assert same_partition(camera, wanted[:, 1])
    assert JUNK not in person
    assert JUNK not in wanted[:, 0]


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "folder"])
@COUNTS
def test_a_damaged_file_is_read_rightly_or_refused_in_one_line(form, count, tmp_path):
    path = WRITERS[form](tmp_path)

    def read(place):
        found = read_described(place, AS_IS)
        assert found.features[0].dtype == np.float32
        assert np.isfinite(found.features[0]).all()
        assert len(found.features[1]) == len(found.gallery)

    refused = check_reader(path, path.read_bytes(), read, count)
    assert refused > count // 5


@COUNTS
def test_a_damaged_descriptor_of_a_folder_is_refused_in_one_line(count, tmp_path):
    folder = WRITERS["folder"](tmp_path)
    path = folder / "query" / f"{NAMES[0]}.npy"
    check_reader(path, path.read_bytes(), lambda _: read_described(folder, AS_IS), count, names="demo")


@COUNTS
def test_a_damaged_csv_file_is_refused_in_one_line(count, tmp_path):
    path = WRITERS["npy"](tmp_path)
    people = path.with_suffix(".csv")
    check_reader(people, people.read_bytes(), lambda _: read_described(path, AS_IS), count, names="feats")


def changed(tmp_path, **changes):
    arrays = {name: value for name, value in (named() | changes).items() if value is not None}
    np.savez(tmp_path / "odd.npz", **arrays)
    return tmp_path / "odd.npz"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query_f": None}, r"no features of its query; it has query_label \[6\], .*; looked for query_f, "),
        ({"gallery_cam": None}, r"no cameras of its gallery; it has .*; looked for gallery_cam, "),
        ({"query_label": np.arange(5)}, "its query has 5 identities, 6 cameras; each image has one of each"),
        (
            {"query_f": np.zeros((6, 4))},
            "queries have 4 numbers each and the gallery 8; they come from two models",
        ),
        ({"query_f": np.zeros((4, 8))}, r"features of its query are \[4, 8\]; looked for \[6, D\]"),
        ({"query_f": np.full((6, 8), np.nan)}, "hold numbers that are not finite"),
        ({"query_f": np.full((6, 8), "x")}, "are <U1, not numbers"),
        ({"query_label": np.arange(6) + 0.5}, "its identities are no whole numbers"),
        ({"query_label": np.array(list("abcdef"))}, "give them as numbers, or as texts, on both sides"),
        ({"query_label": np.zeros((6, 2))}, r"query_label is \[6, 2\]; labels are a row"),
        ({"qf": np.zeros((6, 8))}, "query_f and qf may both be the features of its query; leave one out"),
        ({"gallery_label": np.full(10, -1)}, "its gallery has no image, or only junk"),
    ],
)
def test_what_does_not_fit_is_said_with_what_is_there(changes, said, tmp_path):
    assert re.search(said, refusal(changed(tmp_path, **changes)))


def test_people_may_be_texts_and_rows_may_be_columns(tmp_path):
    texts = {
        key: np.array([f"p{one}" if one >= 0 else "-1" for one in named()[key]])
        for key in ("query_label", "gallery_label")
    }
    found = read_described(changed(tmp_path, **texts, query_cam=labels(QUERIES)[1][:, None]), AS_IS)
    assert same_partition(found.query.person, labels(QUERIES)[0])
    assert len(found.gallery) == len(PLACES)


def test_distances_are_read_in_both_directions_and_not_the_wrong_way(tmp_path):
    matrix = np.arange(60, dtype=np.float32).reshape(6, 10)
    people = {name: value for name, value in named().items() if not name.endswith("_f")}
    np.savez(tmp_path / "d.npz", distmat=matrix, **people)
    found = read_described(tmp_path / "d.npz", Reading(distances=True))
    assert np.array_equal(found.distances, matrix[:, PLACES])
    np.save(tmp_path / "d.npy", matrix.T)
    files.write_people(tmp_path / "d.csv")
    found = read_described(tmp_path / "d.npy", Reading(distances=True, gallery_first=True))
    assert np.array_equal(found.distances, matrix[:, PLACES])
    said = refusal(tmp_path / "d.npy", Reading(distances=True))
    assert "[10, 6] for 6 queries and 10 gallery images; name --gallery-first, or leave it out" in said
    assert "no distances, or several" in refusal(changed(tmp_path), Reading(distances=True))


def test_a_csv_file_is_found_beside_or_named(tmp_path):
    path = WRITERS["npy"](tmp_path)
    (tmp_path / "feats.csv").rename(tmp_path / "others.csv")
    assert len(read_described(path, AS_IS).query) == 6
    shutil.copy(tmp_path / "others.csv", tmp_path / "more.csv")
    assert "(2 others); name one with --people" in refusal(path)
    assert len(read_described(path, Reading(people=tmp_path / "more.csv")).query) == 6
    np.save(path, np.zeros((18, 8)))  # of the training pictures too
    assert len(read_described(path, Reading(people=tmp_path / "more.csv")).gallery) == len(PLACES)
    np.save(path, np.zeros((17, 8)))
    said = refusal(path, Reading(people=tmp_path / "more.csv"))
    assert (
        "is an array [17, 8]; looked for [18, D], the rows of more.csv, or [16, D], its test images" in said
    )


def test_a_csv_file_without_cameras_or_of_other_columns_is_refused(tmp_path):
    path = WRITERS["pt"](tmp_path)
    frame = pd.read_csv(tmp_path / "df.csv")
    frame.drop(columns="sequence").to_csv(tmp_path / "df.csv", index=False)
    with pytest.raises(UserError, match=r"df\.csv: has neither a camera nor a sequence"):
        read_described(path, AS_IS)
    frame.drop(columns="label").to_csv(tmp_path / "df.csv", index=False)
    with pytest.raises(UserError, match=r"df\.csv: has is_gallery, .*; looked for path, person"):
        read_described(path, AS_IS)


def test_a_pt_file_may_hold_named_tensors_and_never_runs_code(tmp_path):
    torch.save({name: torch.from_numpy(value) for name, value in named().items()}, tmp_path / "all.pt")
    assert np.array_equal(read_described(tmp_path / "all.pt", AS_IS).features[0], features()[0])

    class Evil:
        def __reduce__(self):
            return (exec, ("raise SystemExit('ran')",))

    torch.save({"query_f": Evil()}, tmp_path / "evil.pt")
    assert "cannot read" in refusal(tmp_path / "evil.pt")
    np.savez(tmp_path / "evil.npz", query_f=np.array([{}], dtype=object))
    assert "it holds Python objects" in refusal(tmp_path / "evil.npz")


def test_a_folder_by_a_csv_file_and_a_mixed_up_one(tmp_path):
    folder = WRITERS["folder"](tmp_path)
    assert "looked for the folders query and bounding_box_test" in refusal_of_parent(folder)
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in folder.glob("*/*.npy"):
        shutil.copy(path, flat)
    files.write_people(tmp_path / "people.csv")
    found = read_described(flat, Reading(people=tmp_path / "people.csv"))
    assert np.array_equal(found.features[0], features()[0])
    np.save(flat / f"{NAMES[3]}.npy", np.zeros(4))
    said = refusal(flat, Reading(people=tmp_path / "people.csv"))
    assert "has 4 numbers" in said
    (flat / f"{NAMES[3]}.npy").unlink()
    assert f"no {NAMES[3]}.npy of the image" in refusal(flat, Reading(people=tmp_path / "people.csv"))
    (folder / "query" / "face.npy").write_bytes(b"")
    assert "tells no person and camera" in refusal(folder)


def refusal_of_parent(folder):
    with pytest.raises(UserError) as refused:
        read_described(folder.parent, AS_IS)
    return str(refused.value)


def test_names_without_a_form_and_absent_files_are_refused(tmp_path):
    (tmp_path / "feats.txt").write_text("1 2 3")
    assert "ends in none of .npz, .mat" in refusal(tmp_path / "feats.txt")
    assert "no such file" in refusal(tmp_path / "absent.npz")
    frame = pd.read_parquet(WRITERS["parquet"](tmp_path))
    frame.drop(columns="camera").to_parquet(tmp_path / "odd.parquet")
    assert "no camera column; it has path, person, split, feature" in refusal(tmp_path / "odd.parquet")
    frame["feature"] = [one[: 4 + place % 2] for place, one in enumerate(frame["feature"])]
    frame.to_parquet(tmp_path / "odd.parquet")
    assert "looked for a list of D per image" in refusal(tmp_path / "odd.parquet")


def spelled(change_person=str, change_camera=str):
    """Our descriptors with people and cameras as texts."""
    arrays = named()
    for side in ("query", "gallery"):
        arrays[f"{side}_label"] = np.array([change_person(one) for one in arrays[f"{side}_label"]])
        arrays[f"{side}_cam"] = np.array([change_camera(one) for one in arrays[f"{side}_cam"]])
    return arrays


def test_texts_are_the_names_that_they_spell(tmp_path):
    """Cameras 1 and 01 are one, and -1.0, as pandas writes a column with a gap, is junk."""
    spellings = iter(["{}", "{:02d}", "{}.0"] * len(PEOPLE))
    np.savez(tmp_path / "a.npz", **spelled(lambda one: f"{one}.0", lambda one: next(spellings).format(one)))
    found, wanted = (
        read_described(tmp_path / "a.npz", AS_IS),
        read_described(files.write_npz(tmp_path), AS_IS),
    )
    for side in ("query", "gallery"):
        assert same_partition(getattr(found, side).camera, getattr(wanted, side).camera)
        assert same_partition(getattr(found, side).person, getattr(wanted, side).person)


def test_labels_that_are_no_names_or_below_junk_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", **spelled(lambda one: "nan" if one == 7 else str(one)))
    assert "'nan' is no name among its identities, query 3" in refusal(tmp_path / "a.npz")
    for change in (str, int):
        np.savez(tmp_path / "a.npz", **spelled(lambda one, change=change: change(-one if one == 7 else one)))
        assert "numbers below -1 are among its identities" in refusal(tmp_path / "a.npz")


def test_marks_in_a_parquet_file_may_be_texts(tmp_path):
    rows = pd.read_parquet(files.write_parquet(tmp_path))
    for kind in ("query", "gallery"):
        rows[f"is_{kind}"] = [str(split == kind) for split in rows["split"]]
    rows.drop(columns="split").to_parquet(tmp_path / "marks.parquet")
    assert len(read_described(tmp_path / "marks.parquet", AS_IS).query) == len(QUERIES)
    rows.assign(is_query="perhaps").drop(columns="split").to_parquet(tmp_path / "marks.parquet")
    assert "is_query is 'perhaps'; write True or False" in refusal(tmp_path / "marks.parquet")
