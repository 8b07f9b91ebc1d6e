"""The contrasts of a study as Markdown: each comparison that its question asks for, with what came of it."""

from harness.analysis.table import METRICS, RANK1, Table
from harness.report.grid import p_value, signed_interval
from harness.report.page.blocks import Grid


def note(table: Table) -> str:
    """The note above the grids: on what its rows are compared, and how p values are adjusted."""
    return (
        "**Contrasts**: what the question compares, declared with the study: a row less another, on the seeds and "
        f"queries that both have. Verdict by {table.study.primary}, the primary metric; in each metric p is adjusted by "
        "Holm for the contrasts of this study, apart from the gains over the baseline. Discordant pairs: queries right "
        "at rank 1 in the row alone : in the other alone."
    )


def grids(table: Table) -> list[Grid]:
    """A grid for each metric with a line for each contrast, the primary one, which has the verdict, first."""
    primary = table.study.primary
    other = next(metric for metric in METRICS if metric != primary)
    first, second = [], []
    for line in table.contrasts:
        pairs = seeds = "-"
        if line.gains:
            hits = line.gains[RANK1].comparison
            pairs, seeds = f"{hits.row_alone} : {hits.reference_alone}", str(hits.seeds)
        gains = {
            metric: (signed_interval(line.gains.get(metric)), p_value(line.gains.get(metric)))
            for metric in METRICS
        }
        first.append([line.pair, *gains[primary], line.standing])
        second.append([line.pair, *gains[other], pairs, seeds])
    return [
        Grid(["Gain of", f"{primary} gain", "p", "Verdict"], first, (0, 3)),
        Grid(["Gain of", f"{other} gain", "p", "Discordant pairs", "Seeds"], second, (0, 4)),
    ]
