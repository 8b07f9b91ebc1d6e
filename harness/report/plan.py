"""A Forecast, and the recipe of rows, for people, as Markdown or in a few lines, and for programs, as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from harness.display.text import duration, write_value
from harness.experiment.experiment import Experiment, settings_of
from harness.experiment.recipe_fields import FIELDS, read_meanings
from harness.plan.forecast import OTHER_CODE, Forecast, WorkItem
from harness.report.grid import grid
from pivl.system.ranges import takes_in_words
from studies.study import Row


def markdown(forecast: Forecast) -> str:
    """The forecast as Markdown: stages with their work and rows, totals, then runs with their state."""
    title = f"### Plan of {', '.join(forecast.names)} on {'; '.join(dict.fromkeys(forecast.settings))}"
    totals = "\n".join(f"- {line}" for line in brief(forecast))
    return "\n\n".join([title, _stages(forecast), totals, _runs(forecast)]) + "\n"


def brief(forecast: Forecast) -> list[str]:
    """The sums in a few lines: runs by state, what sharing saves, work and time, disk."""
    other = dict.fromkeys(row for item in forecast.runs if item.detail == OTHER_CODE for _, row in item.rows)
    redo = [f"finished {OTHER_CODE}: {', '.join(other)} (--redo ROW does a row again)"] if other else []
    later = [] if forecast.identified else ["run ids are known once `run` has rendered the images"]
    again = [f"{forecast.rerankings} models to score with re-ranking"] if forecast.rerankings else []
    return [_counts(forecast), *redo, *later, *_savings(forecast), *_time(forecast), *again, _disk(forecast)]


def to_json(forecast: Forecast) -> str:
    """The forecast under its own names, with the sums; null stands for what is not known."""
    items = [{**asdict(item), "saved_steps": item.saved} for item in forecast.items]
    if not forecast.identified:
        items = [{**item, "id": None, "before": None} for item in items]
    document = {
        "studies": forecast.names,
        "device": forecast.device,
        "runs_at_a_time": forecast.slots,
        "runs": [item for item in items if item["is_run"]],
        "stages": [item for item in items if not item["is_run"]],
        "open": {
            "runs": sum(item.is_run for item in forecast.open),
            "stages": sum(not item.is_run for item in forecast.open),
            "rerankings": forecast.rerankings,
            "steps": _sum(item.work and item.work.steps for item in forecast.open),
            "images": _sum(item.work and item.work.images for item in forecast.open),
            "seconds": forecast.seconds,
            "bytes": _sum(item.size for item in forecast.open),
        },
        "free_bytes": forecast.free,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _runs(forecast: Forecast) -> str:
    lines = [
        [*([item.id] if forecast.identified else []), _rows(item, forecast), str(item.seed), _state(item)]
        for item in forecast.runs
    ]
    headings = [*(["Run"] if forecast.identified else []), "Row", "Seed", "State"]
    return grid(headings, lines, left=tuple({0, len(headings) - 3, len(headings) - 1}))


def _stages(forecast: Forecast) -> str:
    """A table line per stage and set of rows that share it, seeds together."""
    groups: dict[tuple[str, str], list[WorkItem]] = {}
    for item in forecast.items:
        groups.setdefault((item.stage, _rows(item, forecast)), []).append(item)
    lines = []
    for (stage, rows), items in groups.items():
        one, still = items[0], sum(item.is_open for item in items)
        lines.append(
            [
                stage,
                rows,
                f"{still} of {len(items)}",
                f"{one.work.steps:,}" if one.work else "?",
                f"{one.work.images:,}" if one.work else "?",
                duration(one.seconds) if one.seconds is not None else "no measurement yet",
                _saved(items),
            ]
        )
    headings = ["Stage", "Rows", "To do", "Steps each", "Images each", "Time each", "Steps saved by sharing"]
    return grid(headings, lines, left=(0, 1))


def _rows(item: WorkItem, forecast: Forecast) -> str:
    """`clip-reid, pi-vl`, or of several studies `ablation: all; controls: pi-vl`."""
    said = []
    for study in forecast.names:
        every = forecast.rows[study]
        named = list(dict.fromkeys(row for of, row in item.rows if of == study))
        listed = "all" if set(named) == every and len(every) > 1 else ", ".join(named)
        if named:
            said.append(f"{study}: {listed}" if len(forecast.names) > 1 else listed)
    return "; ".join(said)


def _saved(items: Sequence[WorkItem]) -> str:
    saved = _sum(item.saved for item in items)
    return "?" if saved is None else f"{saved:,}"


def _state(item: WorkItem) -> str:
    match item.state:
        case "failed":
            return f"failed: {item.detail}"
        case "running":
            return f"running: {item.detail}"
        case "finished" | "to do" if item.detail:
            return f"{item.state} {item.detail}"
    return item.state


def _counts(forecast: Forecast) -> str:
    counted = f"{forecast.count('finished')} of {len(forecast.runs)} runs are finished"
    others = [f"{forecast.count('running')} running"] if forecast.count("running") else []
    others.append(f"{forecast.count('to do')} to do")
    if forecast.count("failed"):
        others.append(f"{forecast.count('failed')} failed before (--retry-failed does them again)")
    return f"{', '.join(forecast.names)}: {', '.join([counted, *others])}"


def _savings(forecast: Forecast) -> list[str]:
    shared = [item for item in forecast.items if len(item.rows) > 1]
    saved = _sum(item.saved for item in shared)
    steps = _sum(item.work and item.work.steps for item in forecast.items)
    if not shared or saved is None or steps is None:
        return []
    times = [(len(item.rows) - 1) * item.seconds for item in shared if item.seconds is not None]
    worth = f", about {duration(sum(times) / forecast.slots)}" if len(times) == len(shared) else ""
    runs = sum(item.is_run for item in shared)
    what = f"{len(shared) - runs} stages" + (f" and {runs} runs" if runs else "")
    return [f"{what} are shared between rows ({saved:,} of {saved + steps:,} steps saved{worth})"]


def _time(forecast: Forecast) -> list[str]:
    if not forecast.open:
        return []
    steps = _sum(item.work and item.work.steps for item in forecast.open)
    images = _sum(item.work and item.work.images for item in forecast.open)
    unknown = steps is None or images is None
    work = (
        "unknown until --data-root names the images" if unknown else f"{steps:,} steps over {images:,} images"
    )
    where = f"on {forecast.device}, {forecast.slots} at a time"
    if forecast.seconds is not None:
        return [f"to do: {work}; about {duration(forecast.seconds)} {where}"]
    missing = list(dict.fromkeys(_name(item) for item in forecast.unmeasured))
    known = "" if len(missing) > 3 else f" of {', '.join(missing)}"
    return [f"to do: {work}; no measurement yet{known} {where}"]


def _name(item: WorkItem) -> str:
    return item.rows[0][1] if item.is_run else item.stage


def _disk(forecast: Forecast) -> str:
    needed = _sum(item.size for item in forecast.open)
    asked = "unknown until a first run" if needed is None else f"about {_bytes(needed)}"
    short = needed is not None and needed > forecast.free
    return f"disk needed: {asked}, {_bytes(forecast.free)} free{', TOO LITTLE' if short else ''}"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _sum(values: Any) -> int | None:
    """The sum; None if a value is unknown."""
    found = list(values)
    return None if any(value is None for value in found) else sum(found)


PRINTERS: dict[str, Callable[[Forecast], str]] = {"markdown": markdown, "json": to_json}


def recipe_markdown(experiment: Experiment, rows: Sequence[Row], fields: Sequence[str]) -> str:
    """The recipe of each row: fields with value, where it comes from, meaning and source; `fields` in full, if named."""
    if fields:
        return "\n\n".join(_field(experiment, rows, name) for name in fields) + "\n"
    meanings, blocks = read_meanings(), []
    for row in rows:
        lines = []
        for one in settings_of(experiment, row):
            about = meanings[one.field]
            source = ": ".join([about.source, *about.symbols[:1]])
            lines.append([one.field, _value(one.value), one.origin, about.brief, source])
        heading = f"### Recipe of {row.name} in {experiment.name}"
        blocks += [heading, grid(["Field", "Value", "From", "Meaning", "Source"], lines, (0, 1, 2, 3, 4))]
    others = [row.name for row in experiment.study.rows if row not in rows]
    more = [f"Other rows, by --row NAME: {', '.join(others)}."] if others else []
    end = [
        *more,
        "One field in full: --field NAME. Change one in a run: --set FIELD=VALUE, or --row NAME=ROW,FIELD=VALUE.",
    ]
    return "\n\n".join([*blocks, "\n".join(end)]) + "\n"


def recipe_json(experiment: Experiment, rows: Sequence[Row], fields: Sequence[str]) -> str:
    """The recipe of each row, its `fields` or all of them, under their own names."""
    meanings = read_meanings()
    document = {
        "study": experiment.name,
        "rows": {
            row.name: {
                one.field: {
                    "value": one.value,
                    "from": one.origin,
                    "default": FIELDS[one.field].default,
                    "meaning": meanings[one.field].text,
                    "source": meanings[one.field].source,
                    "symbols": meanings[one.field].symbols,
                }
                for one in settings_of(experiment, row)
                if not fields or one.field in fields
            }
            for row in rows
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _field(experiment: Experiment, rows: Sequence[Row], name: str) -> str:
    about, item = read_meanings()[name], FIELDS[name]
    called = f" ({', '.join(about.symbols)})" if about.symbols else ""
    takes = takes_in_words(item.type, item.metadata["range"])
    lines = [
        [row.name, _value(one.value), one.origin]
        for row in rows
        for one in settings_of(experiment, row)
        if one.field == name
    ]
    facts = [f"{about.text}.", f"Source: {about.source}.", f"Default: {_value(item.default)}. Takes {takes}."]
    return "\n\n".join(
        [f"### {name}{called}", "\n".join(facts), grid(["Row", "Value", "From"], lines, (0, 1, 2))]
    )


def _value(value: Any) -> str:
    return write_value(value) or "none"


RECIPE_PRINTERS: dict[str, Callable[[Experiment, Sequence[Row], Sequence[str]], str]] = {
    "markdown": recipe_markdown,
    "json": recipe_json,
}
