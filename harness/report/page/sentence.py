"""A table in one sentence of plain words: what its rows gain over the baseline, as far as these runs can tell."""

from collections.abc import Sequence

from harness.analysis.statistics import LEAST_SEEDS, LEAST_WORLDS
from harness.analysis.table import METRICS, Line, Table

LEAD = "In plain words"


def answer(table: Table) -> str:
    """The sentence as a table prints it, after its lead in bold."""
    return f"**{LEAD}**: {sentence(table)}"


def sentence(table: Table) -> str:
    """The sentence, by the verdicts of the rows on the primary metric; rows with one verdict are named together."""
    if not any(line.finished for line in table.lines):
        return (
            "nothing is measured yet; every stage was tried." if table.tried else "nothing is measured yet."
        )
    gained = [line for line in table.lines if line.gains]
    if not gained:
        scores = "; ".join(_scores(line) for line in table.lines if line.finished)
        return f"{scores}; there is nothing to compare."
    judged = [line for line in gained if not line.faults]
    said = [_gain(line, table) for line in judged if line.verdict in ("better", "worse")]
    said += [
        text.format(_names([line for line in judged if line.verdict == verdict]))
        for verdict, text in _TEXTS.items()
        if any(line.verdict == verdict for line in judged)
    ]
    if unlearned := [line for line in table.lines if line.faults]:
        said.append(f"not learned, which says nothing of the method: {_names(unlearned)}")
    return f"{'; '.join(said)}.".replace(
        "{margin}", f"{table.study.margin:g} points of {table.study.primary}"
    )


_TEXTS = {
    "equivalent": "no difference that matters, none of {{margin}}, is made by {}",
    "inconclusive": "no gain or loss by {} can be told from chance in these runs",
    "too few seeds": f"nothing can be said of {{}} with fewer than {LEAST_SEEDS} seeds",
    "too few worlds": f"nothing can be said of {{}} on identities like these with fewer than {LEAST_WORLDS} worlds",
    "too few identities": "nothing can be said of {}, since too few identities have scored queries",
}


def _gain(line: Line, table: Table) -> str:
    gain = line.gains[table.study.primary].comparison.gain.mean
    scored = f"{abs(gain):.1f} points of {table.study.primary} {'more' if gain > 0 else 'less'}"
    return f"{_names([line])} scores {scored} than {table.reference}, which chance does not explain"


def _scores(line: Line) -> str:
    means = " and ".join(f"{line.means[metric].mean:.1f} {metric}" for metric in METRICS)
    return f"{_names([line])} scores {means}"


def _names(lines: Sequence[Line]) -> str:
    """The rows by title: `a`, `a and b`, `a, b and c`."""
    *first, last = [f'"{line.row.title.removeprefix("+ ")}"' for line in lines]
    return f"{', '.join(first)} and {last}" if first else last
