"""The time left of a stage: of the steps that will be done, which in a test run are few."""

import time

import pytest

from harness.execution.training_log import TrainingLog
from pivl.loop import Step


@pytest.mark.parametrize(("limit", "left"), [(None, 398.0), (4, 2.0), (2, 0.0)])
def test_time_left_is_that_of_the_steps_that_will_be_done(monkeypatch, limit, left):
    sent, clock = [], iter([1000.0, 1001.0, 1002.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    log = TrainingLog(sent.append, limit)
    log.begin("image-tower")
    for number in (1, 2):
        log.report(
            "image-tower", Step(epoch=1, epochs=20, step=number, steps=20, terms={}, images=64, factor=1.0)
        )
    assert sent[-1]["left"] == pytest.approx(left, rel=0.01)


def test_a_log_that_goes_on_says_after_which_step():
    sent = []
    before, after = TrainingLog(sent.append), TrainingLog(sent.append)
    before.go_on(None)
    assert sent == []
    before.report("part-prompts", Step(epoch=3, epochs=20, step=7, steps=9, terms={}, images=64, factor=1.0))
    after.go_on(before.kept())
    assert sent[-1] == {"event": "resumed", "epoch": 3, "step": 7}
