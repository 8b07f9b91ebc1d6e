"""A training left at any step and taken up again ends with the same bits and has the same history."""

from dataclasses import replace

import pytest
import torch

from pivl.train import run_stage
from tests.tiny import PI_VL, RESNET, VIT, tiny_trainer

JOINT = replace(PI_VL, part_schedule="joint")
SHUFFLED = replace(PI_VL, prompt_sampling="shuffle")


class Killed(Exception):
    """Stands for the kill of a process after a step."""


def follow(recipe, stage, before, vision=RESNET, resume=None, until=None):
    """The stage's tensors, its history and the snapshot after its last step; cut short after the step `until`."""
    history, snapshots = [], []

    def tell(_, step):
        history.append((step.epoch, step.step, step.factor, step.images, step.terms))

    def keep(step, take):
        snapshots[:] = [take()]
        if len(history) == until:
            raise Killed

    trainer = replace(tiny_trainer(recipe, vision, report=tell), keep=keep, resume=resume)
    try:
        state = run_stage(trainer, stage, before)
    except Killed:
        state = None
    return state, history, snapshots[0] if snapshots else None


@pytest.mark.parametrize(
    ("recipe", "vision"),
    [(SHUFFLED, RESNET), (PI_VL, VIT), (JOINT, RESNET), (replace(PI_VL, precision="fp16"), RESNET)],
    ids=["cnn", "vit", "joint", "fp16"],
)
def test_a_stage_left_within_an_epoch_ends_with_the_same_bits_and_history(recipe, vision):
    """Every stage, left within its second epoch and at the end of its first, against one never interrupted."""
    before = {}
    for stage in recipe.stages():
        whole, history, last = follow(recipe, stage, before, vision)
        in_first = sum(epoch == 1 for epoch, *_ in history)
        assert len(history) > in_first + 1
        for until in (in_first, in_first + 1):
            _, first, left = follow(recipe, stage, before, vision, until=until)
            assert len(first) == until
            state, second, ended = follow(recipe, stage, before, vision, resume=left)
            assert same(state, whole)
            assert same(ended.tensors, last.tensors)  # moments and random states too
            assert ended.facts == last.facts
            assert same(first + second, history)
        before[stage] = whole


def same(one, other):
    """Whether two nested values are equal, tensors to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
