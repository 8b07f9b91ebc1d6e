"""What `--precision auto` comes to where results are there already: theirs, so that a table never waits for two kinds."""

from dataclasses import replace

from harness.experiment.request import Request
from harness.experiment.resolve import resolve_all
from harness.store.records import Results
from harness.store.row_index import asked_rows


def resolve_precision(asked: Request, results: Results) -> Request:
    """What was typed, `auto` being the precision in which `results` has the data set with that backbone.

    A folder that was filled on another machine thus has its tables here, and what it lacks is done alike. Where it
    has nothing, or has several precisions, `auto` stays, which is what suits the device. Errors as for `ask`.
    """
    if asked.precision != "auto":
        return asked
    experiment = resolve_all(replace(asked, precision="fp32"))[
        0
    ]  # whose name no precision changes, and without torch
    backbone = experiment.base.recipes["CLIP-ReID"].backbone
    rows = [row for row in asked_rows(results) if row.dataset == experiment.dataset]
    had = {row.choices["precision"] for row in rows if row.choices["backbone"] == backbone}
    return replace(asked, precision=had.pop()) if len(had) == 1 else asked
