"""Tables are read as they are meant, and what cannot be one is refused in one line that names row and column."""

from decimal import Decimal

import pytest

from harness.claims.datasets import known_datasets, parse_own
from harness.claims.reading import read_tables
from harness.claims.table import Cell, Column
from pivl.errors import UserError
from tests.support.mutations import COUNTS, check_reader

MARKET, DUKE = "Market-1501", "DukeMTMC-reID"
CSV = """method,backbone,parent,Market1501 Rank-1,market mAP,DukeMTMC-reID: R@1,venue
CLIP-ReID [27],RN50,,95.7,89.8,90.0,AAAI
+ parts,RN50,CLIP-ReID [27],**96.1** (+0.4),90.2,-,
"""
MARKDOWN = """# Tables

Text | with a bar.

## Table 3

| Method | Parent | Duke Rank-1 | Duke mAP |
|:--|---|--:|:-:|
| A | | 89.4 | 80.8 |
| **B** | A | **90.2 (+0.8)** | 80.9 |

**Table 4**

| Method | Duke top-5 |
|--|--|
| A | 94.10 % |
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text, name="table.csv", own=None, dataset=None):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_tables(tmp_path / name, own or {}, dataset)

    return read_text


def test_a_csv_file_is_read_with_parents_stress_gains_and_dashes(read):
    (table,) = read(CSV)
    clip_reid, parts = table.rows
    assert clip_reid.identity == ("clip-reid", "rn50")
    assert parts.parents == (0,)
    assert parts.cells == {
        Column(MARKET, "Rank-1"): Cell(Decimal("96.1"), Decimal("0.4"), bold=True),
        Column(MARKET, "mAP"): Cell(Decimal("90.2")),
    }
    assert table.unread == ("venue",)


def test_each_table_of_a_markdown_file_is_read_under_its_heading(read):
    third, fourth = read(MARKDOWN, "paper.md")
    assert [third.title, fourth.title] == ["paper.md, Table 3", "paper.md, Table 4"]
    assert third.rows[1].method == "B"
    assert third.rows[1].parents == (0,)
    assert third.rows[1].cells[Column(DUKE, "Rank-1")] == Cell(Decimal("90.2"), Decimal("0.8"), bold=True)
    assert fourth.rows[0].cells == {Column(DUKE, "Rank-5"): Cell(Decimal("94.10"))}


@pytest.mark.parametrize(
    ("heading", "column"),
    [
        ("market1501 Rank-1", Column(MARKET, "Rank-1")),
        ("Market-1501: R@10", Column(MARKET, "Rank-10")),
        ("MSMT17 (V1) mAP", Column("MSMT17", "mAP")),
        ("occluded_duke_mINP", Column("Occluded-Duke", "mINP")),
        ("Occ-Duke / CMC-5", Column("Occluded-Duke", "Rank-5")),
        ("Mine r1", Column("mine", "Rank-1")),
        ("mAP", Column(DUKE, "mAP")),
    ],
)
def test_a_column_is_known_by_data_set_and_metric(read, heading, column):
    own, duke = parse_own(("mine=120/20",)), known_datasets()["dukemtmc"]
    (table,) = read(f"method,{heading}\nA,91.2\n", own=own, dataset=duke)
    assert [*table.rows[0].cells] == [column]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "table.csv: no row; the first must name method, and may name parent"),
        ("name,duke mAP\nA,1\n", "table.csv: no column method"),
        ("method,duke mAP\n", "table.csv: no row of a table"),
        ("method,year\nA,2023\n", "no column is named by data set and metric"),
        ("method,duke mAP\nA,abc\n", "table.csv: row 2, column duke map: 'abc' is no percentage"),
        ("method,duke mAP\nA,91.2\nB,101\n", "row 3, column duke map: '101' is no percentage; write 91.2"),
        ("method,duke mAP\nA,91.2 ± 0.3\n", "row 2, column duke map: '91.2 ± 0.3' is no percentage"),
        ("method,duke mAP\nA,.912\n", "'.912' is no percentage"),
        ("method,duke mAP\nA,0.912\nB,0.92\n", "table.csv: no value is above 1; write percent, as 91.2"),
        ("method,dukke mAP\nA,91.2\n", "column dukke map: unknown data set 'dukke'; known: market1501"),
        ("method,mAP\nA,91.2\n", "column map names no data set; name it there, or with --dataset"),
        ("method,duke mAP,dukemtmc mAP\nA,91.2,91.2\n", "two columns are mAP on DukeMTMC-reID"),
        ("method,duke mAP\n,91.2\n", "table.csv: row 2: no method"),
        ("method,duke mAP\n**,91.2\n", "table.csv: row 2: no method"),
        ("method,parent,duke mAP\nA,,91.2\nB,a b,92\n", "row 3, column parent: unknown row 'a b'"),
        ("method,parent,duke mAP\nA,a,91.2\n", "row 2, column parent: a row is not compared with itself"),
        ("method,parent,duke mAP\nA,,91.2\nA,,91.3\nB,A,91\n", "row 4, column parent: 2 rows are called A"),
    ],
)
def test_what_is_no_table_is_one_line(read, text, said):
    with pytest.raises(UserError) as error:
        read(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_markdown_without_a_method_or_with_a_cell_too_many_is_one_line(read):
    with pytest.raises(UserError, match=r"paper.md: row 2: the line above names no column method"):
        read("| a | b |\n|--|--|\n", "paper.md")
    with pytest.raises(UserError, match=r"paper.md: row 3: 3 cells, but 2 columns"):
        read("| method | duke mAP |\n|--|--|\n| A | 1 | 2 |\n", "paper.md")
    with pytest.raises(UserError, match=r"paper.md: no row of a table"):
        read("nothing here\n", "paper.md")
    with pytest.raises(UserError, match=r"paper.txt: neither .csv nor .md"):
        read("", "paper.txt")


@pytest.mark.parametrize("typed", ["mine", "mine=", "=12", "mine=9", "mine=100/101", "mine=100/0", "--=100"])
def test_counts_that_cannot_be_are_one_line(typed):
    with pytest.raises(UserError, match=f"--queries {typed}"):
        parse_own((typed,))


@COUNTS
@pytest.mark.parametrize(("name", "text"), [("table.csv", CSV), ("table.md", MARKDOWN)])
def test_a_damaged_table_is_read_or_refused_in_one_line(tmp_path, name, text, count):
    def read_back(path):
        for table in read_tables(path, {}):
            assert all(0 <= cell.value <= 100 for row in table.rows for cell in row.cells.values())

    assert check_reader(tmp_path / name, text.encode(), read_back, count) > count // 4
