"""A table in one sentence of plain words: what its rows gain over the baseline, as far as these runs can tell."""

from collections.abc import Sequence

from harness.analysis.statistics import LEAST_SEEDS
from harness.analysis.table import Line, Table

LEAD = "In plain words"


def sentence(table: Table) -> str:
    """The sentence, by the verdicts of the rows on the primary metric; rows with one verdict are named together."""
    if not any(line.finished for line in table.lines):
        return "nothing is measured yet."
    judged = [line for line in table.lines if line.gains]
    if not judged:
        return f"there is nothing to compare: no row beside the baseline {table.reference} has a seed that it has, too."
    said = [_gain(line, table) for line in judged if line.verdict in ("better", "worse")]
    said += [
        text.format(_names([line for line in judged if line.verdict == verdict]))
        for verdict, text in _TEXTS.items()
        if any(line.verdict == verdict for line in judged)
    ]
    if unlearned := [line for line in table.lines if line.faults]:
        said.append(f"{_names(unlearned)} did not learn what it is about, and its line says nothing of it")
    return f"{'; '.join(said)}.".replace(
        "{margin}", f"{table.study.margin:g} points of {table.study.primary}"
    )


_TEXTS = {
    "equivalent": "{} makes no difference that matters, none of {{margin}}",
    "inconclusive": "whether {} gains or loses anything, these runs cannot tell",
    "too few seeds": f"of {{}} nothing can be said before it is trained with {LEAST_SEEDS} seeds",
    "too few identities": "of {} nothing can be said: too few identities were looked for",
}


def _gain(line: Line, table: Table) -> str:
    gain = line.gains[table.study.primary].comparison.gain.mean
    scored = f"{abs(gain):.1f} points of {table.study.primary} {'more' if gain > 0 else 'less'}"
    return f"{_names([line])} scores {scored} than {table.reference}, which chance does not explain"


def _names(lines: Sequence[Line]) -> str:
    """The rows by title: `a`, `a and b`, `a, b and c`."""
    *first, last = [f'"{line.row.title.removeprefix("+ ")}"' for line in lines]
    return f"{', '.join(first)} and {last}" if first else last
