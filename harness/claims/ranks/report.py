"""Printers of rankings and orders: blocks of Markdown for people, values for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from harness.claims.ranks.across import Ranking
from harness.claims.ranks.orders import Order
from harness.report.grid import grid, print_p

SHARED = ("DukeMTMC-reID", "Occluded-Duke")
NO_RANKING = "No table has three methods that all have figures on the same two data sets, so none are ranked."
NO_ORDER = (
    "No table of ours was read that has three rows with published figures of these data sets; see --measured."
)
MEANING = (
    "Here data sets are the sample: Friedman's test asks whether methods would be ranked alike on other data sets like "
    "these. It sees the order on each set, not by how much, and says nothing of a difference on one of them."
)


def ranking_blocks(rankings: Sequence[Ranking]) -> list[str]:
    """The section on average ranks, without its heading."""
    if not rankings:
        return [NO_RANKING]
    return [MEANING, *(block for one in rankings for block in _ranking(one))]


def _ranking(one: Ranking) -> list[str]:
    rows = [[method, f"{rank:.2f}"] for method, rank in zip(one.methods, one.ranks, strict=True)]
    said = [few(one), _friedman(one), _nemenyi(one)]
    if set(SHARED) <= set(one.datasets):
        said.append("Occluded-Duke's images are DukeMTMC-reID's, so these two count as less than two.")
    if len(one.backbones) > 1:
        said.append(
            f"Methods of several backbones ({', '.join(one.backbones)}) are ranked together, so a rank is not owed to "
            "the method alone."
        )
    if one.left_out:
        said.append(f"Left out, without a figure on every one of them: {', '.join(one.left_out)}.")
    return [
        f"**{one.table}, {one.metric}** on {', '.join(one.datasets)}:",
        grid(["Method", "Average rank"], rows),
        "\n".join(f"- {text}" for text in said),
    ]


def few(one: Ranking) -> str:
    """The warning of how few the data sets are, and what that means."""
    count, methods = len(one.datasets), len(one.methods)
    if not one.are_few:
        return f"{count} data sets, taken as independent of each other."
    return (
        f"**{count} data sets are few**: methods that differ are seldom told apart, and no difference found is no sign "
        f"of none. The smallest p that {count} sets and {methods} methods can give, all sets agreeing, is "
        f"{print_p(one.least_p)} by chi-square ({one.least_exact:.2g} by permutation)."
    )


def _friedman(one: Ranking) -> str:
    freedom = len(one.methods) - 1
    return f"Friedman's test: chi-square {one.statistic:.2f} at {freedom} degrees of freedom, p {print_p(one.p)}."


def _nemenyi(one: Ranking) -> str:
    most = len(one.methods) - 1
    text = f"Nemenyi's critical difference at .05 is {one.difference:.2f} ranks, where {most} are the most there can be"
    if one.difference > most:
        return f"{text}: no two methods can be told apart."
    apart = [
        f"{better} from {worse}"
        for place, better in enumerate(one.methods)
        for other, worse in enumerate(one.methods)
        if one.ranks[other] - one.ranks[place] >= one.difference
    ]
    return f"{text}; told apart: {', '.join(apart) or 'none'}."


def order_blocks(orders: Sequence[Order]) -> list[str]:
    """The section on orders, without its heading."""
    if not orders:
        return [NO_ORDER]
    headings = ["Table of ours", "Published on", "Metric", "Rows", "Pairs in the same order", "In the other",
                "Kendall's tau", "Exact p", "Smallest p"]  # fmt: skip
    rows = [
        [
            one.source, one.dataset, one.metric, str(len(one.rows)), str(one.same), str(one.other),
            f"{one.tau:+.2f}" if isfinite(one.tau) else "-", print_p(one.p), print_p(one.least_p),
        ]
        for one in orders
    ]  # fmt: skip
    return [grid(headings, rows, left=(0, 1, 2)), "\n".join(f"- {text}" for text in _notes(orders))]


def _notes(orders: Sequence[Order]) -> list[str]:
    fewest = [one for one in orders if one.least_p >= 0.05]
    said = [
        "Two-sided, over all orders of so many rows. Means alone are ordered: neither our noise nor the paper's, of one "
        "run per row, is in it."
    ]
    if fewest:
        rows, least = len(fewest[0].rows), fewest[0].least_p
        said.append(
            f"With {rows} rows nothing can be significant: even the same order, tau = 1, has p {print_p(least)} "
            f"(one-sided {print_p(least / 2)}, and nothing below tau = 1 is below .05 there). So this neither shows nor "
            "refutes that the benchmark orders methods as the paper does."
        )
    for one in orders:
        text = f"{one.source}: not learned: {', '.join(one.not_learned)}; its place is that of a failed training."
        if one.not_learned and text not in said:
            said.append(text)
    return said


def values_of(rankings: Sequence[Ranking], orders: Sequence[Order]) -> dict[str, Any]:
    """Both sections for programs; what is not a number is null."""
    return {
        "across_datasets": [{**asdict(one), "warning": few(one)} for one in rankings],
        "orders": [{**asdict(one), "tau": one.tau if isfinite(one.tau) else None} for one in orders],
    }
