"""Short texts for the terminal: steps, scores and durations."""

from collections.abc import Mapping
from typing import Any


def describe_changes(changes: Mapping[str, Any]) -> str:
    """The changes of --set, as they are typed: `epochs=1, image_size=128x64`."""
    return ", ".join(f"{name}={write_value(value)}" for name, value in changes.items())


def describe_partial(partial: Mapping[str, tuple[int, int]]) -> str:
    """Found and expected images by set: `16 of 16,522 train, 8 of 2,228 query`."""
    return ", ".join(f"{found:,} of {expected:,} {which}" for which, (found, expected) in partial.items())


def describe_commit(commit: str, dirty: bool) -> str:
    """The commit of a source, marked where files of it have changed since: `1a2b3c+changes`."""
    return commit + ("+changes" if dirty else "")


def write_value(value: Any) -> str:
    """The value as it is typed after `--set FIELD=`; sizes and milestones with their numbers joined."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def describe_step(event: Mapping[str, object], known: str = "") -> str:
    """A step event of harness.execution.worker: `image-tower, epoch 3/8, identity 1.20, 265 images/s, 12 s left`.

    `known`: what stands beside it; a stage that this begins with is not said again.
    """
    terms = event["terms"]
    assert isinstance(terms, dict)
    shown = [] if known.startswith(str(event["stage"])) else [str(event["stage"])]
    shown.append(f"epoch {event['epoch']}/{event['epochs']}")
    shown += [f"{name.replace('_', '-')} {value:.3f}" for name, value in terms.items()]
    return ", ".join([*shown, f"{event['rate']:.0f} images/s", f"{duration(event['left'])} left"])


def abbreviate_step(event: Mapping[str, object]) -> tuple[str, str, str]:
    """A step event for a table cell, from the longest text: `3/8 loss 1.203 265/s 12s`, `3/8 12s`, `3/8`."""
    terms, left = event["terms"], event["left"]
    assert isinstance(terms, dict)
    assert isinstance(left, int | float)
    epoch = f"{event['epoch']}/{event['epochs']}"
    whole = round(left)
    clock = (
        f"{whole}s" if whole < 100 else f"{round(whole / 60)}m" if whole < 6000 else f"{round(whole / 3600)}h"
    )
    loss = f"loss {sum(terms.values()):.3f}"
    return f"{epoch} {loss} {event['rate']:.0f}/s {clock}", f"{epoch} {clock}", epoch


def describe_scores(metrics: Mapping[str, float]) -> str:
    """The scores of a run: `mAP 57.7, Rank-1 64.1`; empty for a stage, which has none."""
    return f"mAP {metrics['mAP']:.1f}, Rank-1 {metrics['rank1']:.1f}" if metrics else ""


def abbreviate_scores(metrics: Mapping[str, float]) -> tuple[str, ...]:
    """Scores for a table cell, from the longest text: `mAP 57.7, Rank-1 64.1`, `mAP 57.7`, `57.7`."""
    if not metrics:
        return ()
    return describe_scores(metrics), f"mAP {metrics['mAP']:.1f}", f"{metrics['mAP']:.1f}"


def duration(seconds: object) -> str:
    """Seconds as a person says them: `42 s`, `3 min 10 s`, `2 h 05 min`."""
    assert isinstance(seconds, int | float)
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
