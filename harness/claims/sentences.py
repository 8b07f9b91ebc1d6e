"""Sentences about contrasts that a reviewer can quote: figures, units and the test named in each."""

from harness.claims.contrasts import Contrast, Discordance, Spread
from harness.claims.significance import LEAST_DISCORDANT

TEST = "McNemar's exact test (p < .05)"


def sentence(contrast: Contrast) -> str:
    """The contrast in words: its printed difference, and what that would take to be significant."""
    subject = f"{contrast.method} over {contrast.over} on {contrast.dataset.title}"
    subject += f", {contrast.gain:+} {contrast.column.metric}"
    if contrast.discordance is not None:
        return f"{subject}: {_of_queries(contrast.discordance, contrast.dataset.queries)}"
    if contrast.spread is not None:
        return (
            f"{subject}: {_of_spread(contrast.spread)}"
            if contrast.gain
            else f"{subject}: no difference is printed."
        )
    return f"{subject}: one of the two figures is no share of {contrast.dataset.queries:,} queries."


def _of_queries(found: Discordance, queries: int) -> str:
    low, high = sorted((abs(found.least), abs(found.most)))
    low = 0 if found.least <= 0 <= found.most else low
    text = f"{low} to {high} of {queries:,} queries" if low < high else f"{high} of {queries:,} queries"
    return f"{text}; {_condition(found, high)}"


def _condition(found: Discordance, high: int) -> str:
    """The condition under which the difference, at most `high` queries, is significant."""
    if found.allowed_most is None:
        return f"no outcome of so few is significant by {TEST}, which takes {LEAST_DISCORDANT} or more, all one way."
    only = f"significant by {TEST} only if"
    if found.allowed is None and found.allowed_most == high:
        return f"{only} all of at least {high} queries disagree one way."
    if found.allowed is None:
        return (
            f"{only} rounding hides most of it, and the two disagree on at most {found.allowed_most} queries."
        )
    if found.allowed >= found.possible:
        return f"significant by {TEST} however the errors fall, for these two models and independent queries."
    return (
        f"{only} the two disagree on at most {found.allowed} queries ({found.allowed_least or 'none'} to "
        f"{found.allowed_most} over rounding); with errors that have nothing in common it would be "
        f"{found.independent:.0f}."
    )


def _of_spread(found: Spread) -> str:
    alike = f", {found.alike:.1f} if all queries of a person move together" if found.alike is not None else ""
    return (
        f"significant only if the standard deviation of paired differences is below {found.allowed:.1f} points "
        f"({found.allowed_least:.1f} to {found.allowed_most:.1f} over rounding{alike})."
    )
