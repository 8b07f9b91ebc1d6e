"""A docstring of harness/ begins with a verb or a noun, which says what its object returns, reads, writes or checks."""

import ast
from pathlib import Path

import pytest

HARNESS = Path(__file__).parents[2] / "harness"

# "What was typed" names nothing, "The typed arguments" does; "Raises", not "Raise": it tells what a function does.
# "Whether" may open one: it names a yes or no.
OPENINGS = """
    What How Where Which Who Why When Whatever Whose
    It Its They Their That This These Those One All Others Everything Something
    Raise Return Read Write Run Check Do Let Take Give Keep Make Hold Say See
"""


def documented(path):
    """The name and docstring of everything in a file that has one, but for commands, whose help speaks to a person."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            text := ast.get_docstring(node)
        ):
            decorators = [ast.unparse(one) for one in getattr(node, "decorator_list", [])]
            if not any(".command" in one or ".group" in one for one in decorators):
                yield getattr(node, "name", path.stem), text


@pytest.mark.parametrize(
    "path", sorted(HARNESS.rglob("*.py")), ids=lambda path: str(path.relative_to(HARNESS))
)
def test_docstrings_begin_with_a_verb_or_a_noun(path):
    for name, text in documented(path):
        assert text.split()[0].strip(",") not in OPENINGS.split(), f"{name}: {text.splitlines()[0]}"
