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


def test_the_first_step_after_a_checkpoint_says_which_was_the_last_before():
    sent = []
    before, after, unfit = (TrainingLog(sent.append) for _ in range(3))

    def step(number):
        return Step(epoch=3, epochs=20, step=number, steps=9, terms={}, images=64, factor=1.0)

    before.go_on(None)
    before.report("part-prompts", step(7))
    unfit.go_on(before.kept())
    unfit.go_on(None)  # the checkpoint was another training's
    unfit.report("part-prompts", step(1))
    assert {event["event"] for event in sent} == {"step"}
    after.go_on(before.kept())
    after.report("part-prompts", step(8))
    after.report("part-prompts", step(9))
    assert [event for event in sent if event["event"] == "resumed"] == [
        {"event": "resumed", "epoch": 3, "step": 7}
    ]
