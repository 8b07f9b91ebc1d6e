"""The stages of one run put together: a benchmark, a CLIP and a seed become a trained model."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pivl.data.pictures import Split
from pivl.fusion import make_head, make_own_head
from pivl.loop import Report, Step
from pivl.model import ReIDModel, Trained
from pivl.prompts import Prompts, draw_identity_tokens
from pivl.recipe import Recipe, Stage
from pivl.snapshot import OnStep, Snapshot, Training
from pivl.stages.image_alignment import align_images
from pivl.stages.own_code import NO_CODE, OwnCode
from pivl.stages.prompt_tuning import tune_prompts
from pivl.stages.target_texts import Texts, substitute, target_texts
from pivl.stages.training_data import TrainingData, similarity
from pivl.system.data_parallel import synchronize
from pivl.system.random_streams import torch_stream
from pivl.towers.clip import Clip
from pivl.towers.student import StudentTower, build_student

AfterEpoch = Callable[[int, Trained], object]
"""Is called with each epoch (1-based) of stage 2 and the model in evaluation mode; may raise to end the training."""


@dataclass(frozen=True)
class Trainer:
    """The choices that the stages of one run share: recipe, benchmark, frozen CLIP, seed and device.

    `clip` is never changed; stage 2 trains a copy of its image tower, or the recipe's student. `report` is called after
    every step. `limit_steps`: the most steps of each stage, for a quick try. `student`: tensors that the student starts
    from (towers.student_weights); None: from random ones. `own`: the loss and head that the recipe names.
    """

    recipe: Recipe
    split: Split
    clip: Clip
    seed: int
    device: torch.device
    report: Report
    limit_steps: int | None = None
    student: Mapping[str, Tensor] | None = None
    own: OwnCode = NO_CODE

    def tune_prompts(
        self, stage: Stage, tokens: Tensor | None = None, on_step: OnStep | None = None,
        resume_from: Snapshot | None = None,
    ) -> Tensor:  # fmt: skip
        """Runs stage 1a or 1b on `tokens`, or on fresh ones; returns identity tokens [P, M, W] on the CPU."""
        data = self._data()
        tuned = nn.Parameter((self._fresh_tokens() if tokens is None else tokens.clone()).to(self.device))
        fit = tune_prompts(stage, self.recipe, self.prompts(), tuned, data.for_prompts(stage))
        training = Training(stage, fit, nn.ParameterDict({"tokens": tuned}), data.streams)
        training.run(self.report, self.limit_steps, on_step, resume_from)
        return tuned.detach().cpu()

    def align_images(
        self, texts: Texts, on_step: OnStep | None = None, resume_from: Snapshot | None = None,
        after_epoch: AfterEpoch | None = None,
    ) -> Trained:  # fmt: skip
        """Runs stage 2 towards `texts`; returns model and head in evaluation mode."""
        data, fresh = self._data(), self.fresh()
        synchronize(fresh.model)
        compared = similarity(self.recipe, self.clip)
        fit = align_images(
            self.recipe, fresh.model, fresh.head, texts, compared, data.for_images(), self.own.loss
        )

        def report(stage: str, step: Step) -> None:
            self.report(stage, step)
            if after_epoch is not None and step.step == step.steps:
                after_epoch(step.epoch, self._ready(fresh))
                fresh.set_training(True)

        training = Training("image-tower", fit, fresh.both(), data.streams)
        training.run(report, self.limit_steps, on_step, resume_from)
        return self._ready(fresh)

    def fresh(self) -> Trained:
        """Returns model and head at the start of stage 2: CLIP's image tower or a student, the rest drawn by the seed."""
        tower = self._fresh_student() if self.recipe.student else copy.deepcopy(self.clip.vision)
        if self.recipe.camera_embedding > 0:
            sets = (self.split.train, self.split.query, self.split.gallery)
            cameras, scale = 1 + max(int(one.camera.max()) for one in sets), self.recipe.camera_embedding
            tower.add_camera_embedding(cameras, scale, self._stream("camera-embedding"))
        model = ReIDModel(tower, self._people(), self._stream("classifiers"))
        drawn, make = self._stream("fusion-head"), self.own.head
        head = (
            make_own_head(make, self.recipe, tower, drawn) if make else make_head(self.recipe, tower, drawn)
        )
        return Trained(model.to(self.device).in_quick_layout(), head.to(self.device))

    def texts(self, after_identity: Tensor | None, after_parts: Tensor | None) -> Texts:
        """Returns the texts that stage 2 aims at, from the tokens after stage 1a and, where it ran, after stage 1b."""
        described = self.split.descriptions
        texts = target_texts(
            self.recipe, self.prompts(), self._people(), after_identity, after_parts, described
        )
        return substitute(self.recipe, texts, self._stream, lambda: self._data().mean_features())

    def prompts(self) -> Prompts:
        """Returns the encoder of prompts, on the device."""
        clip, recipe = self.clip, self.recipe
        prompts = Prompts(
            clip.text, clip.vocabulary, self.split.labels, recipe.part_template, recipe.part_wording
        )
        return prompts.to(self.device).eval()

    def _data(self) -> TrainingData:
        return TrainingData.hold(self.recipe, self.split, self.clip, self.seed, self.device)

    def _ready(self, trained: Trained) -> Trained:
        """Returns `trained` as it is assessed and stored: in evaluation mode, unseen cameras like the others."""
        trained.model.tower.average_cameras(self.split.train.camera)
        return trained.set_training(False)

    def _fresh_student(self) -> StudentTower:
        recipe, width = self.recipe, self.clip.architecture.vision.embed_dim
        return build_student(recipe.student, recipe.image_size, width, self._stream("student"), self.student)

    def _fresh_tokens(self) -> Tensor:
        count, width = self.recipe.identity_tokens, self.clip.text.architecture.width
        return draw_identity_tokens(self._people(), count, width, self._stream("identity-tokens"))

    def _people(self) -> int:
        return int(self.split.train.person.max()) + 1

    def _stream(self, name: str) -> torch.Generator:
        return torch_stream(self.seed, name)


def run_stage(
    trainer: Trainer,
    stage: Stage,
    before: Mapping[Stage, Mapping[str, Tensor]],
    on_step: OnStep | None = None,
    resume_from: Snapshot | None = None,
    after_epoch: AfterEpoch | None = None,
) -> dict[str, Tensor]:
    """Runs one stage from the tensors that the stages before it left; returns its own, on the CPU.

    `on_step` may take snapshots; a stage resumes from one of itself. `after_epoch` is for stage 2.
    """
    identity, parts = (
        before[one]["tokens"] if one in before else None for one in ("identity-prompts", "part-prompts")
    )
    if stage == "image-tower":
        texts = trainer.texts(identity, parts)
        return trainer.align_images(texts, on_step, resume_from, after_epoch).state()
    return {"tokens": trainer.tune_prompts(stage, identity, on_step, resume_from)}
