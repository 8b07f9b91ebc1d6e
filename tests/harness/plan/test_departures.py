"""A table that is not its study's own says so in its title, below it, for programs, in MLflow and in its file's name."""

import csv
import io
import json
from dataclasses import replace
from itertools import combinations

import pytest

from harness.experiment.request import Request
from harness.experiment.resolve import resolve
from harness.inputs import identity
from harness.inputs.spec import DataIdentity
from harness.plan import departures
from harness.plan.departures import name_files, note_precision
from harness.plan.planner import cells_of
from harness.plan.preparation import note_asked
from harness.report import markdown, study_table
from harness.store import manifest
from harness.store.records import Results
from harness.store.row_index import AskedRow, asked_rows
from harness.tracking.view import show_rows
from studies.catalog import STUDIES
from tests.support.recorded_experiments import FOUND, drawn_cells, keep_table, note_data, record_all
from tests.support.recorded_runs import complain, write_finished

ABLATION = Request("ablation", precision="fp32")
SMOKE = replace(ABLATION, preset="smoke")
WHOLE = {"train": (16522, 16522)}


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results", complain)


def table_of(asked, results, **extra):
    """The table of what was asked, all of it recorded with `extra` in the records' inputs."""
    experiment = resolve(asked)
    note_data(experiment, results)
    cells = drawn_cells(experiment, results)
    for cell in cells:
        write_finished(results, cell.run, cell.run.seed, **extra)
    return study_table.make_table(experiment, study_table.read_cells(experiment, cells, results), results)


def test_every_change_is_said_in_every_form(results):
    table = table_of(replace(ABLATION, overrides=("epochs=1", "image_size=64x32")), results)
    text = markdown.markdown(table)
    assert text.startswith("### Ablation of PI-VL, measured on synthped, with epochs=1, image_size=64x32\n")
    assert "- **Changed with --set**: epochs=1, image_size=64x32.\n" in text
    document = json.loads(markdown.PRINTERS["json"](table))
    assert document["changes"] == {"epochs": 1, "image_size": [64, 32]}
    assert document["footer"]["precisions"] == ["fp32"]
    rows = list(csv.DictReader(io.StringIO(markdown.PRINTERS["csv"](table))))
    assert {row["changes"] for row in rows} == {"epochs=1, image_size=64x32"}
    assert {row["precision"] for row in rows} == {"fp32"}
    long = table_of(replace(ABLATION, preset="long", seeds="0"), results)
    assert markdown.markdown(long).startswith("### Ablation of PI-VL, measured on synthped, with epochs=28\n")


def test_a_study_as_it_is_has_no_departures(results):
    table = table_of(ABLATION, results)
    assert markdown.markdown(table).startswith("### Ablation of PI-VL, measured on synthped\n")
    document = json.loads(markdown.PRINTERS["json"](table))
    assert (document["changes"], document["partial"], document["departures"]) == ({}, {}, {})
    same = table_of(replace(ABLATION, overrides=("epochs=8",)), results)  # what its rows have anyway
    assert markdown.PRINTERS["json"](same) == markdown.PRINTERS["json"](table)


def test_rows_that_keep_their_own_and_rows_and_seeds_that_were_asked_for_are_said(results):
    asked = replace(ABLATION, rows="part-labels,pi-vl", seeds="0-3", overrides=("part_text=label",))
    table = table_of(asked, results)
    assert table.setting.departures == {
        "Changed with --set": "part_text=label",
        "Not changed, since rows set it themselves": "part_text of pi-vl",
        "Rows asked for": "part-labels, pi-vl, not clip-reid, part-labels, identity-parts, pi-vl",
        "Seeds asked for": f"0, 1, 2, 3, not {', '.join(map(str, STUDIES['ablation'].seeds))}",
    }
    assert json.loads(markdown.PRINTERS["json"](table))["departures"] == table.setting.departures


def settings(tmp_path):
    """Different settings of one study, and what is found of their data."""
    files = {}
    for name in ("one.pt", "two.pt"):
        (tmp_path / name).write_text(name)
        files[name] = str(tmp_path / name)
    market = Request(
        "ablation", dataset="market1501", backbone="rn50", weights=files["one.pt"], precision="fp32"
    )
    people = replace(market, dataset=str(tmp_path / "a" / "people.csv"), backbone="tiny", weights=None)
    other = replace(FOUND, fingerprint="1" * 12)
    yield from ((asked, FOUND) for asked in (ABLATION, SMOKE, market))
    yield replace(SMOKE, rerank=True), FOUND
    for override in (
        "epochs=1",
        "epochs=11",
        "rate=0.1",
        "image_size=64x32",
        "milestones=1,2",
        "part_text=label",
    ):
        yield replace(ABLATION, overrides=(override,)), FOUND
    yield replace(ABLATION, overrides=("epochs=1", "rate=0.1")), FOUND
    for rows in (
        "clip-reid",
        "pi-vl",
        "clip-reid,pi-vl",
        "clip-reid,part-labels,identity-parts,pi-vl,pi-vl-joint",
    ):
        yield replace(ABLATION, rows=rows), FOUND
    for seeds in ("0", "0-1", "0-3", "10", ",".join(map(str, range(100)))):
        yield replace(ABLATION, seeds=seeds), FOUND
    yield replace(ABLATION, precision="bf16"), FOUND
    yield replace(ABLATION, precision="fp16", rerank=True), FOUND
    yield replace(ABLATION, weights=files["one.pt"]), FOUND
    yield replace(ABLATION, weights=files["two.pt"]), FOUND
    yield replace(ABLATION, backbone="rn50", weights=files["one.pt"]), FOUND
    yield replace(ABLATION, backbone="resnet", weights=files["one.pt"]), FOUND
    yield replace(market, weights=files["two.pt"]), FOUND
    yield market, replace(FOUND, maps="other maps")
    yield replace(market, allow_partial=True), DataIdentity("2" * 12, "", partial={"train": (16, 12936)})
    yield replace(market, dataset=str(tmp_path / "market1501.csv")), FOUND
    yield people, FOUND
    yield replace(people, dataset=str(tmp_path / "b" / "people.csv")), other
    yield replace(people, dataset=str(tmp_path / "people?%20.csv")), FOUND
    yield replace(people, dataset=str(tmp_path / "people -%20.csv")), FOUND
    yield replace(people, dataset=str(tmp_path / f"{'long' * 60}.csv")), FOUND
    for student in ("mobilenetv2-0.5", "timm:resnet18", "timm:resnet-18"):
        yield Request("transfer", student=student, precision="fp32"), FOUND
    yield Request("transfer", precision="fp32"), FOUND
    yield Request("transfer", student_weights="random", precision="fp32"), FOUND


def test_two_different_tables_never_share_a_file(results, tmp_path):
    note_precision(resolve(ABLATION), results)
    named = {}
    for asked, found in settings(tmp_path):
        experiment = resolve(asked)
        data = dict.fromkeys(experiment.all_inputs(experiment.shown), found)
        weights = identity.weights_digest(experiment.inputs, results)
        start = "" if asked.student_weights else "5" * 64
        name = name_files(experiment, cells_of(experiment, experiment.shown, data, weights, start), results)
        assert len(name) < 240, name
        assert not set("/?%: ") & set(name), name
        named.setdefault(name, []).append((asked, found))
    assert {name: shared for name, shared in named.items() if len(shared) > 1} == {}
    for one, other in combinations(named, 2):
        assert one.lower() != other.lower()  # as some disks have it


def test_the_files_of_studies_as_they_are_keep_their_names(results):
    for study, name in (("ablation", "ablation"), ("controls", "controls"), ("transfer", "transfer")):
        experiment = resolve(Request(study, precision="fp32"))
        assert name_files(experiment, drawn_cells(experiment, results), results) == name
    experiment = resolve(replace(SMOKE, rerank=True))
    assert name_files(experiment, drawn_cells(experiment, results), results) == "ablation-smoke-reranked"


def test_the_files_name_says_what_is_changed(results):
    experiment = resolve(replace(ABLATION, rows="pi-vl", overrides=("epochs=1",)))
    record_all([experiment], results)
    text = keep_table(experiment, results)
    kept = sorted(path.name for path in (results.root / "tables").glob("ablation*"))
    assert [name.rpartition("-")[0] for name in kept] == ["ablation.epochs=1,rows=pi-vl"] * 2
    assert (results.root / "tables" / kept[1]).read_text() == text


def test_the_first_precision_of_a_folder_has_the_short_names(results):
    fp32, bf16 = (resolve(replace(ABLATION, precision=one)) for one in ("fp32", "bf16"))
    note_data(fp32, results)
    note_asked(bf16, drawn_cells(bf16, results), results)  # as a folder of an earlier version has it
    assert departures.default_precision(fp32, results) == "bf16"
    note_precision(fp32, results)
    note_asked(fp32, drawn_cells(fp32, results), results)
    names = [name_files(one, drawn_cells(one, results), results) for one in (fp32, bf16)]
    assert names[0].startswith("ablation.fp32-")
    assert names[1] == "ablation"


def test_mlflow_has_what_is_changed_and_the_right_files(results):
    asked = [replace(ABLATION, rows="pi-vl", overrides=(f"epochs={epochs}",)) for epochs in (1, 2)]
    experiments = [resolve(one) for one in asked]
    for experiment in experiments:
        cells = record_all([experiment], results)
        note_asked(experiment, [cell for cell in cells if cell.row in experiment.rows], results)
        keep_table(experiment, results)
    (experiment,) = show_rows(asked_rows(results), results)
    for parent, epochs in zip(experiment.parents, (1, 2), strict=True):
        assert parent.params["apart"] == f"Changed with --set: epochs={epochs}"
        assert parent.params["epochs"] == epochs
        assert [path.suffix for path in parent.files] == [".json", ".md"]
        assert all(f".epochs={epochs}," in path.name for path in parent.files)


def test_old_lines_of_what_was_asked_keep_their_keys():
    old = AskedRow("ablation", "drawn", "0" * 12, "pi-vl", "PI-VL", {}, {"epochs": 8}, {0: "f" * 16})
    assert '"file"' not in old.key
    assert '"apart"' not in old.key
    assert replace(old, file="ablation", apart={"Partial data": "16 of 20 train"}).key == old.key


DUKE = Request("ablation", dataset="dukemtmc", backbone="rn50", precision="fp32")


def duke_table(results, dataset="dukemtmc", inputs_kept=None, **extra):
    """A table of recorded runs on what is called DukeMTMC-reID, with RN50."""
    manifest.write_note(results, "weights rn50", {"sha256": "f" * 64})
    kept = {} if inputs_kept is None else {"inputs": inputs_kept}
    return table_of(replace(DUKE, dataset=dataset), results, **kept, **extra)


def test_the_whole_data_set_is_compared_with_the_paper(results):
    text = markdown.markdown(duke_table(results, inputs_kept={"partial": {}}))
    assert "measured on dukemtmc, rn50\n" in text
    assert "Rank-1, ours minus paper" in text


def test_a_partial_copy_is_not_compared_with_the_paper_and_says_what_it_lacks(results):
    lacking = {"train": [16, 16522], "query": [8, 2228]}
    table = duke_table(results, inputs_kept={"partial": lacking})
    text = markdown.markdown(table)
    said = "16 of 16,522 train, 8 of 2,228 query"
    assert f"measured on dukemtmc, rn50, partial: {said}\n" in text
    assert f"- **Partial data**: {said}.\n" in text
    assert "ours minus paper" not in text
    assert "compare signs, not sizes" in text
    document = json.loads(markdown.PRINTERS["json"](table))
    assert document["partial"]["train"] == {"found": 16, "expected": 16522}
    assert all(row["map_less_paper"] is None for row in document["rows"])


@pytest.mark.parametrize("folder", ["dukemtmc.csv", "DukeMTMC.CSV", "a/dukemtmc.csv"])
def test_a_csv_file_is_never_the_papers_data_set(results, folder):
    text = markdown.markdown(duke_table(results, folder, inputs_kept={"partial": {}}))
    assert "ours minus paper" not in text
    assert "measured on dukemtmc.csv, rn50\n" in text.lower().replace("\n\n", "\n")


def test_maps_that_lack_are_said_of_a_csv_file_too(results):
    text = markdown.markdown(
        duke_table(results, "people.csv", inputs_kept={"partial": {"part maps": [3, 160]}})
    )
    assert "measured on people.csv, rn50, partial: 3 of 160 part maps\n" in text


OLD = "mAP|dukemtmc@000000|q{} g{}|junk:same-camera|feat:before-neck|dist:euclid-l2|rerank:none"


@pytest.mark.parametrize(
    ("queries", "gallery", "kept", "said"),
    [
        (2228, 17661, {"allow_partial": False}, None),
        (8, 8, {"allow_partial": True}, "8 of 2,228 query, 8 of 17,661 gallery"),
        (2228, 17661, {"allow_partial": True}, departures.UNKNOWN),
    ],
)
def test_old_records_are_compared_with_the_paper_only_where_they_are_surely_whole(
    results, queries, gallery, kept, said
):
    signature = OLD.format(queries, gallery)
    text = markdown.markdown(duke_table(results, inputs_kept=kept, signature=signature, excluded=0))
    assert ("ours minus paper" in text) == (said is None)
    assert said is None or f"- **Partial data**: {said}.\n" in text


def test_a_records_counts_come_from_the_note_where_nothing_is_recorded(results):
    experiment = resolve(DUKE)
    identity.remember(
        experiment.inputs,
        experiment.size,
        DataIdentity("0" * 12, "", partial={"train": (16, 16522)}),
        results,
    )
    assert departures.find_partial(experiment, [None], results) == ({"train": (16, 16522)}, False)


def test_code_of_two_kinds_is_said_and_code_of_one_is_not(results):
    experiment = resolve(replace(ABLATION, rows="clip-reid,pi-vl", seeds="0-2"))
    note_data(experiment, results)
    cells = drawn_cells(experiment, results)

    def text(**codes):
        for cell in cells:
            extra = {"codes": codes[cell.row.replace("-", "_")]} if codes else {}
            write_finished(results, cell.run, cell.run.seed, **extra)
        table = study_table.make_table(
            experiment, study_table.read_cells(experiment, cells, results), results
        )
        return markdown.markdown(table), json.loads(markdown.PRINTERS["json"](table))["rows"]

    said, rows = text()
    assert "different code" not in said
    assert rows[0]["code"] == [None]
    assert "different code" not in text(clip_reid=["a" * 12], pi_vl=["a" * 12])[0]
    said, rows = text(clip_reid=["a" * 12], pi_vl=["", "b" * 12])
    assert f"{'a' * 12} clip-reid; unknown, from before records kept it, pi-vl; {'b' * 12} pi-vl" in said
    assert [row["code"] for row in rows if row["code"]] == [["a" * 12], [None, "b" * 12]]
