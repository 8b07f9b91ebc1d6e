"""Block 5, the evaluation: distances and ranking at the sizes of Market-1501 and MSMT17, and re-ranking at Market's."""

from dataclasses import asdict, replace

from harness.perf.blocks.ranking_process import SORTED, Ranked, Size
from harness.perf.report import Bar, Block, Figure
from harness.perf.setting import Setting
from harness.system.worker_process import ProcessFailed, WorkerProcess
from pivl.errors import UserError
from pivl.system.parallel import cores

WIDTHS = (1280, 3072)  # of ViT-B/16's descriptors and of RN50's
SHARE = 8  # every so many queries of MSMT17 are ranked; the time grows with their number
LIMIT = 1500.0  # MB at MSMT17's size
RERANKED = 60.0  # seconds at Market's


def measure(setting: Setting) -> Block:
    """Each size in a process of its own."""
    threads = cores()
    market = Size("Market-1501", 3368, 15913, 750, 6, WIDTHS[0], 3368, setting.device.type, threads)
    msmt = replace(
        market, name="MSMT17", queries=11659, gallery=82161, people=3060, cameras=15, ranked=11659 // SHARE
    )
    sizes = [replace(size, width=width) for size in (market, msmt) for width in WIDTHS]
    if setting.quick:
        sizes = [replace(one, queries=400, gallery=4000, ranked=400) for one in sizes[:1]]
    figures, bars = [], []
    for size in sizes:
        found = run(size)
        figures += _figures(size, found)
        called = f"{size.name}, {size.width}-d"
        bars.append(
            Bar(f"{called}: ranking, share of the distances' time", found.ranking / found.distances, 1, False)
        )
        if size.name == msmt.name:
            bars.append(
                Bar(f"{called}: memory of descriptors and work, MB", found.peak - found.before, LIMIT, False)
            )
    reranked = run(replace(sizes[0], ranked=0))
    figures += [
        Figure(f"{market.name}, {WIDTHS[0]}-d: re-ranking", reranked.reranking, "s"),
        Figure(f"{market.name}, {WIDTHS[0]}-d: re-ranking, peak memory of the process", reranked.peak, "MB"),
    ]
    bars.append(Bar(f"{market.name}, {WIDTHS[0]}-d: re-ranking, s", reranked.reranking, RERANKED, False))
    notes = [
        f"On {threads} threads. The process takes memory before it has any descriptor: torch and what comes with it. "
        "The target is for what is added, descriptors of all images included.",
        f"Sorting: argsort of the whole gallery for {SORTED} queries, scaled to all.",
    ]
    if setting.quick:
        notes.append(
            "A tenth of Market-1501 only, since this was to be quick: its values and targets say little."
        )
    else:
        notes.append(
            f"{msmt.name}: every {SHARE}th query was ranked, and the seconds are scaled to all of them."
        )
    return Block("ranking", "5. Evaluation", tuple(figures), tuple(bars), tuple(notes))


def run(size: Size) -> Ranked:
    """Measures a size in a process of its own; UserError if it fails."""
    try:
        (event,) = WorkerProcess.ask(("harness.perf.blocks.ranking_process",), asdict(size))
    except ProcessFailed as error:
        raise UserError(
            f"the evaluation at {size.name}'s size failed: {error}; try --quick, or --only other blocks"
        ) from error
    return Ranked(**event["ranked"])


def _figures(size: Size, found: Ranked) -> list[Figure]:
    called, scale = f"{size.name}, {size.width}-d", size.queries / size.ranked
    return [
        Figure(f"{called}: distances", found.distances * scale, "s"),
        Figure(f"{called}: ranking", found.ranking * scale, "s"),
        Figure(f"{called}: the matrix product alone", found.product * scale, "s"),
        Figure(f"{called}: sorting instead of ranking", found.sorting * size.queries / SORTED, "s"),
        Figure(f"{called}: memory of descriptors and work", found.peak - found.before, "MB"),
        Figure(f"{called}: peak memory of the process", found.peak, "MB"),
    ]
