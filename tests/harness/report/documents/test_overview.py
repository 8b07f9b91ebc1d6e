"""README's picture: drawn from its sources alone, which it names; a missing one is said."""

import numpy as np
import pytest
from PIL import Image

from harness.report.documents.overview import OVERVIEW, SHEET, draw_overview, source_digest
from pivl.errors import UserError
from tests.support.committed import commit, committed_table


def drawn(root):
    draw_overview(root)
    return (root / OVERVIEW).read_bytes()


def draw_sheet(root):
    Image.fromarray(np.full((8 * 128, 16 * 64, 3), 90, np.uint8)).save(root / SHEET)


def test_the_picture_depends_on_its_sources_and_names_them(tmp_path):
    commit(committed_table(), "ablation", tmp_path)
    draw_sheet(tmp_path)
    first = drawn(tmp_path)
    assert drawn(tmp_path) == first
    with Image.open(tmp_path / OVERVIEW) as picture:
        assert picture.info["Source"] == source_digest(tmp_path)
        assert picture.width == 1000
    changed = committed_table()
    changed["rows"][1]["map_gain"]["mean"] = -1.0
    commit(changed, "ablation", tmp_path)
    assert drawn(tmp_path) != first


def test_without_a_contact_sheet_it_says_how_to_draw_one(tmp_path):
    commit(committed_table(), "ablation", tmp_path)
    with pytest.raises(UserError, match=r"synthped\.png: no contact sheet; draw it by"):
        draw_overview(tmp_path)
