"""Faults of every kind that are planted in a table are found, and none in a clean one."""

import numpy as np
import pytest

from harness.claims.appraisal import appraise
from harness.claims.datasets import known_datasets
from harness.claims.reading import read_tables
from harness.claims.report import PRINTERS, all_findings
from tests.support.printed_tables import DATASETS, draw_tables, shift


@pytest.fixture
def found(tmp_path):
    """The findings of tables, read as a user's file is."""

    def find(tables, own=None):
        path = tmp_path / "tables.md"
        path.write_text("".join(table.markdown() for table in tables), encoding="utf-8")
        return all_findings(appraise(read_tables(path, own or {}), own or {}))

    return find


def test_nothing_is_found_in_200_clean_tables(found):
    for seed in range(200):
        assert found(draw_tables(seed)) == [], seed


def _tables(seed, decimals=None):
    """Drawn tables with at least three rows, and the column key of a metric."""
    for candidate in range(1000 * seed, 1000 * (seed + 1)):
        tables = draw_tables(candidate)
        first = tables[0]
        text = next(iter(first.cells[0].values())).strip("*")
        if len(first.names) >= 3 and decimals in (None, len(text.partition(".")[2])):
            return tables, next(iter(first.cells[0]))[0]
    raise AssertionError


@pytest.mark.parametrize("seed", range(10))
def test_a_share_that_no_number_of_queries_has_is_impossible(found, seed):
    (first, second), dataset = _tables(seed, decimals=2)
    if dataset == "msmt17":  # where two decimals show every number
        return
    queries, cell = DATASETS[dataset], first.cells[1][dataset, "Rank-1"]
    plain = cell.replace("**", "").split(" ")[0]
    shown = {f"{100 * right / queries:.2f}" for right in range(queries + 1)}
    away = next(n for n in range(1, 9) if shift(plain, n) not in shown)
    first.cells[1][dataset, "Rank-1"] = shift(plain, away)
    (one,) = [one for one in found([first, second]) if one.severity == "impossible"]
    assert f"among {queries:,} queries" in one.reason
    assert "first, method 1" in one.where


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("metric", "like", "units", "severity", "said"),
    [
        ("Rank-5", "Rank-1", -2, "impossible", "Rank-5 only"),
        ("mINP", "mAP", 2, "doubtful", "exceeds mAP"),
    ],
)
def test_metrics_that_cannot_stand_beside_each_other_are_found(
    found, seed, metric, like, units, severity, said
):
    (first, second), dataset = _tables(seed)
    plain = first.cells[2][dataset, like].replace("**", "").split(" ")[0]
    first.cells[2][dataset, metric] = shift(plain, units)
    assert any(one.severity == severity and said in one.reason for one in found([first, second]))


@pytest.mark.parametrize("seed", range(10))
def test_a_printed_difference_that_rounding_cannot_explain_is_found(found, seed):
    (first, second), dataset = _tables(seed)
    value, _, gain = first.cells[1][dataset, "mAP"].replace("**", "").partition(" ")
    wrong = shift(gain.strip("()"), 3 * int(np.sign(float(gain.strip("()"))) or 1))
    first.cells[1][dataset, "mAP"] = f"{value} ({float(wrong):+.{len(value.partition('.')[2])}f})"
    assert [one.severity for one in found([first, second])] == ["contradiction"]


@pytest.mark.parametrize("seed", range(10))
def test_a_bold_figure_that_is_not_the_largest_is_found(found, seed):
    (first, second), dataset = _tables(seed)
    column = dataset, "mAP"
    loser = next(n for n, cells in enumerate(first.cells) if "**" not in cells[column])
    first.cells[loser][column] = f"**{first.cells[loser][column]}**"
    (one,) = found([first, second])
    assert one.severity == "doubtful"
    assert "is bold, and" in one.reason


@pytest.mark.parametrize("seed", range(10))
def test_a_method_with_other_figures_elsewhere_is_found_beside_its_steps(found, seed):
    (first, second), dataset = _tables(seed)
    second.cells[0][dataset, "mAP"] = shift(second.cells[0][dataset, "mAP"], 1)
    (one,) = found([first, second])
    assert one.severity == "contradiction"
    assert "in tables.md, first" in one.reason
    assert "the steps claimed with it are" in one.reason


@pytest.mark.parametrize(("elsewhere", "wrong"), [("81.26", 0), ("81.3", 0), ("81.24", 1), ("81.4", 1)])
def test_a_figure_with_more_digits_elsewhere_is_no_contradiction(tmp_path, elsewhere, wrong):
    path = tmp_path / "table.csv"
    path.write_text(f"method,duke mAP\nA,81.3\nB,80.1\nA (ours),{elsewhere}\n", encoding="utf-8")
    assert len(all_findings(appraise(read_tables(path, {}), {}))) == wrong


def test_finding_nothing_says_what_was_looked_at(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("method,dukemtmc Rank-1\nA,90.1\nB,91.2\n", encoding="utf-8")
    told = PRINTERS["markdown"](appraise(read_tables(path, {}), {}))
    assert "Nothing wrong was found. Looked at:" in told
    assert "attainability of 2 Rank-k" in told
    assert "DukeMTMC-reID at 1 decimal 0 %" in told


def test_the_known_counts_are_the_catalog_s():
    assert {name: one.queries for name, one in known_datasets().items()} == DATASETS


def test_a_bold_figure_is_held_to_its_own_backbone_and_a_parent_is_the_one_of_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "method,backbone,parent,duke mAP\nA,CNN,,80.1\nB,CNN,A,**81.0**\nA,ViT,,83.1\nB,ViT,A,**84.0**\n",
        encoding="utf-8",
    )
    found = appraise(read_tables(path, {}), {})
    assert all_findings(found) == []
    assert [float(one.gain) for one in found.contrasts] == [0.9, 0.9]
