"""What a trained model is worth: retrieval of the test people, and how consistent its pixels are within a part."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pivl.consistency import Consistency, PixelBatch, measure_consistency
from pivl.data.store import Store, plain
from pivl.evaluation import Ranking, Retrieval, rank, score
from pivl.fusion import LastTokens
from pivl.prompts import Prompts
from pivl.stages import cell_labels
from pivl.towers.features import Features
from pivl.train import NORMALIZATIONS, Trained, Trainer

BATCH = 256  # pictures at a time; no result depends on it


@dataclass(frozen=True)
class Assessment:
    """Retrieval per query, and consistency of the deployed tokens and, where there is one, of the fused map.

    Both consistencies are None for a benchmark whose test pictures have no part maps.
    """

    retrieval: Retrieval
    tokens: Consistency | None
    fused: Consistency | None

    def consistency_metrics(self, same: tuple[tuple[int, int], ...]) -> dict[str, float]:
        """Named figures; parts in `same` count as one for the accuracy, as texts hardly tell left from right."""
        named = {"part": self.tokens, "fused_part": self.fused}
        return {
            f"{name}_{key}": value
            for name, found in named.items()
            if found is not None
            for key, value in {
                "accuracy": found.part_accuracy(same),
                "majority": found.majority_share(same),
                "margin": found.margin,
                "margin_across": found.margin_across,
            }.items()
        }


def restore(trainer: Trainer, state: Mapping[str, Tensor]) -> Trained:
    """The trained model from its stored tensors, in evaluation mode."""
    trained = trainer.fresh()
    head = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    trained.head.load_state_dict(head)
    trained.model.load_state_dict(
        {name: value for name, value in state.items() if not name.startswith("head.")}
    )
    return trained.set_training(False)


def assess(trainer: Trainer, trained: Trained) -> Assessment:
    """Score `trained` on the benchmark's test people; the last epoch as it is, no epoch is chosen."""
    retrieval = search(trainer, trained, rank)
    if trainer.split.query.part_map is None:
        return Assessment(retrieval, None, None)
    tokens = _consistency(trainer, trained, lambda features: features.tokens)
    fused = None if isinstance(trained.head, LastTokens) else _consistency(trainer, trained, trained.head)
    return Assessment(retrieval, tokens, fused)


def search(trainer: Trainer, trained: Trained, ranking: Ranking) -> Retrieval:
    """Every query of the test people, by `rank` or by re-ranking."""
    normalization = NORMALIZATIONS[trainer.recipe.normalization]
    return score(trained.model.embed, trainer.split, normalization, BATCH, trainer.device, ranking)


@torch.no_grad()
def _consistency(trainer: Trainer, trained: Trained, read: Callable[[Features], Tensor]) -> Consistency:
    prompts = Prompts(trainer.clip.text, trainer.clip.vocabulary, trainer.split.labels).to(trainer.device)
    return measure_consistency(_pixels(trainer, trained, read), prompts.part_labels())


def _pixels(trainer: Trainer, trained: Trained, read: Callable[[Features], Tensor]) -> Iterator[PixelBatch]:
    recipe, store = trainer.recipe, Store.hold(trainer.split.query, trainer.device)
    for index in torch.arange(len(store)).split(BATCH):
        batch = plain(store.gather(index), NORMALIZATIONS[recipe.normalization])
        feature = read(trained.model.tower(batch.image, batch.camera))
        if batch.part_map is not None:
            tower, parts = trained.model.tower, len(trainer.split.labels.parts)
            part = cell_labels(recipe, tower, batch.part_map, feature.shape[-2:], parts)
            yield PixelBatch(feature, part, batch.person)
