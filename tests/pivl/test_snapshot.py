"""A training left at any step and taken up again ends with the same bits and has the same history."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from pivl.snapshot import UnfitSnapshot
from pivl.train import run_stage
from tests.support.tiny_models import PI_VL, RESNET, VIT, tiny_trainer, train

JOINT = replace(PI_VL, part_schedule="joint", global_text="tuned")
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

    trainer = tiny_trainer(recipe, vision, report=tell)
    try:
        state = run_stage(trainer, stage, before, keep, resume)
    except Killed:
        state = None
    return state, history, snapshots[0] if snapshots else None


@pytest.mark.parametrize(
    ("recipe", "vision", "stages"),
    [
        (SHUFFLED, RESNET, SHUFFLED.stages()),
        (PI_VL, VIT, ("image-tower",)),
        (JOINT, RESNET, ("part-prompts",)),
        (replace(PI_VL, precision="fp16"), RESNET, ("image-tower",)),
    ],
    ids=["cnn", "vit", "joint", "fp16"],
)
def test_a_stage_left_within_an_epoch_ends_with_the_same_bits_and_history(recipe, vision, stages):
    """Left within its second epoch and at the end of its first, against one never interrupted."""
    before = {}
    for stage in recipe.stages():
        whole, history, last = follow(recipe, stage, before, vision)
        in_first = sum(epoch == 1 for epoch, *_ in history)
        assert len(history) > in_first + 1
        for until in (in_first, in_first + 1) if stage in stages else ():
            _, first, left = follow(recipe, stage, before, vision, until=until)
            assert len(first) == until
            assert ("scale" in left.facts["scaler"]) == (recipe.precision == "fp16")
            state, second, ended = follow(recipe, stage, before, vision, resume=left)
            assert same(state, whole)
            assert same(ended.tensors, last.tensors)  # moments and random states too
            assert ended.facts == last.facts
            assert same(first + second, history)
        before[stage] = whole


def test_a_snapshot_of_another_training_is_refused():
    _, _, left = follow(PI_VL, "identity-prompts", {}, until=1)
    for name in ("trained.tokens", "stream.identity-prompts"):
        lacking = replace(left, tensors={key: value for key, value in left.tensors.items() if key != name})
        with pytest.raises(UnfitSnapshot, match="it is of another training than this"):
            follow(PI_VL, "identity-prompts", {}, resume=lacking)


def test_training_draws_nothing_from_the_global_stream():
    """A snapshot holds the training's own streams only, so no step may draw from another."""
    states = []
    train(tiny_trainer(PI_VL, report=lambda stage, step: states.append((stage, torch.get_rng_state()))))
    assert len(states) > len(PI_VL.stages())
    for (stage, one), (later, other) in pairwise(states):
        assert stage != later or torch.equal(one, other)


def same(one, other):
    """Whether two nested values are equal, tensors to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
