"""Assessment of a trained model: retrieval of the test people, and how consistent its pixels are within a part."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.store import Store, plain
from pivl.evaluation.consistency import Consistency, ConsistencyMeter, PixelBatch
from pivl.evaluation.retrieval import Ranking, Retrieval, rank, score
from pivl.fusion import LastTokens
from pivl.model import Trained
from pivl.prompts import Prompts
from pivl.stages.training_data import cell_labels
from pivl.train import Trainer

BATCH = 64  # pictures at a time: larger ones leave the cache of a CPU core and cost a third more there


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
    """Returns the trained model from its stored tensors, in evaluation mode."""
    trained = trainer.fresh()
    head = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    trained.head.load_state_dict(head)
    trained.model.load_state_dict(
        {name: value for name, value in state.items() if not name.startswith("head.")}
    )
    return trained.set_training(False)


def assess(trainer: Trainer, trained: Trained) -> Assessment:
    """Score `trained` on the benchmark's test people; the last epoch as it is, no epoch is chosen."""
    retrieval = retrieve(trainer, trained, rank)
    if trainer.split.query.part_map is None:
        return Assessment(retrieval, None, None)
    return Assessment(retrieval, *_consistencies(trainer, trained))


def retrieve(trainer: Trainer, trained: Trained, ranking: Ranking) -> Retrieval:
    """Returns every query of the test people, by `rank` or by re-ranking."""
    normalization = NORMALIZATIONS[trainer.recipe.normalization]
    return score(trained.model.embed, trainer.split, normalization, BATCH, trainer.device, ranking)


@torch.no_grad()
def _consistencies(trainer: Trainer, trained: Trained) -> tuple[Consistency, Consistency | None]:
    """Of the deployed tokens and of the fused map, in one pass over the queries."""
    recipe, labels, tower = trainer.recipe, trainer.split.labels, trained.model.tower
    texts = Prompts(trainer.clip.text, trainer.clip.vocabulary, labels).to(trainer.device).part_labels()
    tokens, fused = ConsistencyMeter(texts), ConsistencyMeter(texts)
    has_fusion = not isinstance(trained.head, LastTokens)
    store = Store.hold(trainer.split.query, trainer.device)
    for index in torch.arange(len(store)).split(BATCH):
        batch = plain(store.gather(index), NORMALIZATIONS[recipe.normalization])
        features = tower(batch.image, batch.camera)
        maps = ((tokens, features.tokens), *([(fused, trained.head(features))] if has_fusion else ()))
        for meter, feature in maps:
            grid, parts = feature.shape[-2:], len(labels.parts)
            part = cell_labels(recipe, tower, batch.part_map, grid, parts)
            meter.add(PixelBatch(feature, part, batch.person))
    return tokens.result(), fused.result() if has_fusion else None
