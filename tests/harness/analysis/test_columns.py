"""What a table knows of rows beside their scores: printed with its spread where it has one, never filled in."""

import csv
import io
import json
import re

from harness.analysis import comparison
from harness.analysis.statistics import Estimate
from harness.analysis.table import Column
from harness.report import markdown
from studies.catalog import STUDIES

COLUMNS = (
    Column("miou", "mIoU, %", {"pi-vl": Estimate(61.25, 60.0, 62.5, 0.6, 100.0)}, 1, "on training pictures."),
    Column("parameters", "Parameters", {"clip-reid": 1234567, "pi-vl": 1234567}, 0),
)
TABLE = comparison.build(STUDIES["ablation"], "synthped", {}, columns=COLUMNS)


def test_people_read_them_behind_the_row():
    text = markdown.markdown(TABLE)
    first = re.search(r"(?:^\|.*\n?)+", text, flags=re.M)
    assert first is not None
    cells = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:4]]
        for line in first[0].splitlines()
    }
    assert cells["Row"] == ["mIoU, %", "Parameters"]
    assert cells["+ hierarchical fusion (PI-VL)"] == ["61.2 [60.0, 62.5]", "1,234,567"]
    assert cells["CLIP-ReID"] == ["-", "1,234,567"]
    assert "- **mIoU, %**: on training pictures.\n" in text


def test_programs_find_them_by_key():
    rows = {row["row"]: row for row in json.loads(markdown.PRINTERS["json"](TABLE))["rows"]}
    assert (rows["pi-vl"]["miou"]["mean"], rows["pi-vl"]["miou"]["high"]) == (61.25, 62.5)
    assert (rows["clip-reid"]["miou"], rows["clip-reid"]["parameters"]) == (None, 1234567)
    flat = {row["row"]: row for row in csv.DictReader(io.StringIO(markdown.PRINTERS["csv"](TABLE)))}
    assert (flat["pi-vl"]["miou_low"], flat["clip-reid"]["miou"]) == ("60.0", "")
    assert (flat["part-labels"]["parameters"], flat["pi-vl"]["parameters"]) == ("", "1234567.0")
