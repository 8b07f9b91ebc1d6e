"""The tests themselves: none imports another, and what several need stands in tests/support."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("test_*.py"))
OTHER = re.compile(
    r"\btests(?:\.\w+)*\.test_\w+"
)  # in imports, and in code that is run by a process of a test's


def dotted(path):
    return ".".join(path.relative_to(TESTS.parent).with_suffix("").parts)


def test_no_test_file_is_imported_by_another():
    for path in FILES:
        others = {*OTHER.findall(path.read_text(encoding="utf-8"))} - {dotted(path)}
        assert not others, f"{path.name} needs {', '.join(sorted(others))}: move it to tests/support"
