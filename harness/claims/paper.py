"""The paper's Tables 2 to 5 as printed tables, each row with the rows that the paper compares it with."""

from collections.abc import Sequence
from decimal import Decimal

from harness.claims.table import MEAN_AP, RANK1, Cell, Column, PrintedTable, Row
from studies import published
from studies.published import Published

Line = tuple[Sequence[Published], tuple[int, ...]]  # a row's figures on each data set, and its parents
CNN = (
    "RN50",
    "CNN",
)  # two names of one backbone: Table 2 says CNN, and all of the paper's own CNN rows are ResNet-50


def paper_tables() -> tuple[PrintedTable, ...]:
    """Tables 2 to 5. A row of Table 3 is compared with the row above it and, the last, with the baseline."""
    return (
        _table("Table 2", _table_2()),
        _table(
            "Table 3",
            [
                ([published.TABLE_3_CLIP_REID], ()),
                ([published.TABLE_3_PART_LABELS], (0,)),
                ([published.TABLE_3_IDENTITY_PARTS], (1,)),
                ([published.TABLE_3_PI_VL], (2, 0)),
            ],
        ),
        _table(
            "Table 4",
            [
                ([published.TABLE_4_CLIP_REID], ()),
                ([published.TABLE_4_SOLIDER], (0,)),
                ([published.TABLE_4_SCHP], (0,)),
                ([published.TABLE_4_INVPT], (0,)),
            ],
        ),
        _table(
            "Table 5",
            [
                ([published.TABLE_5_CLIP_REID], ()),
                ([published.TABLE_5_PI_VL], (0,)),
                ([published.TABLE_5_STUDENT], ()),
                ([published.TABLE_5_CLIP_REID_STUDENT], (2,)),
                ([published.TABLE_5_PI_VL_STUDENT], (3, 2)),
            ],
        ),
    )


def _table_2() -> list[Line]:
    """The rows of Table 2; PI-VL is compared with CLIP-ReID of its backbone, and the others are quoted."""
    by_row: dict[tuple[str, str], list[Published]] = {}
    for item in published.TABLE_2:
        by_row.setdefault((item.method, item.backbone), []).append(item)
    keys = [*by_row]
    return [
        (items, (keys.index(("CLIP-ReID", backbone)),) if method == "PI-VL" else ())
        for (method, backbone), items in by_row.items()
    ]


def _table(title: str, lines: Sequence[Line]) -> PrintedTable:
    return PrintedTable(title, tuple(_row(items, parents) for items, parents in lines))


def _row(items: Sequence[Published], parents: tuple[int, ...]) -> Row:
    cells = {}
    for item in items:
        for metric, value, which in ((RANK1, item.rank1, 0), (MEAN_AP, item.mean_ap, 1)):
            gain = Decimal(str(item.printed_gain[which])) if item.printed_gain else None
            cells[Column(item.dataset, metric)] = Cell(Decimal(str(value)), gain)
    first = items[0]
    return Row(first.method, cells, "CNN" if first.backbone in CNN else first.backbone, parents)
