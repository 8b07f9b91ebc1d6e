"""Tables of README and docs in four columns, made of committed tables and inserted between two comments.

A page has a line `<!-- KIND: NAME -->` and `<!-- end -->` below it; what stands between the two is replaced. NAME is a
file NAME.json of results/reference, with NAME.md beside it. KIND is `table` (the rows), `contrasts`, or `output` (two
lines as they are printed).
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.analysis.table import BASELINE, METRICS
from harness.report.grid import bounds, grid, number, print_p, signed
from pivl.errors import UserError
from studies.catalog import STUDIES

REFERENCE = Path("results/reference")
NOT_MEASURED = "Not measured yet."
_PLACE = re.compile(r"(<!-- (table|contrasts|output): ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PRINTED = {metric.lower().replace("-", ""): metric for metric in METRICS}  # by the names of the JSON

Values = dict[str, Any]  # a JSON object


def read_committed(name: str, root: Path) -> Values:
    """Returns the committed table `name`. Raises UserError where there is none that can be read."""
    path = root / REFERENCE / f"{name}.json"
    try:
        found: Values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: no table that can be read; copy it from results/tables") from error
    return found


def insert(page: Path, root: Path) -> str:
    """Returns the text of `page` with every table made anew; that of a study without one says so.

    Raises UserError for a name that is neither a committed table nor that of a study.
    """

    def _replace(found: re.Match[str]) -> str:
        opening, kind, name, closing = found.groups()
        known = any(name == study or name.startswith(f"{study}-") for study in STUDIES)
        absent = not (root / REFERENCE / f"{name}.json").exists()
        made = NOT_MEASURED if known and absent else _MADE_BY[kind](name, root, page.parent)
        return f"{opening}\n{made}\n\n{closing}"

    return _PLACE.sub(_replace, page.read_text(encoding="utf-8"))


def _table(name: str, root: Path, folder: Path) -> str:
    table = read_committed(name, root)
    whole = Path(os.path.relpath(root / REFERENCE / f"{name}.md", folder)).as_posix()
    return f"{gains_grid(table)}\n\n{_measured(table)} [The whole table]({whole})."


def _contrasts(name: str, root: Path, folder: Path) -> str:
    """The contrasts; tables of before had none."""
    table = read_committed(name, root)
    return contrasts_grid(table) if table.get("contrasts") else NOT_MEASURED


def _output(name: str, root: Path, folder: Path) -> str:
    """Two lines as `run` prints them: what the table says, and what it was measured with."""
    lines = (root / REFERENCE / f"{name}.md").read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if line.startswith(("**In plain words", "- **Measured"))]
    return "\n>\n".join(f"> {line}" for line in said)


_MADE_BY: dict[str, Callable[[str, Path, Path], str]] = {
    "table": _table,
    "contrasts": _contrasts,
    "output": _output,
}


def gains_grid(table: Values) -> str:
    """Returns a Markdown grid: each row with its score, its gain over the baseline and the verdict."""
    metric = primary(table)
    baseline = table["footer"]["reference"]
    (title,) = [row["title"] for row in table["rows"] if row["row"] == baseline]
    gains = [(row, row[f"{metric}_gain"]) for row in table["rows"]]
    lines = [
        [row["title"], _score(row[metric]), _gain(gain), *_alike(gain, table), verdict_of(row)]
        for row, gain in gains
    ]
    printed = _PRINTED[metric]
    headings = ["Row", f"{printed}, %", f"{printed} gain over {title}", *_alike_heading(table), "Verdict"]
    return grid(headings, lines, left=(0, len(headings) - 1))


def contrasts_grid(table: Values) -> str:
    """Returns a Markdown grid: each contrast of the question with its gain, adjusted p and verdict."""
    metric = primary(table)
    lines = [
        [
            one["title"].removeprefix("Gain of "),
            _gain(gain),
            *_alike(gain, table),
            print_p(gain["adjusted_p"]) if gain else "-",
            verdict_of(one),
        ]
        for one in table["contrasts"]
        for gain in [one[f"{metric}_gain"]]
    ]
    headings = ["Gain of", f"{_PRINTED[metric]} gain", *_alike_heading(table), "p", "Verdict"]
    return grid(headings, lines, left=(0, len(headings) - 1))


def _alike_heading(table: Values) -> list[str]:
    """The heading of the interval for identities like these, which only tables across worlds have."""
    return ["Identities like these"] if table["footer"].get("worlds") else []


def _alike(gain: Values | None, table: Values) -> list[str]:
    if not table["footer"].get("worlds"):
        return []
    alike = (gain or {}).get("identities_like_these") or {}
    low, high = alike.get("low"), alike.get("high")
    if low is None or high is None:
        return ["-"]
    return [bounds(low, high)]


def primary(table: Values) -> str:
    """Returns the primary metric as the JSON names it: `map`, also in tables of before, which did not say it."""
    return str(table["footer"].get("primary_metric", "map"))


def _measured(table: Values) -> str:
    """Seeds, benchmark, test set, devices, commits and dates, in a line."""
    footer = table["footer"]
    clusters = f" in {footer['clusters']} families" if table.get("clusters") == "family" else ""
    version = footer["signature"].split("|")[1].partition("@")[0]
    people = f"{footer['queries']} queries of {footer['people']} identities{clusters}"
    facts = [version, people, *footer["devices"], "commit " + ", ".join(footer["commits"]), *footer["dates"]]
    worlds = f"{len(footer['worlds'])} worlds, in each " if footer.get("worlds") else ""
    return f"{worlds}{len(footer['seeds'])} seeds; {'; '.join(facts)}."


def _score(value: Values | None) -> str:
    return "-" if value is None else number(value["mean"], 1)


def _gain(value: Values | None) -> str:
    if value is None:
        return "-"
    return signed(value["mean"], value["low"], value["high"], value["marked"])


def verdict_of(row: Values) -> str:
    """Returns the verdict of a row as tables print it; those of before called the baseline another way."""
    return BASELINE if row["verdict"] == "reference" else str(row["verdict"])
