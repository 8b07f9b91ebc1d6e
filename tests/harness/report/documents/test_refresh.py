"""`make docs-tables`: README and guides are written where a table changed, and left alone where none did."""

from harness.report.documents import refresh as module
from harness.report.documents.refresh import refresh
from tests.support.committed import commit, committed_table


def test_pages_are_written_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "draw_overview", lambda root: None)
    commit(committed_table(), "ablation", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "plain.md").write_text("no table\n")
    (tmp_path / "README.md").write_text("<!-- contrasts: ablation -->\n<!-- end -->\n")
    assert refresh(tmp_path) == [tmp_path / "README.md"]
    assert "part labels over CLIP-ReID" in (tmp_path / "README.md").read_text()
    assert refresh(tmp_path) == []
