"""The training of prompts: what trains, and by which targets."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.part_maps.labels import IGNORE, LIP
from pivl.data.store import plain
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.stages.prompt_tuning import identity_terms, part_terms, prompt_schedule, tune_prompts
from pivl.stages.training_data import PromptData, Similarity, TrainingData, cell_labels, similarity
from pivl.system.random_streams import torch_stream
from pivl.train import run_stage
from tests.support.tiny_models import PI_VL, RECIPE, tiny_clip, tiny_split, tiny_trainer

COSINE = Similarity(True, 0.07)


def _bits(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_stage_one_moves_tokens_and_nothing_else():
    trainer = tiny_trainer(PI_VL)
    vision, text = _bits(trainer.clip.vision), _bits(trainer.clip.text)
    identity = trainer.tune_prompts("identity-prompts")
    parts = trainer.tune_prompts("part-prompts", identity)
    assert not torch.equal(identity, parts)
    for before, module in ((vision, trainer.clip.vision), (text, trainer.clip.text)):
        for name, value in module.state_dict().items():
            assert torch.equal(before[name], value), name  # batch-norm statistics too


def test_stage_one_learns_texts_that_tell_people_and_parts_apart():
    """Eight well separated people of two parts each: chance is log 16 and log 64 a direction, tuning goes far below."""
    clip, person = tiny_clip(), torch.arange(8).repeat_interleave(2)
    prompts = Prompts(clip.text, clip.vocabulary, LIP)
    tokens = nn.Parameter(draw_identity_tokens(8, 4, 32, torch.Generator().manual_seed(0)))
    centres = torch.randn(8, 2, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([2, 5]).expand(16, 1, 2)
    recipe = replace(RECIPE, identity_epochs=60, part_epochs=60)

    def batches(_):
        return [torch.arange(16)]

    dense = centres[person].permute(0, 2, 1)[:, :, None]
    data = PromptData(person, batches, COSINE, centres.sum(1)[person], dense, labels)
    identity = list(tune_prompts("identity-prompts", recipe, prompts, tokens, data))
    part = list(tune_prompts("part-prompts", recipe, prompts, tokens, data))
    for steps in (identity, part):
        first, last = (float(sum(step.terms.values())) for step in (steps[0], steps[-1]))
        assert last < 0.7 * first


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("background", ["class", "balanced"])
def test_the_dense_contrast_pairs_same_person_and_same_part_by_hand(similarity, background):
    """One step at rate 0 gives the loss of the drawn tokens, compared with a loop over texts and pixels."""
    clip = tiny_clip()
    prompts = Prompts(clip.text, clip.vocabulary, LIP)
    tokens = nn.Parameter(draw_identity_tokens(2, 4, 32, torch.Generator().manual_seed(0)))
    dense = torch.randn(2, 32, 1, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[[2, 2, 5]], [[2, IGNORE, 5]]])
    recipe = replace(
        RECIPE,
        part_epochs=1,
        part_rate=1e-12,
        part_warmup_epochs=0,
        part_similarity=similarity,
        background=background,
    )
    everything = torch.tensor([0, 1])
    data = PromptData(everything, lambda _: [everything], COSINE, None, dense, labels)
    (step,) = tune_prompts("part-prompts", recipe, prompts, tokens, data)

    pixels = [
        (person, int(labels[person, 0, x]), dense[person, :, 0, x]) for person in (0, 1) for x in range(3)
    ]
    pixels = [pixel for pixel in pixels if pixel[1] != IGNORE]
    pairs = sorted({pixel[:2] for pixel in pixels})
    drawn = tokens.detach()
    texts = [prompts.parts(drawn, torch.tensor([person]), torch.tensor([part]))[0] for person, part in pairs]
    compare = partial(nn.functional.cosine_similarity, dim=0) if similarity == "cosine" else torch.dot
    cosine = torch.tensor([[float(compare(text, pixel[2])) for pixel in pixels] for text in texts])
    scaled = cosine / recipe.part_temperature
    match = torch.tensor([[pair == pixel[:2] for pixel in pixels] for pair in pairs])
    to_pixel = -torch.stack(
        [scaled.log_softmax(1)[row][match[row]].mean() for row in range(len(pairs))]
    ).mean()
    costs = -scaled.log_softmax(0).T[match.T]
    shares = torch.tensor([1 / 4, 1 / 4, 1 / 2, 1 / 2, 1 / 2]) / 2  # each picture's two parts the same
    to_text = costs.mean() if background == "class" else (shares * costs).sum()
    assert float(step.terms["text_to_pixel"]) == pytest.approx(float(to_pixel), rel=1e-4)
    assert float(step.terms["pixel_to_text"]) == pytest.approx(float(to_text), rel=1e-4)


def _factors(recipe, stage):
    schedule = prompt_schedule(recipe, stage)
    epochs = recipe.identity_epochs if stage == "identity-prompts" else recipe.part_epochs
    return [schedule(epoch, 0.0) for epoch in range(1, epochs + 1)]


def test_one_cosine_goes_on_where_stage_1a_ends_and_two_begin_anew():
    recipe = replace(PI_VL, identity_epochs=60, part_epochs=20)
    first, second = (_factors(recipe, stage) for stage in ("identity-prompts", "part-prompts"))
    one = replace(recipe, prompt_cosine="one")
    through = _factors(one, "identity-prompts") + _factors(one, "part-prompts")
    assert through == _factors(replace(recipe, identity_epochs=80), "identity-prompts")
    least = recipe.prompt_least_rate / recipe.prompt_rate
    assert first[-1] == second[-1] == through[-1] == pytest.approx(least)
    assert through[59] > 0.1 > first[59]
    assert second[5] > 0.7 > 0.15 > through[65]
    stages = {made.stage_choices("identity-prompts").get("part_epochs") for made in (recipe, one)}
    assert stages == {None, 20}  # 1a then depends on how long 1b will be


def test_stage_1b_warms_up_as_1a_unless_told_otherwise():
    recipe = replace(PI_VL, part_epochs=20, prompt_warmup_epochs=8)
    for epochs, warm in ((-1, 8), (0, 0), (3, 3)):
        factors = _factors(replace(recipe, part_warmup_epochs=epochs), "part-prompts")
        of_1a = replace(recipe, identity_epochs=20, prompt_warmup_epochs=warm)
        assert factors == _factors(of_1a, "identity-prompts"), epochs


def test_stage_1b_may_be_shuffled():
    pictures = len(tiny_split().train)
    for sampling, drawn in (("identity", False), ("shuffle", True)):
        trainer = tiny_trainer(replace(PI_VL, part_sampling=sampling))
        data = TrainingData.hold(trainer.recipe, trainer.split, trainer.clip, 0, trainer.device)
        batches = data.for_prompts("part-prompts").batches(1)
        people = [len(data.store.person[index].unique()) for index in batches]
        assert (set(people) != {4}) == drawn  # 16 pictures of 4 people
        assert len(torch.cat(list(batches)).unique()) <= pictures


def test_an_anchored_stage_1b_adds_the_loss_of_stage_1a_to_its_own():
    """Its first step, from the tokens of 1a: the terms of both stages on one batch."""
    steps = {}
    for schedule in ("after", "anchored"):
        recipe = replace(PI_VL, part_schedule=schedule, identity_epochs=1, part_epochs=3)
        trainer = tiny_trainer(recipe)
        before = trainer.tune_prompts("identity-prompts")
        tokens, prompts = nn.Parameter(before.clone()), trainer.prompts()
        made = TrainingData.hold(recipe, trainer.split, trainer.clip, trainer.seed, trainer.device)
        data = made.for_prompts("part-prompts")
        fit = tune_prompts("part-prompts", recipe, prompts, tokens, data)
        steps[schedule] = next(iter(fit))
        assert (data.image is None) == (schedule == "after")
    assert steps["anchored"].epochs == steps["after"].epochs == 3
    made = TrainingData.hold(recipe, trainer.split, trainer.clip, trainer.seed, trainer.device)
    (index, *_) = made.for_prompts("part-prompts").batches(1)  # of a stream that nothing was drawn from
    wanted = {**steps["after"].terms, **identity_terms(recipe, prompts, before, data)(index)}
    assert set(steps["anchored"].terms) == set(wanted)
    for name, value in wanted.items():
        assert float(steps["anchored"].terms[name]) == pytest.approx(float(value), rel=1e-5), name
    assert recipe.stages() == PI_VL.stages()
    stages = {one.stage_choices("identity-prompts").get("part_schedule") for one in (PI_VL, recipe)}
    assert stages == {None}  # 1a is shared with the schedule that has no anchor
    for stage in ("identity-prompts", "part-prompts"):
        assert _factors(recipe, stage) == _factors(replace(recipe, part_schedule="after"), stage)


def test_joint_tuning_steps_on_both_losses_from_fresh_tokens():
    """Its first step has the terms of a first step of 1a and of one of 1b from the same fresh tokens, on one batch."""
    recipe = replace(
        PI_VL,
        part_schedule="joint",
        global_text="tuned",
        prompt_sampling="identity",
        identity_epochs=2,
        part_epochs=1,
    )
    steps = []
    trainer = tiny_trainer(recipe, report=lambda stage, step: steps.append((stage, step)))
    state = run_stage(trainer, "part-prompts", {})
    assert {stage for stage, _ in steps} == {"part-prompts"}
    assert steps[-1][1].epochs == 3
    fresh = draw_identity_tokens(8, 4, 32, torch_stream(trainer.seed, "identity-tokens"))
    made = TrainingData.hold(recipe, trainer.split, trainer.clip, trainer.seed, trainer.device)
    (index, *_) = made.for_prompts("part-prompts").batches(1)
    store = made.store
    features = trainer.clip.vision(plain(store.gather(index), NORMALIZATIONS[recipe.normalization]).image)
    prompts = Prompts(trainer.clip.text, trainer.clip.vocabulary, LIP)
    labels = cell_labels(recipe, trainer.clip.vision, store.part_map[index], features.tokens.shape[-2:], 20)
    compared = similarity(recipe, trainer.clip)
    data = PromptData(store.person[index], lambda _: [], compared, features.proj, features.tokens, labels)
    everything = torch.arange(len(index))
    wanted = {
        name: value
        for make in (identity_terms, part_terms)
        for name, value in make(recipe, prompts, fresh, data)(everything).items()
    }
    assert set(steps[0][1].terms) == set(wanted)
    for name, value in wanted.items():
        assert float(steps[0][1].terms[name]) == pytest.approx(float(value.detach()), rel=1e-5), name
    texts = trainer.texts(None, state["tokens"])
    assert texts.people is not None
    assert texts.parts is not None
