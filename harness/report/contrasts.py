"""The contrasts of a study as Markdown: each comparison that its question asks for, with what came of it."""

from harness.analysis.table import METRICS, RANK1, Table
from harness.report.grid import gain, grid


def note(table: Table) -> str:
    """The note above the grid: on what its rows are compared, and how p values are adjusted."""
    return (
        "**Contrasts**: what the question compares, declared with the study: a row less another, on the seeds and "
        f"queries that both have. Verdict by {table.study.primary}, the primary metric; in each metric p is adjusted by "
        "Holm for the contrasts of this study, apart from the gains over the baseline."
    )


def rows(table: Table) -> str:
    """A grid with a line for each contrast."""
    cells = []
    for line in table.contrasts:
        gains = [gain(line.gains.get(metric)) for metric in METRICS]
        pairs = "-"
        if line.gains:
            comparison = line.gains[RANK1].comparison
            pairs = f"{comparison.row_alone} : {comparison.reference_alone}"
        seeds = str(line.gains[table.study.primary].comparison.seeds) if line.gains else "-"
        cells.append([line.title, *gains, pairs, line.standing, seeds])
    gains = [f"{metric} gain" for metric in METRICS]
    return grid(
        ["Contrast", *gains, "Right at rank 1, row alone : other alone", "Verdict", "Seeds"], cells, (0, 4, 5)
    )
