"""The command `pivl-bench claims`: what printed tables can support; it trains nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import completion
from harness.cli.options import GroupedCommand, debug_option, format_option, output_option, path_option
from harness.cli.paths import OutputFile, UserPath, deliver
from harness.experiment.request import Request

if TYPE_CHECKING:
    from harness.claims.carried import Carried

EXAMPLES = """\b
Begin with:
  pivl-bench claims                                    the PI-VL paper's Tables 2 to 5
  pivl-bench claims table.csv --dataset market1501     any table: method, Rank-1, mAP
  pivl-bench claims a.md b.md --queries mine=1200/200  with a test set of one's own
"""


@click.command(cls=GroupedCommand, epilog=EXAMPLES)
@click.argument("files", nargs=-1, type=UserPath())
@path_option("--results", "results", "Runs whose errors are carried over as a sensitivity analysis.")
@output_option("A file instead of the screen.")
@format_option("markdown", "json")
@click.option("--figure", type=OutputFile(), metavar="FILE",
              help="Draw average ranks across data sets, as .svg or .png.")  # fmt: skip
@click.option("--measured", multiple=True, type=UserPath(), metavar="FILE",
              help="A table of ours as JSON, or a results folder, whose order is held to the paper's. Repeatable.  "
              "[default: the committed ablations]")  # fmt: skip
@click.option("--study", type=completion.STUDY, metavar="NAME", default="ablation", show_default=True,
              help="The study whose runs are carried over.")  # fmt: skip
@click.option("--baseline", metavar="METHOD", help="Compare every row with this one, in tables without parents.  "
              "[default: the last row with the best of the others]")  # fmt: skip
@click.option("--queries", multiple=True, metavar="NAME=QUERIES[/PEOPLE]",
              help="Counts of a test set of one's own. Repeatable.")  # fmt: skip
@click.option("--dataset", type=completion.TEST_SET, metavar="NAME",
              help="Only this data set; also that of columns that name none.")  # fmt: skip
@debug_option
def claims(
    files: tuple[Path, ...],
    dataset: str | None,
    queries: tuple[str, ...],
    baseline: str | None,
    study: str,
    results: Path,
    form: str,
    output: Path | None,
    figure: Path | None,
    measured: tuple[Path, ...],
) -> None:
    """Say what the tables in FILES can support; without any, those of the PI-VL paper.

    FILES are csv or Markdown: a column method, columns named by data set and metric (market1501 Rank-1, dukemtmc mAP),
    and, where wanted, parent (the row that a row is compared with) and backbone. Prints per contrast which unpublished
    results would make it significant, checks the arithmetic, and ranks methods across data sets. It computes no p value
    of a difference, since none can be.
    """
    from harness.claims.appraisal import appraise
    from harness.claims.datasets import choose_dataset, parse_own
    from harness.claims.paper import paper_tables
    from harness.claims.ranks.figure import draw_ranks
    from harness.claims.ranks.orders import committed
    from harness.claims.reading import read_tables
    from harness.claims.report import PRINTERS
    from harness.inputs.choices import choose
    from harness.report.figures.plate import keep

    print_as = PRINTERS[choose("format", form, PRINTERS)]
    own = parse_own(queries)
    chosen = choose_dataset(dataset, own) if dataset is not None else None
    tables = [table for file in files for table in read_tables(file, own, chosen)] or paper_tables()
    ours = measured or (() if files else committed())
    found = appraise(tables, own, chosen, baseline, _carried(study, results), ours)
    if figure is not None:
        keep(draw_ranks(found.rankings), [figure])
    deliver(print_as(found), output)


def _carried(study: str, results: Path) -> "Carried | None":
    """The errors that the runs of `study` in `results` made, measured; None where there are no runs."""
    from harness import api
    from harness.claims.carried import measure
    from harness.store.records import Results
    from studies.catalog import STUDIES

    chosen = STUDIES.get(study)
    names = {record.get("dataset") for _, record in Results(results, lambda text: None).records("runs")}
    if chosen is not None and chosen.dataset not in names:  # else its pictures would be rendered, for nothing
        return None
    answer = api.table(Request(study), results)
    table = answer.table
    return measure(f"the study {study} on {table.heading}", answer.outcomes[0], table.study.reference)
