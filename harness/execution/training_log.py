"""Logs the training of a task step by step: for its record, and as progress events with rate and time left."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.store.record_file import Record
from pivl.loop import Step

Send = Callable[[Mapping[str, Any]], None]
REPORT_INTERVAL = 0.25  # seconds between step events; the history keeps every step


def ignore(event: Mapping[str, Any]) -> None:
    """Discards an event."""


@dataclass
class TrainingLog:
    """Keeps the loss terms of every step and sends some of them on, with rate and time left.

    limit: the steps after which each stage of a test run ends; None for whole stages.
    """

    send: Send
    limit: int | None = None
    history: list[Record] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0  # spent in training steps
    _earlier: float = 0.0  # seconds that processes before this one spent on the task
    _born: float = field(default_factory=time.monotonic)
    _stage: str = ""
    _began: float = 0.0
    _last: float = 0.0
    _stage_images: int = 0
    _share: float | None = None  # of the stage, done when its clock started
    _sent: float = 0.0
    _resumed: bool = False

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, including those of earlier processes whose checkpoints it resumed."""
        return self._earlier + time.monotonic() - self._born

    def begin(self, stage: str) -> None:
        """Starts the clock of `stage`."""
        self._stage, self._stage_images, self._share = stage, 0, None
        self._began = self._last = time.monotonic()

    def report(self, stage: str, step: Step) -> None:
        """Records one step; the training loop calls it after each."""
        if self._resumed:  # only now is it sure that the checkpoint fitted
            self._resumed, last = False, self.history[-1]
            self.send({"event": "resumed", "epoch": last["epoch"], "step": last["step"]})
        if stage != self._stage:
            self.begin(stage)
        now = time.monotonic()
        self.seconds += now - self._last
        self._last = now
        self._stage_images += step.images
        self.images += step.images
        place = {"stage": stage, "epoch": step.epoch, "step": step.step}
        terms = {name: float(value) for name, value in step.terms.items()}
        gradients = {"gradients": dict(step.gradients)} if step.gradients else {}
        self.history.append({**place, "factor": step.factor, "terms": terms, **gradients})
        number, steps = (step.epoch - 1) * step.steps + step.step, step.epochs * step.steps
        wanted = min(steps, self.limit or steps)
        if self._share is None:
            self._share = (number - 1) / wanted
        if now - self._sent >= REPORT_INTERVAL:
            self._sent = now
            done = number / wanted
            elapsed = now - self._began or 1e-9
            rate, left = self._stage_images / elapsed, elapsed * (1 - done) / (done - self._share)
            self.send(
                {"event": "step", **place, "epochs": step.epochs, "terms": terms, "rate": rate, "left": left}
            )

    def kept(self) -> Record:
        """The state of the log for `go_on`, as JSON values."""
        sums = {"images": self.images, "seconds": self.seconds, "elapsed": self.elapsed}
        return {"history": self.history, **sums}

    def go_on(self, kept: Record | None) -> None:
        """Restores the log from the state in a checkpoint, which the first step then says; None: starts empty."""
        kept = kept or {"history": [], "images": 0, "seconds": 0.0, "elapsed": 0.0}
        self.history = list(kept["history"])
        self.images, self.seconds, self._earlier = kept["images"], kept["seconds"], kept["elapsed"]
        self._resumed = bool(self.history)
