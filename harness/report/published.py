"""A published table beside ours: its rows as the paper prints them, ours below, and where it contradicts itself."""

from harness.analysis.table import MEAN_AP, RANK1, Table
from harness.report.page.blocks import Grid
from studies.published import Published


def grid(table: Table) -> Grid:
    """The grid: every published method, then ours in the column of the data set at hand."""
    published = table.study.published_table
    datasets = list(dict.fromkeys(item.dataset for item in published))
    methods = dict.fromkeys((item.method, item.backbone) for item in published)
    found = {(item.method, item.backbone, item.dataset): item for item in published}
    parsed = {item.method: f"{item.parser_miou:.2f}" for item in published if item.parser_miou}
    cells = [
        [
            method,
            backbone,
            *([parsed.get(method, "-")] if parsed else []),
            *(_cell(found.get((method, backbone, dataset))) for dataset in datasets),
        ]
        for method, backbone in methods
    ]
    for line in table.lines if table.setting.dataset in datasets else ():
        if line.means:
            ours = f"{line.means[RANK1].mean:.1f} / {line.means[MEAN_AP].mean:.1f}"
            here = [ours if dataset == table.setting.dataset else "-" for dataset in datasets]
            cells.append(
                [
                    f"{line.row.title}, trained here",
                    table.setting.backbone,
                    *(["-"] if parsed else []),
                    *here,
                ]
            )
    headings = ["Published: method", "Backbone", *(["mIoU, as printed"] if parsed else [])]
    headings += [f"{name}: {RANK1} / {MEAN_AP}" for name in datasets]
    return Grid(headings, cells, left=(0, 1), keys=2)


def dataset(table: Table) -> str:
    """The paper's data set that figures beside our rows are of."""
    return next((line.row.published.dataset for line in table.lines if line.row.published), "none")


def notes(table: Table) -> list[str]:
    """Notes on contradictions in published figures that ours are compared with."""
    if not (table.study.published_table or any(line.differences for line in table.lines)):
        return []
    return [
        f"**Contradiction in the paper, {item.subject}**: {item.stated}. Against it, {item.against}: {item.consequence}."
        for item in table.study.contradictions
    ]


def _cell(item: Published | None) -> str:
    return "-" if item is None else f"{item.rank1:.1f} / {item.mean_ap:.1f}"
