"""A loss and a head of one's own in stage 2: what they are given, that they train, what they must return."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pivl.losses import alignment, hard_triplet, identity_loss
from pivl.stages.own_code import OwnCode, own_term
from tests.support.tiny_models import PI_VL, RECIPE, VIT, tiny_split, tiny_trainer, train

OWN = replace(PI_VL, own_loss="loss-0", own_loss_weight=0.5)


def trained(recipe, own, vision=None, **options):
    trainer = tiny_trainer(recipe, *([vision] if vision else []), **options)
    return train(replace(trainer, own=own))


def test_a_loss_is_given_what_the_terms_of_the_method_are_made_of_and_weighed():
    """Each of our own terms, written out from what it is given, equals the term beside it."""
    steps, seen = [], []

    def loss(step):
        pairs = [identity_loss(one, step.person, OWN.label_smoothing) for one in step.logits]
        three = [
            hard_triplet(one, step.person, OWN.triplet_margin) for one in (step.last, step.feat, step.proj)
        ]
        (aligned,) = (alignment(one, step.part_texts, step.cells) for one in step.maps)
        seen.append({"identity": sum(pairs), "triplet": sum(three), "alignment": aligned})
        assert step.person_texts.shape == (len(tiny_split().train.person.unique()), step.proj.shape[1])
        assert step.camera.shape == step.person.shape
        return sum(seen[-1].values())

    trained(OWN, OwnCode(loss=loss), report=lambda stage, step: steps.append((stage, step)))
    terms = [step.terms for stage, step in steps if stage == "image-tower"]
    assert len(terms) == len(seen) > 2
    for named, ours in zip(terms, seen, strict=True):
        for name, value in ours.items():
            assert named[name] == pytest.approx(getattr(OWN, f"{name.replace('alignment', 'align')}_weight")
                                                * float(value.detach()), rel=1e-5)  # fmt: skip
        assert named["own"] == pytest.approx(0.5 * float(sum(ours.values()).detach()), rel=1e-5)


def test_a_loss_of_weight_0_changes_nothing_and_another_weight_does():
    loss = OwnCode(loss=lambda step: step.feat.square().mean())
    plain = trained(PI_VL, OwnCode()).state()
    silent = trained(replace(OWN, own_loss_weight=0.0), loss).state()
    heard = trained(OWN, loss).state()
    assert all(torch.equal(value, silent[name]) for name, value in plain.items())
    assert not torch.equal(heard["classifier.weight"], plain["classifier.weight"])


def test_a_row_without_parts_has_a_loss_too():
    steps = []

    def loss(step):
        steps.append(step)
        return step.proj.mean()

    trained(replace(RECIPE, own_loss="loss-0"), OwnCode(loss=loss))
    assert steps[0].maps == ()
    assert steps[0].part_texts is None
    assert steps[0].cells is None


class Head(nn.Module):
    """The last map alone, by a convolution that torch's global generator draws."""

    def __init__(self, recipe, tower, generator):
        super().__init__()
        self.project = nn.Conv2d(tower.map_channels[-1], tower.dims[2], 1)

    def forward(self, features):
        return self.project(features.maps[-1])


@pytest.mark.parametrize("vision", [None, VIT], ids=["cnn", "vit"])
def test_a_head_is_drawn_by_the_seed_trains_and_is_no_part_of_what_is_deployed(vision):
    recipe = replace(PI_VL, own_head="Head-0")
    state = trained(recipe, OwnCode(head=Head), vision).state()
    torch.rand(3)  # the global generator is elsewhere now
    again = trained(recipe, OwnCode(head=Head), vision)
    assert all(torch.equal(value, again.state()[name]) for name, value in state.items())
    fresh = replace(tiny_trainer(recipe, *([vision] if vision else [])), own=OwnCode(head=Head)).fresh()
    assert not torch.equal(fresh.state()["head.fuse.project.weight"], state["head.fuse.project.weight"])
    assert {name for name in state if not name.startswith("head.")} == set(again.model.state_dict())


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (3.0, "it returned a float"),
        (torch.ones(2, requires_grad=True), r"it returned a tensor \[2\]"),
        (torch.tensor(1.0), r"with a gradient; it returned a tensor \[\]"),
    ],
)
def test_what_is_no_scalar_with_a_gradient_is_told(found, said):
    with pytest.raises(TypeError, match=said):
        own_term(lambda step: found, None)
