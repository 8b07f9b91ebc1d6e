"""`--row NAME=ROW,FIELD=VALUE,...`: a row of one's own, by what it changes in a row of the study."""

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.display.text import describe_changes
from harness.experiment.overrides import parse_overrides
from harness.inputs.choices import choose
from pivl.errors import UserError
from studies.study import Contrast, Row, Study


def name_of(typed: str) -> str:
    """The name of the row that was typed as NAME=ROW,..."""
    return typed.partition("=")[0]


def with_own_rows(study: Study, typed: Sequence[str]) -> Study:
    """The study with the rows that were typed behind its own, each contrasted with the row that it changes.

    Raises UserError, naming the option, for what is none.
    """
    rows, contrasts = list(study.rows), list(study.contrasts)
    for text in typed:
        row, base = _own_row(text, rows)
        rows.append(row)
        contrasts += [Contrast(row.name, base.name)] if base.name != study.reference else []
    return replace(study, rows=tuple(rows), contrasts=tuple(contrasts))


def _own_row(text: str, rows: Sequence[Row]) -> tuple[Row, Row]:
    """The typed row, and the one that it changes."""
    name, equals, rest = text.partition("=")
    begins, *changes = rest.split(",")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,60}", name) or not (equals and changes):
        raise UserError(
            f"--row {text}: write NAME=ROW,FIELD=VALUE, the name in small letters, as mine=pi-vl,epochs=60"
        )
    if name in {row.name for row in rows}:
        raise UserError(f"--row {text}: another row is called {name}; choose another name")
    known = {row.name: row for row in rows}
    try:
        base = known[choose("row", begins, known)]
        changed = parse_overrides(changes)
    except UserError as error:
        raise UserError(f"--row {name}: {str(error).removeprefix('--set ')}") from error
    title = f"{name}: {base.title} with {describe_changes(changed)}"
    row = replace(
        base, name=name, title=title, changes={**base.changes, **changed}, published=None, default=True
    )
    return row, base
