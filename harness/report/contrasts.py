"""The contrasts of a study as Markdown: each comparison that its question asks for, with what came of it."""

from harness.analysis.statistics import Judgement
from harness.analysis.table import METRICS, RANK1, Table
from harness.report.grid import p_value, signed_beyond, signed_interval
from harness.report.page.blocks import Grid


def note(table: Table) -> str:
    """The note above the grids: on what its rows are compared, and how p values are adjusted."""
    return (
        "**Contrasts**: what the question compares, declared with the study: a row less another, on the seeds and "
        f"queries that both have. Verdict by {table.study.primary}, the primary metric; in each metric p is adjusted by "
        "Holm within these contrasts, apart from the gains over the baseline above: the same gain may have another p "
        "there. Discordant pairs: queries right at rank 1 in the row alone : in the other alone."
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
        gains = {metric: _cells(line.gains.get(metric), table) for metric in METRICS}
        first.append([line.pair, *gains[primary], line.standing])
        second.append([line.pair, *gains[other], pairs, seeds])
    headings = {
        metric: [f"{metric} gain", *(["Identities like these"] if table.worlds else []), "p"]
        for metric in METRICS
    }
    last = 1 + len(headings[primary])
    return [
        Grid(["Gain of", *headings[primary], "Verdict"], first, (0, last)),
        Grid(["Gain of", *headings[other], "Discordant pairs", "Seeds"], second, (0, last + 1)),
    ]


def _cells(gain: Judgement | None, table: Table) -> list[str]:
    """The gain with its interval, of several worlds with that for identities like these, and p."""
    alike = [signed_beyond(gain)] if table.worlds else []
    return [signed_interval(gain), *alike, p_value(gain)]
