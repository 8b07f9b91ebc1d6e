"""From a benchmark, a CLIP and a seed to a trained model: the stages put together, each drawing from its own streams."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from pivl.data.augmentation.augment import augment
from pivl.data.augmentation.draws import Augmentation, draw_rows
from pivl.data.pictures import Split
from pivl.data.sampler import identity_batches, shuffled_batches
from pivl.data.store import CLIP, HALF, IMAGENET, Batch, Normalization, Store, plain
from pivl.fusion import make_head
from pivl.loop import Fit, Report, Step, autocast
from pivl.model import ReIDModel
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.recipe import Recipe, Stage
from pivl.snapshot import Keep, Snapshot, Training
from pivl.stages import (
    Batches,
    BatchSource,
    Similarity,
    Texts,
    align_images,
    cell_labels,
    identity_terms,
    part_terms,
    tune_identity_prompts,
    tune_jointly,
    tune_part_prompts,
)
from pivl.system.data_parallel import share, synchronize
from pivl.system.random_streams import Streams, torch_stream
from pivl.towers.clip import Clip
from pivl.towers.features import Features
from pivl.towers.student import StudentTower, build_student

NORMALIZATIONS: dict[str, Normalization] = {"imagenet": IMAGENET, "half": HALF, "clip": CLIP}


@dataclass(frozen=True)
class Trained:
    """What stage 2 leaves: the model that is deployed, and the training-only head that reads its dense features."""

    model: ReIDModel
    head: nn.Module

    def state(self) -> dict[str, Tensor]:
        """All tensors on the CPU by name; those that are not deployed begin with "head."."""
        named = {**self.model.state_dict(), **self.head.state_dict(prefix="head.")}
        return {name: value.detach().cpu().contiguous() for name, value in named.items()}

    def both(self) -> nn.Module:
        """Model and head as one module."""
        return nn.ModuleDict({"model": self.model, "head": self.head})

    def set_training(self, training: bool) -> "Trained":
        """Model and head in training or in evaluation mode."""
        self.both().train(training)
        return self


AfterEpoch = Callable[[int, Trained], object]
"""Looks at the model after an epoch (1-based) of stage 2, in evaluation mode, and may raise to end the training."""


@dataclass(frozen=True)
class Trainer:
    """Everything that the stages of one run share: recipe, benchmark, frozen CLIP, seed and device.

    `clip` is never changed; stage 2 trains a copy of its image tower, or the recipe's student. `limit_steps`: end each
    stage after so many steps, to see it work. `keep` may take snapshots; the stage that `resume` was taken of goes on
    from it. `after_epoch` looks at the model of stage 2 as it comes to be. `student`: the tensors that the student starts
    from (towers.student_weights); None: from random ones.
    """

    recipe: Recipe
    split: Split
    clip: Clip
    seed: int
    device: torch.device
    report: Report
    limit_steps: int | None = None
    keep: Keep = lambda step, take: None
    resume: Snapshot | None = None
    after_epoch: AfterEpoch = lambda epoch, trained: None
    student: Mapping[str, Tensor] | None = None

    def tune_identity_prompts(self) -> Tensor:
        """Stage 1a: identity tokens [P, M, W] on the CPU."""
        recipe, store, streams = self._begin()
        tokens = self._fresh_tokens()
        image = self._cache(store, lambda features: features.proj)
        steps = tune_identity_prompts(
            recipe,
            self._prompts(),
            tokens,
            image,
            store.person,
            self._prompt_batches(streams, "identity-prompts"),
            self.similarity(),
        )
        return self._finish("identity-prompts", steps, tokens, streams)

    def tune_part_prompts(self, tokens: Tensor) -> Tensor:
        """Stage 1b: the tokens of stage 1a, tuned on by dense contrast; [P, M, W] on the CPU."""
        recipe, store, streams = self._begin()
        tuned = nn.Parameter(tokens.to(self.device).clone())
        dense, labels = self._dense(store)
        batches = self._prompt_batches(streams, "part-prompts")
        steps = tune_part_prompts(recipe, self._prompts(), tuned, dense, labels, store.person, batches)
        return self._finish("part-prompts", steps, tuned, streams)

    def tune_jointly(self) -> Tensor:
        """Stages 1a and 1b in one, as in the paper's version 2; [P, M, W] on the CPU."""
        recipe, store, streams = self._begin()
        prompts, tokens = self._prompts(), self._fresh_tokens()
        image = self._cache(store, lambda features: features.proj)
        dense, labels = self._dense(store)
        steps = tune_jointly(
            recipe,
            prompts,
            tokens,
            self._prompt_batches(streams, "part-prompts"),
            identity_terms(recipe, prompts, tokens, image, store.person, self.similarity()),
            part_terms(recipe, prompts, tokens, dense, labels, store.person),
        )
        return self._finish("part-prompts", steps, tokens, streams)

    def align_images(self, texts: Texts) -> Trained:
        """Stage 2: the image tower under `texts`, in evaluation mode."""
        recipe, store, streams = self._begin()
        fresh = self.fresh()
        synchronize(fresh.model)
        batches = self._identity_batches(streams, "image-batches", recipe.people_per_batch)
        supply = BatchSource(batches, self._augmented(streams, store))
        steps = align_images(recipe, fresh.model, fresh.head, texts, self.similarity(), supply)

        def look(step: Step) -> None:
            if step.step == step.steps:
                self.after_epoch(step.epoch, self._ready(fresh))
                fresh.set_training(True)

        self._follow(Training("image-tower", steps, fresh.both(), streams), look)
        return self._ready(fresh)

    def fresh(self) -> Trained:
        """The model and head as stage 2 begins: CLIP's image tower or a student, and what this seed draws beside it."""
        tower = self._fresh_student() if self.recipe.student else copy.deepcopy(self.clip.vision)
        if self.recipe.camera_embedding > 0:
            sets = (self.split.train, self.split.query, self.split.gallery)
            cameras, scale = 1 + max(int(one.camera.max()) for one in sets), self.recipe.camera_embedding
            tower.add_camera_embedding(cameras, scale, self._stream("camera-embedding"))
        model = ReIDModel(tower, self._people(), self._stream("classifiers"))
        head = make_head(self.recipe, tower, self._stream("fusion-head"))
        return Trained(model.to(self.device).in_quick_layout(), head.to(self.device))

    def _ready(self, trained: Trained) -> Trained:
        """`trained` as it is assessed and stored: in evaluation mode, cameras that it has not seen like the others."""
        trained.model.tower.average_cameras(self.split.train.camera)
        return trained.set_training(False)

    def _fresh_student(self) -> StudentTower:
        recipe, width = self.recipe, self.clip.architecture.vision.embed_dim
        return build_student(recipe.student, recipe.image_size, width, self._stream("student"), self.student)

    @torch.no_grad()
    def texts(self, after_identity: Tensor | None, after_parts: Tensor | None) -> Texts:
        """The texts that stage 2 aims at, from the tokens after stage 1a and, where it ran, after stage 1b."""
        recipe, prompts = self.recipe, self._prompts()
        tuned = after_identity if after_parts is None or recipe.global_text == "before-parts" else after_parts
        people = None
        if recipe.image_to_text_weight > 0:
            if tuned is None:
                raise ValueError("image-to-text supervision needs the tokens of stage 1a")
            people = torch.cat([prompts.people(some) for some in tuned.to(self.device).split(256)])
        if recipe.part_text == "none":
            return Texts(people, None)
        labels = prompts.part_labels()
        if recipe.part_text == "label":
            return Texts(people, labels[None].expand(self._people(), -1, -1))
        if after_parts is None:
            raise ValueError("identity-aware part texts need the tokens of stage 1b")
        return Texts(people, self._control(self._part_table(prompts, after_parts.to(self.device))))

    def similarity(self) -> Similarity:
        """How images and texts are compared: as the recipe says, with the scale of this CLIP."""
        if self.recipe.similarity == "dot":
            return Similarity(False, 1.0)
        return Similarity(True, 1 / math.exp(self.clip.logit_scale))

    def _begin(self) -> tuple[Recipe, Store, Streams]:
        return self.recipe, Store.hold(self.split.train, self.device), Streams(self.seed)

    def _fresh_tokens(self) -> nn.Parameter:
        count, width = self.recipe.identity_tokens, self.clip.text.architecture.width
        drawn = draw_identity_tokens(self._people(), count, width, self._stream("identity-tokens"))
        return nn.Parameter(drawn.to(self.device))

    def _dense(self, store: Store) -> tuple[Tensor, Tensor]:
        """The frozen tower's tokens of all training pictures [N, D, h, w], and the part of each [N, h, w]."""
        dense = self._cache(store, lambda features: features.tokens)
        parts = len(self.split.labels.parts)
        return dense, cell_labels(self.recipe, self.clip.vision, store.part_map, dense.shape[-2:], parts)

    def _part_table(self, prompts: Prompts, tokens: Tensor) -> Tensor:
        parts = len(self.split.labels.parts)
        every = torch.arange(len(tokens) * parts, device=self.device)
        rows = [prompts.parts(tokens, some // parts, some % parts) for some in every.split(64 * parts)]
        return torch.cat(rows).unflatten(0, (-1, parts))

    def _control(self, table: Tensor) -> Tensor:
        """The part texts [P, parts, D] themselves, or what a control row puts in their place."""
        generator = self._stream("part-targets")
        if self.recipe.part_targets == "random":
            return torch.randn(table.shape, generator=generator).to(table)
        if self.recipe.part_targets == "permuted":
            flat = table.flatten(0, 1)
            return flat[torch.randperm(len(flat), generator=generator).to(flat.device)].view_as(table)
        return table

    def _people(self) -> int:
        return int(self.split.train.person.max()) + 1

    def _prompts(self) -> Prompts:
        return Prompts(self.clip.text, self.clip.vocabulary, self.split.labels).to(self.device).eval()

    def _stream(self, name: str) -> torch.Generator:
        return torch_stream(self.seed, name)

    def _identity_batches(self, streams: Streams, name: str, people: int) -> Batches:
        person, images, stream = self.split.train.person, self.recipe.images_per_person, streams.open(name)
        return lambda _: identity_batches(person, people, images, streams.mark(stream))

    def _prompt_batches(self, streams: Streams, name: str) -> Batches:
        recipe = self.recipe
        if recipe.prompt_sampling == "identity" or name == "part-prompts":
            return self._identity_batches(streams, name, recipe.prompt_batch // recipe.images_per_person)
        count, stream = len(self.split.train), streams.open(name)
        return lambda _: shuffled_batches(count, recipe.prompt_batch, streams.mark(stream))

    def _augmented(self, streams: Streams, store: Store) -> Callable[[Tensor], Batch]:
        recipe, generator = self.recipe, streams.open("augmentation")
        augmentation = Augmentation(recipe.flip_probability, recipe.padding, recipe.erase_probability)
        normalization = NORMALIZATIONS[recipe.normalization]
        mirror_table = torch.from_numpy(self.split.labels.mirror_table())

        def fetch(index: Tensor) -> Batch:
            draws = share(draw_rows(len(index), generator))
            return augment(store.gather(share(index)), augmentation, normalization, mirror_table, draws)

        return fetch

    @torch.no_grad()
    def _cache(self, store: Store, read: Callable[[Features], Tensor]) -> Tensor:
        """What `read` takes from the frozen tower's features of all training pictures, as they are."""
        vision = self.clip.vision.to(self.device).eval()
        normalization = NORMALIZATIONS[self.recipe.normalization]
        cached: Tensor | None = None
        for index in torch.arange(len(store)).split(256):
            with autocast(self.device, self.recipe.precision):
                seen = read(vision(plain(store.gather(index), normalization).image))
            if cached is None:  # filled in place: gathering the chunks at the end would need twice the memory
                cached = seen.new_empty(len(store), *seen.shape[1:])
            cached[index.to(cached.device)] = seen
        assert cached is not None
        return cached

    def _follow(self, training: Training, look: Callable[[Step], None] = lambda step: None) -> None:
        if self.resume is not None and self.resume.stage == training.stage:
            training.put_back(self.resume)
        left = None if self.limit_steps is None else max(0, self.limit_steps - training.fit.place[2])
        for step in islice(training.fit, left):
            self.report(training.stage, step)
            look(step)
            self.keep(step, training.take)

    def _finish(self, stage: Stage, steps: Fit[Tensor], tokens: nn.Parameter, streams: Streams) -> Tensor:
        self._follow(Training(stage, steps, nn.ParameterDict({"tokens": tokens}), streams))
        return tokens.detach().cpu()


def run_stage(
    trainer: Trainer, stage: Stage, before: Mapping[Stage, Mapping[str, Tensor]]
) -> dict[str, Tensor]:
    """Run one stage from the tensors that the stages before it left; its own are returned, on the CPU."""
    tokens = {name: state["tokens"] for name, state in before.items()}
    if stage == "identity-prompts":
        return {"tokens": trainer.tune_identity_prompts()}
    if stage == "part-prompts":
        if trainer.recipe.part_schedule == "joint":
            return {"tokens": trainer.tune_jointly()}
        return {"tokens": trainer.tune_part_prompts(tokens["identity-prompts"])}
    texts = trainer.texts(tokens.get("identity-prompts"), tokens.get("part-prompts"))
    return trainer.align_images(texts).state()
