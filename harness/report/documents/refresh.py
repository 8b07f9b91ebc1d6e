"""Refreshing of README and docs, by `make docs-tables`: their tables and picture are made from results/reference."""

import sys
from pathlib import Path

from harness.report.documents.overview import draw_overview
from harness.report.documents.tables import insert
from pivl.errors import UserError
from pivl.system.files import write_text


def pages_of(root: Path) -> list[Path]:
    """Returns the pages that may have tables: README and the guides."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def refresh(root: Path) -> list[Path]:
    """Inserts every table, draws the picture and returns the pages that changed. Raises UserError, see `insert`."""
    made = {page: insert(page, root) for page in pages_of(root)}
    changed = [page for page, text in made.items() if text != page.read_text(encoding="utf-8")]
    for page in changed:
        write_text(page, made[page])
    draw_overview(root)
    return changed


if __name__ == "__main__":
    try:
        for written in refresh(Path.cwd()):
            print(f"{written.relative_to(Path.cwd())}: tables inserted")
    except UserError as error:
        sys.exit(str(error))
