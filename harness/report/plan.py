"""A Forecast for people, as Markdown or in a few lines, and for programs, as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from harness.display.text import duration
from harness.plan.forecast import Forecast, WorkItem
from harness.report.grid import grid


def markdown(campaign: Forecast) -> str:
    """Every run with its state, every stage with its work and who shares it, then the sums; ends in a newline."""
    blocks = [f"### Plan of {', '.join(campaign.names)}", _runs(campaign), _stages(campaign)]
    return "\n\n".join([*blocks, "\n".join(f"- {line}" for line in brief(campaign))]) + "\n"


def brief(campaign: Forecast) -> list[str]:
    """The sums in a few lines: runs by state, what sharing saves, work and time, disk."""
    later = [] if campaign.identified else ["run ids are known once `run` has rendered the images"]
    again = [f"{campaign.rerankings} models to score with re-ranking"] if campaign.rerankings else []
    return [_counts(campaign), *later, *_savings(campaign), *_time(campaign), *again, _disk(campaign)]


def to_json(campaign: Forecast) -> str:
    """The campaign under its own names, with the sums; null stands for what is not known."""
    pieces = [{**asdict(piece), "saved_steps": piece.saved} for piece in campaign.pieces]
    if not campaign.identified:
        pieces = [{**piece, "id": None, "before": None} for piece in pieces]
    document = {
        "studies": campaign.names,
        "device": campaign.device,
        "runs_at_a_time": campaign.slots,
        "runs": [piece for piece in pieces if piece["is_run"]],
        "stages": [piece for piece in pieces if not piece["is_run"]],
        "open": {
            "runs": sum(piece.is_run for piece in campaign.open),
            "stages": sum(not piece.is_run for piece in campaign.open),
            "rerankings": campaign.rerankings,
            "steps": _sum(piece.work and piece.work.steps for piece in campaign.open),
            "images": _sum(piece.work and piece.work.images for piece in campaign.open),
            "seconds": campaign.seconds,
            "bytes": _sum(piece.size for piece in campaign.open),
        },
        "free_bytes": campaign.free,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _runs(campaign: Forecast) -> str:
    lines = [
        [*([piece.id] if campaign.identified else []), _rows(piece, campaign), str(piece.seed), _state(piece)]
        for piece in campaign.runs
    ]
    headings = [*(["Run"] if campaign.identified else []), "Row", "Seed", "State"]
    return grid(headings, lines, left=tuple({0, len(headings) - 3, len(headings) - 1}))


def _stages(campaign: Forecast) -> str:
    """A line per stage and set of rows that share it, its seeds together."""
    groups: dict[tuple[str, str], list[WorkItem]] = {}
    for piece in campaign.pieces:
        groups.setdefault((piece.stage, _rows(piece, campaign)), []).append(piece)
    lines = []
    for (stage, rows), pieces in groups.items():
        one, still = pieces[0], sum(piece.is_open for piece in pieces)
        lines.append(
            [
                stage,
                rows,
                f"{still} of {len(pieces)}",
                f"{one.work.steps:,}" if one.work else "?",
                f"{one.work.images:,}" if one.work else "?",
                duration(one.seconds) if one.seconds is not None else "no measurement yet",
                _saved(pieces),
            ]
        )
    headings = ["Stage", "Rows", "To do", "Steps each", "Images each", "Time each", "Steps saved by sharing"]
    return grid(headings, lines, left=(0, 1))


def _rows(piece: WorkItem, campaign: Forecast) -> str:
    """`clip-reid, pi-vl`, or of several studies `ablation: all; controls: pi-vl`."""
    said = []
    for study in campaign.names:
        every = campaign.rows[study]
        named = list(dict.fromkeys(row for of, row in piece.rows if of == study))
        listed = "all" if set(named) == every and len(every) > 1 else ", ".join(named)
        if named:
            said.append(f"{study}: {listed}" if len(campaign.names) > 1 else listed)
    return "; ".join(said)


def _saved(pieces: Sequence[WorkItem]) -> str:
    saved = _sum(piece.saved for piece in pieces)
    return "?" if saved is None else f"{saved:,}"


def _state(piece: WorkItem) -> str:
    match piece.state:
        case "failed":
            return f"failed: {piece.detail}"
        case "running":
            return f"running: {piece.detail}"
    return piece.state


def _counts(campaign: Forecast) -> str:
    counted = f"{campaign.count('finished')} of {len(campaign.runs)} runs are finished"
    others = [f"{campaign.count('running')} running"] if campaign.count("running") else []
    others.append(f"{campaign.count('to do')} to do")
    if campaign.count("failed"):
        others.append(f"{campaign.count('failed')} failed before (--retry-failed does them again)")
    return f"{', '.join(campaign.names)}: {', '.join([counted, *others])}"


def _savings(campaign: Forecast) -> list[str]:
    shared = [piece for piece in campaign.pieces if len(piece.rows) > 1]
    saved = _sum(piece.saved for piece in shared)
    steps = _sum(piece.work and piece.work.steps for piece in campaign.pieces)
    if not shared or saved is None or steps is None:
        return []
    times = [(len(piece.rows) - 1) * piece.seconds for piece in shared if piece.seconds is not None]
    worth = f", about {duration(sum(times) / campaign.slots)}" if len(times) == len(shared) else ""
    runs = sum(piece.is_run for piece in shared)
    what = f"{len(shared) - runs} stages" + (f" and {runs} runs" if runs else "")
    return [f"{what} are shared between rows ({saved:,} of {saved + steps:,} steps saved{worth})"]


def _time(campaign: Forecast) -> list[str]:
    if not campaign.open:
        return []
    steps = _sum(piece.work and piece.work.steps for piece in campaign.open)
    images = _sum(piece.work and piece.work.images for piece in campaign.open)
    unknown = steps is None or images is None
    work = (
        "unknown until --data-root names the images" if unknown else f"{steps:,} steps over {images:,} images"
    )
    where = f"on {campaign.device}, {campaign.slots} at a time"
    if campaign.seconds is not None:
        return [f"to do: {work}; about {duration(campaign.seconds)} {where}"]
    missing = list(dict.fromkeys(_name(piece) for piece in campaign.unmeasured))
    known = "" if len(missing) > 3 else f" of {', '.join(missing)}"
    return [f"to do: {work}; no measurement yet{known} {where}"]


def _name(piece: WorkItem) -> str:
    return piece.rows[0][1] if piece.is_run else piece.stage


def _disk(campaign: Forecast) -> str:
    needed = _sum(piece.size for piece in campaign.open)
    asked = "need unknown until a first run" if needed is None else f"about {_bytes(needed)} needed"
    short = needed is not None and needed > campaign.free
    return f"disk: {asked}, {_bytes(campaign.free)} free{', TOO LITTLE' if short else ''}"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _sum(values: Any) -> int | None:
    """None where one of them is not known."""
    found = list(values)
    return None if any(value is None for value in found) else sum(found)


PRINTERS: dict[str, Callable[[Forecast], str]] = {"markdown": markdown, "json": to_json}
