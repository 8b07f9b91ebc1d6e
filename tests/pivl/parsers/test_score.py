"""`pivl-bench parse score`: counts held to a loop over pixels, label sets to their table, folders to clear lines."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from pivl.data.part_maps.labels import ATR, IGNORE, LABEL_SETS, LIP, PASCAL, LabelSet
from pivl.data.part_maps.writing import write_map
from pivl.parsers.label_mapping import TO_PASCAL, mapping
from pivl.parsers.score import ParsingScore, count_pixels, score_maps
from tests.support.parser_files import end


def folder_of(place: Path, labels: LabelSet | None, **maps: list[list[int]]) -> Path:
    for name, values in maps.items():
        write_map(place / "train" / f"{name}.png", np.array(values, np.uint8))
    if labels:
        (place / "meta.json").write_text(json.dumps({"label_set": labels.name}))
    return place


def test_counts_and_scores_are_those_of_a_loop_over_pixels() -> None:
    draw = np.random.default_rng(0)
    truth, ours = (draw.choice([0, 1, 2, 4, IGNORE], (40, 30)).astype(np.uint8) for _ in range(2))
    score = ParsingScore(PASCAL, count_pixels(ours, truth, 7), 1, 1)
    pairs = [(t, p) for t, p in zip(truth.flat, ours.flat, strict=True) if t != IGNORE]
    for part in range(7):
        both = sum(t == part and p == part for t, p in pairs)
        either = sum(part in (t, p) for t, p in pairs)
        assert score.iou[part] == (
            pytest.approx(both / either) if either else pytest.approx(np.nan, nan_ok=True)
        )
    assert score.mean_iou == pytest.approx(np.mean([score.iou[part] for part in (0, 1, 2, 4)]))
    assert score.pixel_accuracy == pytest.approx(sum(t == p for t, p in pairs) / len(pairs))


def test_a_case_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hat: 1 of 2 pixels; hair: 1 right, 1 too many; background 2 of 2; one map of two lacks."""
    truth = folder_of(tmp_path / "t", LIP, a=[[0, 0, 1], [1, 2, 255]], b=[[0, 0, 0]])
    ours = folder_of(tmp_path / "p", LIP, a=[[0, 0, 1], [2, 2, 7]], stray=[[3]])
    assert (
        end("score", "--predicted", ours, "--truth", truth, "--labels", "lip", "--format", "csv", "--quiet")
        == 0
    )
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert len(rows) == 20 + 3
    expected = {
        "background": 100,
        "hat": 50,
        "hair": 50,
        "mIoU": 200 / 3,
        "pixel accuracy": 80,
        "coverage": 50,
    }
    for name, value in expected.items():
        assert float(rows[name]["percent"]) == pytest.approx(value, abs=1e-3)
    assert rows["dress"] == {
        "name": "dress",
        "percent": "",
        "true_pixels": "0",
    }  # predicted on no labelled pixel
    assert [rows[name]["true_pixels"] for name in ("hat", "mIoU")] == ["2", "5"]


@pytest.mark.parametrize(("form", "line"), [("table", "hat  "), ("markdown", "| hat  ")])
def test_a_score_is_shown_to_people(
    tmp_path: Path, form: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = folder_of(tmp_path / "t", None, a=[[0, 1, 1]])
    assert end("score", "--predicted", maps, "--truth", maps, "--labels", "lip", "--format", form) == 0
    told = capsys.readouterr().out
    assert "In percent, label set lip, 1 of 1 true maps predicted." in told
    (shown,) = (some for some in told.splitlines() if some.startswith(line))
    assert "100.00" in shown
    assert "jumpsuits" in told
    assert told.count("mIoU") == 1


@pytest.mark.parametrize("labels", [LIP, ATR, PASCAL])
def test_every_class_has_one_place_among_pascals(labels: LabelSet) -> None:
    merged = [name for names in TO_PASCAL[labels.name].values() for name in names]
    assert sorted(merged) == sorted(labels.parts)
    assert tuple(TO_PASCAL[labels.name]) == PASCAL.parts
    table = mapping(labels, PASCAL)
    assert table is not None
    assert table[labels.parts.index("background")] == 0
    assert bool((table[len(labels.parts) :] == IGNORE).all())
    for left, right in labels.flip_pairs:
        assert table[left] == table[right]


def test_there_is_no_way_to_a_finer_set() -> None:
    assert TO_PASCAL.keys() == LABEL_SETS.keys()
    assert mapping(PASCAL, LIP) is None
    assert mapping(ATR, LIP) is None


@pytest.mark.parametrize("words", [(), ("--labels", "lip"), ("--labels", "pascal")])
def test_two_label_sets_meet_in_pascals(
    tmp_path: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """LIP's hair and face are the head, its right shoe a lower leg."""
    truth = folder_of(tmp_path / "t", LIP, a=[[0, 2, 13, 19]])
    ours = folder_of(tmp_path / "p", PASCAL, a=[[0, 1, 1, 6]])
    assert score_maps(ours, truth).mean_iou == 1
    assert end("score", "--predicted", ours, "--truth", truth, *words, "--quiet") == 0
    told = capsys.readouterr()
    assert "label set pascal" in told.out
    assert ("cannot be scored in lip; scored in pascal" in told.err) == ("lip" in words)


@pytest.mark.parametrize(
    ("ours", "words", "said"),
    [
        ({"other": [[0]]}, ("--labels", "lip"), "none of the 1 maps of"),
        ({"a": [[0]]}, ("--labels", "lip"), "the map is 1 x 1 (height x width), not 1 x 3"),
        ({"a": [[0, 0, 9]]}, ("--labels", "pascal"), "class id 9 is not in label set pascal"),
        ({"a": [[0, 0, 0]]}, (), "meta.json names no label set"),
        ({"a": [[0, 0, 0]]}, ("--labels", "lip", "--format", "cvs"), "did you mean 'csv'"),
        ({}, ("--labels", "lip"), "p is no folder"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    tmp_path: Path,
    ours: dict[str, list[list[int]]],
    words: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    truth, predicted = folder_of(tmp_path / "t", None, a=[[0, 1, 1]]), folder_of(tmp_path / "p", None, **ours)
    assert end("score", "--predicted", predicted, "--truth", truth, *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
