"""The critical-difference figure: methods along their average rank, joined where Nemenyi's test finds nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.claims.ranks.across import Ranking
from harness.claims.ranks.report import few
from harness.report.figures.plate import COLORS, PAGE, Plate, new_figure, panels
from pivl.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STEP = 0.24  # inches between names
CAPTION = (
    "Average ranks, 1 the best, and Nemenyi's critical difference (CD) at .05; a bar joins methods that it cannot tell "
    "apart. {few}"
)


def draw_ranks(rankings: Sequence[Ranking]) -> Plate:
    """A panel for each ranking. Raises UserError where there is none."""
    if not rankings:
        raise UserError("--figure: no table has three methods on the same two data sets; leave it out")
    most = max(len(one.methods) for one in rankings)
    height = 0.9 + STEP * ((most + 1) // 2) + 0.12 * most
    figure = new_figure(PAGE, height * len(rankings))
    for (axes,), one in zip(panels(figure, len(rankings), 1), rankings, strict=True):
        _draw(axes, one)
    warned = " ".join(dict.fromkeys(few(one).replace("**", "") for one in rankings))
    return Plate(figure, CAPTION.format(few=warned), [line for one in rankings for line in _data(one)])


def _data(one: Ranking) -> list[dict[str, object]]:
    return [
        {
            "table": one.table, "metric": one.metric, "datasets": len(one.datasets), "method": method,
            "average_rank": rank, "critical_difference": one.difference, "friedman_p": one.p,
        }
        for method, rank in zip(one.methods, one.ranks, strict=True)
    ]  # fmt: skip


def _draw(axes: "Axes", one: Ranking) -> None:
    """The axis of ranks at height 0, bars below it, and below them the names: the better half to the left."""
    count, methods = len(one.datasets), len(one.methods)
    axes.hlines(0, 1, methods, color="black", linewidth=1)
    for tick in range(1, methods + 1):
        axes.vlines(tick, 0, 0.25, color="black", linewidth=1)
        axes.text(tick, 0.35, str(tick), ha="center", va="bottom", fontsize=7)
    axes.hlines(1.6, 1, 1 + one.difference, color=COLORS[1], linewidth=2)
    axes.text(1 + one.difference / 2, 1.7, f"CD {one.difference:.2f}", ha="center", va="bottom", fontsize=7)
    for place, (first, last) in enumerate(one.alike):
        ends = one.ranks[first] - 0.04, one.ranks[last] + 0.04
        axes.hlines(-0.35 - 0.35 * place, *ends, color=COLORS[0], linewidth=3)
    under = -0.9 - 0.35 * len(one.alike)
    half = (methods + 1) // 2
    for place, (method, rank) in enumerate(zip(one.methods, one.ranks, strict=True)):
        left = place < half
        level = under - (place if left else methods - 1 - place)
        end = 0.8 if left else methods + 0.2
        axes.plot([rank, rank, end], [0, level, level], color="0.3", linewidth=0.8)
        text = f"{method}  {rank:.2f}" if left else f"{rank:.2f}  {method}"
        axes.text(
            end - 0.05 if left else end + 0.05,
            level,
            text,
            ha="right" if left else "left",
            va="center",
            fontsize=7,
        )
    spread = max(1.0, 0.45 * methods)
    axes.set_xlim(0.8 - spread, methods + 0.2 + spread)
    axes.set_ylim(under - half, 2.4)
    axes.set_title(
        f"{one.table}, {one.metric}: {count} data sets{' (few)' if one.are_few else ''}, Friedman's p {one.p:.3f}"
    )
    axes.set_axis_off()
