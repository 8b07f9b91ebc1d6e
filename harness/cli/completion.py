"""Completes names in a shell: studies, rows, data sets, presets, backbones, searches, loaded only then."""

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem


class Names(click.ParamType):
    """A text of which a shell knows the usual values; what is typed is checked by the command, which names the nearest.

    many: values may be joined by commas.
    """

    def __init__(self, name: str, known: Callable[..., Iterable[str]], many: bool = False) -> None:
        self.name, self.known, self.many = name, known, many

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Returns the values that begin as what was typed does, behind its last comma."""
        before, comma, last = incomplete.rpartition(",") if self.many else ("", "", incomplete)
        taken = before.split(",")
        names = [name for name in self.known(ctx) if name.startswith(last) and name not in taken]
        return [CompletionItem(f"{before}{comma}{name}") for name in names]


def complete_names(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Returns `names` that begin as what was typed does, and where none does, what files there are."""
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="file")]


def datasets() -> list[str]:
    """Returns the data sets that have names."""
    from pivl.data.benchmarks import BENCHMARKS
    from pivl.synthped.names import EMBEDDED_SETS

    return [*EMBEDDED_SETS, *BENCHMARKS]


def _test_sets(ctx: Any) -> list[str]:
    from pivl.data.benchmarks import BENCHMARKS

    return list(BENCHMARKS)


def searches(ctx: Any = None) -> list[str]:
    """Returns the names of searches."""
    from studies.searches import SEARCHES

    return list(SEARCHES)


def _studies(ctx: Any) -> list[str]:
    from studies.catalog import SEVERAL, STUDIES

    return [*STUDIES, *SEVERAL]


def _rows(ctx: click.Context) -> list[str]:
    """The rows of the study that was typed, of all studies where none was yet."""
    from studies.catalog import STUDIES

    typed = (ctx.params.get("study"), *ctx.args)
    study = next((STUDIES[name] for name in typed if name in STUDIES), None)
    return list(
        dict.fromkeys(row.name for one in ([study] if study else STUDIES.values()) for row in one.rows)
    )


def _presets(ctx: Any) -> list[str]:
    from studies.catalog import PRESETS

    return list(PRESETS)


def _backbones(ctx: Any) -> list[str]:
    from harness.inputs.backbones import backbones

    return backbones()


def _samplers(ctx: Any) -> list[str]:
    from harness.search.spec import SAMPLERS

    return list(SAMPLERS)


def _pruners(ctx: Any) -> list[str]:
    from harness.search.spec import PRUNERS

    return list(PRUNERS)


def _figures(ctx: Any) -> list[str]:
    from harness.report.figures.catalog import NAMES

    return [*NAMES, "all"]


FIGURE = Names("figure", _figures)
TEST_SET = Names("data set", _test_sets)
STUDY, ROWS = Names("study", _studies), Names("rows", _rows, many=True)
PRESET, BACKBONE, SEARCH = Names("preset", _presets), Names("backbone", _backbones), Names("search", searches)
SAMPLER, PRUNER = Names("sampler", _samplers), Names("pruner", _pruners)
