"""`compare`: one table for methods of any code, with the scores of a slow truth and the tests of a study's table."""

import json

import numpy as np
import pytest

from harness.analysis.protocol import comparable, shared, whole
from harness.store.records import Results
from tests.support.commands import run_main
from tests.support.descriptor_files import GALLERY, NAMES, QUERIES, WRITERS, features, labels, named
from tests.support.naive import retrieval_by_hand
from tests.support.recorded_runs import SIGNATURE, complain


@pytest.fixture
def typed(tmp_path, capsys):
    """What `compare` says of words, with its records below tmp_path; its status must be as wanted."""

    def type_(*words, status=0):
        words = [str(word) for word in words]
        assert run_main("compare", *words, "--quiet", "--results", str(tmp_path / "results")) == status
        out, err = capsys.readouterr()
        return out if status == 0 else err

    return type_


def table(typed, *words):
    return json.loads(typed(*words, "--format", "json"))


L2 = ("--metric", "euclid-l2")


@pytest.mark.parametrize("form", WRITERS)
def test_one_file_of_any_form_prints_the_scores_of_a_written_out_truth(form, typed, tmp_path):
    (row,) = table(typed, WRITERS[form](tmp_path), *L2)["rows"]
    query, gallery = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in features())
    distances = ((query[:, None] - gallery[None]) ** 2).sum(axis=2)
    kept = [place for place, (person, _) in enumerate(GALLERY) if person != -1]
    people = [*labels(QUERIES), *labels([GALLERY[place] for place in kept])]
    precision, first, _ = zip(*retrieval_by_hand(distances[:, kept], *people), strict=True)
    assert row["map"]["mean"] == pytest.approx(100 * np.mean(precision), abs=1e-5)
    assert row["rank1"]["mean"] == pytest.approx(100 * np.mean(np.array(first) == 0))
    assert row["rank5"]["mean"] == pytest.approx(100 * np.mean(np.array(first) < 5))
    assert 0 < row["minp"]["mean"] <= 100
    assert row["verdict"] == "baseline"


def test_methods_in_different_forms_are_compared_with_each_other(typed, tmp_path):
    ours, theirs = (tmp_path / name for name in ("ours", "theirs"))
    ours.mkdir()
    theirs.mkdir()
    found = table(typed, f"a={WRITERS['npz'](ours)}", f"b={WRITERS['mat'](theirs, 3)}", *L2)
    first, second = found["rows"]
    assert (first["row"], second["row"]) == ("a", "b")
    assert second["verdict"] == "too few seeds"  # one file is one seed, which marks nothing
    gain = second["map_gain"]
    assert gain["mean"] == pytest.approx(second["map"]["mean"] - first["map"]["mean"], abs=1e-4)
    signature = found["footer"]["signature"]
    assert signature.endswith("|junk:same-camera|feat:given|dist:euclid-l2|rerank:none|ap:step")
    markdown = typed(f"a={ours / 'feats.npz'}", f"b={theirs / 'pytorch_result.mat'}", *L2)
    assert "Discordant pairs at rank 1" in markdown
    assert f"`{signature}`" in markdown
    assert markdown.index("Verdict") < markdown.index("Rank-5")  # the answer comes first
    assert (
        table(typed, f"a={ours / 'feats.npz'}", f"b={theirs / 'pytorch_result.mat'}", *L2, "--baseline", "b")[
            "footer"
        ]["reference"]
        == "b"
    )


def test_people_may_have_other_numbers_in_every_file(typed, tmp_path):
    ours, theirs = tmp_path / "ours.npz", tmp_path / "theirs.npz"
    arrays = named(3)
    np.savez(ours, **named())
    renamed = {name: 7 * value + 2 for name, value in arrays.items() if name.endswith("_label")}
    np.savez(
        theirs,
        **{
            **arrays,
            **{name: np.where(arrays[name] > 0, value, arrays[name]) for name, value in renamed.items()},
        },
    )
    found = table(typed, f"a={ours}", f"b={theirs}", *L2)
    np.savez(theirs, **arrays)
    assert found["rows"] == table(typed, f"a={ours}", f"b={theirs}", *L2)["rows"]


def test_seeds_are_files_in_braces_or_a_name_again(typed, tmp_path):
    for seed in range(3):
        for name in ("a", "b"):
            folder = tmp_path / f"{name}{seed}"
            folder.mkdir()
            WRITERS["npz"](folder, seed + 10 * (name == "b")).rename(tmp_path / f"{name}-{seed}.npz")
    braces = table(typed, f"a={tmp_path}/a-{{0..2}}.npz", f"b={tmp_path}/b-{{0..2}}.npz", *L2)
    again = [f"{name}={tmp_path}/{name}-{seed}.npz" for name in ("a", "b") for seed in range(3)]
    assert table(typed, *again, *L2) == braces
    assert [row["seeds"] for row in braces["rows"]] == [3, 3]
    assert braces["rows"][1]["verdict"] == "too few identities"
    assert "named twice" in typed(again[0], again[0], *L2, status=2)


def test_the_conventions_of_average_precision_differ_and_are_named(typed, tmp_path):
    path = WRITERS["npz"](tmp_path)
    step, trapezoid = (table(typed, path, *L2, "--ap", ap) for ap in ("step", "trapezoid"))
    assert step["rows"][0]["map"]["mean"] != trapezoid["rows"][0]["map"]["mean"]
    assert step["rows"][0]["rank1"] == trapezoid["rows"][0]["rank1"]
    assert trapezoid["footer"]["signature"].endswith("|ap:trapezoid")


def test_a_distance_is_asked_for_unless_the_file_states_it(typed, tmp_path):
    path = WRITERS["npz"](tmp_path)
    assert "does not say how its descriptors are compared; name --metric euclid-l2" in typed(path, status=2)
    cosine, euclid, raw = (
        table(typed, path, "--metric", one)["rows"][0] for one in ("cosine", "euclid-l2", "euclid")
    )
    assert cosine["map"] == euclid["map"] != raw["map"]
    np.savez(tmp_path / "said.npz", pivl=json.dumps({"metric": "cosine"}), **named())
    assert "|dist:cosine|" in table(typed, tmp_path / "said.npz")["footer"]["signature"]


def test_ours_is_compared_with_a_file_that_states_nothing(typed, tmp_path):
    """What `extract` writes names its data set and its distance; descriptors of other code do not."""
    ours = tmp_path / "ours.npz"
    facts = {"metric": "cosine", "dataset": "market1501@12ab", "descriptor": "before-neck"}
    np.savez(ours, pivl=json.dumps(facts), **named())
    theirs = WRITERS["mat"](tmp_path, 3)
    found = table(typed, f"theirs={theirs}", f"ours={ours}")
    signature = found["footer"]["signature"]
    assert signature.startswith("mAP|market1501@12ab|")
    assert "|feat:given+before-neck|dist:cosine|" in signature
    scores = [table(typed, one, "--metric", "cosine")["rows"][0]["map"] for one in (theirs, ours)]
    assert [row["map"] for row in found["rows"]] == scores
    np.savez(tmp_path / "duke.npz", pivl=json.dumps({**facts, "dataset": "duke@1"}), **named())
    said = typed(f"ours={ours}", f"duke={tmp_path / 'duke.npz'}", status=2)
    assert "files of several data sets, ours.npz is of market1501@12ab, duke.npz is of duke@1" in said


def test_given_distances_score_as_the_descriptors_that_they_are_of(typed, tmp_path):
    query, gallery = features()
    arrays = {name: value for name, value in named().items() if not name.endswith("_f")}
    np.savez(tmp_path / "d.npz", dist=((query[:, None] - gallery[None]) ** 2).sum(axis=2), **arrays)
    given = table(typed, tmp_path / "d.npz", "--distances")
    assert (
        given["rows"][0]["map"]
        == table(typed, WRITERS["npz"](tmp_path), "--metric", "euclid")["rows"][0]["map"]
    )
    assert "|dist:given|" in given["footer"]["signature"]
    assert "leave --metric cosine out" in typed(
        tmp_path / "d.npz", "--distances", "--metric", "cosine", status=2
    )


def test_what_is_scored_is_recorded_once_with_the_files_digest(typed, tmp_path):
    path = WRITERS["npz"](tmp_path)
    for _ in range(2):
        typed(path, *L2)
    results = Results(tmp_path / "results", complain)
    ((folder, record),) = results.records("external")
    assert record["file"]["name"] == "feats.npz"
    assert len(record["file"]["sha256"]) == 64
    assert set(record["metrics"]) == {"mAP", "rank1", "rank5", "rank10", "mINP"}
    assert run_main("results", "check", "--results", str(results.root)) == 0
    assert run_main("results", "rm", folder.name, "--yes", "--results", str(results.root)) == 0
    assert not folder.exists()


def score_of(typed, *words):
    return table(typed, *words)["rows"][0]["map"]["mean"]


def test_what_was_recorded_of_a_file_is_not_taken_for_the_same_file_with_other_labels(typed, tmp_path):
    path = WRITERS["npy"](tmp_path)
    right = score_of(typed, path, *L2)
    listed = (tmp_path / "feats.csv").read_text().splitlines(keepends=True)
    header, train, (first, *query), gallery = listed[0], listed[1:3], listed[3:9], listed[9:]
    (tmp_path / "feats.csv").write_text("".join([header, *train, *query, first, *gallery]))
    assert score_of(typed, path, *L2) != right


def test_distances_that_are_turned_round_are_scored_anew(typed, tmp_path):
    people = {"label": np.repeat(np.arange(3), 2), "cam": np.tile(np.arange(2), 3)}
    arrays = {f"{kind}_{name}": value for kind in ("query", "gallery") for name, value in people.items()}
    np.savez(tmp_path / "d.npz", dist=np.random.default_rng(1).random((6, 6)), **arrays)
    typed_as = [
        score_of(typed, tmp_path / "d.npz", "--distances", *more) for more in ((), ("--gallery-first",))
    ]
    assert typed_as[0] != typed_as[1]


def test_seeds_in_braces_and_a_file_more_are_all_counted(typed, tmp_path):
    for seed in range(3):
        WRITERS["npz"](tmp_path, seed).rename(tmp_path / f"a-{seed}.npz")
    found = table(typed, f"a={tmp_path}/a-{{1..2}}.npz", f"a={tmp_path}/a-0.npz", *L2)
    assert found["rows"][0]["seeds"] == 3


@pytest.mark.parametrize("metric", ["euclid", "euclid-l2", "cosine"])
@pytest.mark.parametrize("exponent", [-100, 66])
def test_descriptors_of_any_size_have_the_scores_of_those_near_one(metric, exponent, typed, tmp_path):
    plain, scaled = named(), named()
    for side in ("query_f", "gallery_f"):
        scaled[side] = np.ldexp(scaled[side], exponent)
    np.savez(tmp_path / "plain.npz", **plain)
    np.savez(tmp_path / "scaled.npz", **scaled)
    scores = [score_of(typed, tmp_path / f"{name}.npz", "--metric", metric) for name in ("plain", "scaled")]
    assert scores[0] == scores[1]


def mixed(tmp_path, change):
    arrays = named()
    change(arrays)
    np.savez(tmp_path / "mixed.npz", **arrays)
    return tmp_path / "mixed.npz"


def swap(arrays):
    """Other queries first, as another loader of the same data set lists them."""
    for name in ("query_f", "query_label", "query_cam"):
        arrays[name] = arrays[name][::-1].copy()


def put(**labels):
    return lambda arrays: arrays.update({name: np.array(values) for name, values in labels.items()})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (put(query_label=[2, 2, 7, 15, 7, 15]), "its queries show other identities, first query 4"),
        (put(query_cam=[1, 3, 3, 2, 4, 1]), "its queries show other cameras, first query 3"),
        (put(gallery_label=[2, 2, 7, 7, 15, 15, 0, 0, 0, 0]), "10 gallery images, not 8"),
        (put(gallery_label=[7, 2, 7, 7, 15, 15, 0, -1, 0, -1]), "its gallery shows other identities"),
        (swap, "they may stand in another order: save the images' names with them"),
    ],
)
def test_files_of_different_test_sets_are_one_line(change, said, typed, tmp_path):
    first = WRITERS["npz"](tmp_path)
    err = typed(f"a={first}", f"b={mixed(tmp_path, change)}", *L2, status=2)
    assert said in err
    assert err.count("\n") == 1


def test_names_put_another_order_right(typed, tmp_path):
    first = WRITERS["npz"](tmp_path)
    plain = table(typed, first, *L2)

    def change(arrays):
        arrays |= {"query_name": np.array(NAMES[:6]), "gallery_name": np.array(NAMES[6:])}
        swap(arrays)
        arrays["query_name"] = arrays["query_name"][::-1]

    other = mixed(tmp_path, change)
    ordered = sorted(range(6), key=lambda place: NAMES[place])
    np.savez(
        first,
        **{name: value[ordered] if name.startswith("query") else value for name, value in named().items()},
    )
    rows = table(typed, f"a={first}", f"b={other}", *L2)["rows"]
    assert rows[0]["map"] == rows[1]["map"] == plain["rows"][0]["map"]


def test_people_without_a_right_answer_are_one_line(typed, tmp_path):
    path = mixed(tmp_path, lambda arrays: arrays.update(gallery_label=np.zeros(10)))
    assert "mixed.npz: no query has its person in the gallery under another camera" in typed(
        path, *L2, status=2
    )
    said = typed(WRITERS["npz"](tmp_path), *L2, "--baseline", "c", status=2)
    assert "--baseline c: no method is called so; name one of feats" in said


def test_records_of_before_had_the_first_convention_and_features_may_differ():
    assert whole(SIGNATURE) == f"{SIGNATURE}|ap:step" == whole(whole(SIGNATURE))
    other = whole(SIGNATURE).replace("before-neck", "given")
    assert comparable(other) == comparable(SIGNATURE) != comparable(f"{SIGNATURE}|ap:trapezoid")
    assert shared([SIGNATURE, SIGNATURE]) == whole(SIGNATURE)
    assert "|feat:before-neck+given|" in shared([SIGNATURE, other])


def test_a_table_of_descriptors_asks_nothing_of_a_training_that_it_has_not_seen(typed, tmp_path):
    assert "take hold" not in typed(WRITERS["npz"](tmp_path), *L2)
