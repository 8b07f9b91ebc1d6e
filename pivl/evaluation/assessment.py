"""Assessment of a trained model: retrieval of the test people, and whether its pixels know parts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.normalization import NORMALIZATIONS
from pivl.data.pictures import Pictures, Split
from pivl.evaluation.background_swap import draw_sources, swap_backgrounds
from pivl.evaluation.confusion import Confusion
from pivl.evaluation.consistency import Consistency, ConsistencyMeter, PixelBatch
from pivl.evaluation.part_probe import PICTURES, PartProbe
from pivl.evaluation.retrieval import Embed, Ranking, Retrieval, rank, score
from pivl.fusion import LastTokens
from pivl.model import Trained
from pivl.stages.target_texts import Texts
from pivl.stages.training_data import cell_labels, evenly_spaced
from pivl.system.random_streams import torch_stream
from pivl.train import Trainer

BATCH = 64  # pictures at a time: larger ones leave the cache of a CPU core and cost a third more there
VIEWED = 2  # parts are looked at in one batch of queries of so many: 640 of 1,200 queries have 20,000 cells of tokens


@dataclass(frozen=True)
class PartView:
    """Whether dense features of test pictures know parts: by texts and each other, and by their nearest neighbours."""

    consistency: Consistency
    neighbours: Confusion


@dataclass(frozen=True)
class Assessment:
    """Retrieval per query, and what the deployed tokens and, where there is one, the fused map know of parts.

    Both views are None for a benchmark whose test pictures have no part maps.
    """

    retrieval: Retrieval
    tokens: PartView | None
    fused: PartView | None

    def consistency_metrics(self, same: tuple[tuple[int, int], ...]) -> dict[str, float]:
        """Named figures; parts in `same` count as one for the accuracy, as texts hardly tell left from right."""
        return {
            f"{name}_{key}": value
            for name, found in self._views.items()
            for key, value in {
                "accuracy": found.consistency.part_accuracy(same),
                "majority": found.consistency.majority_share(same),
                "margin": found.consistency.margin,
                "margin_across": found.consistency.margin_across,
            }.items()
        }

    def part_health(self, same: tuple[tuple[int, int], ...]) -> dict[str, float]:
        """Balanced shares in percent: by labels, by aligned texts, by neighbours; and what a guess has on the grid."""
        found = {}
        for name, view in self._views.items():
            by_label = Confusion(view.consistency.nearest).merged(same)
            found[f"{name}_balanced"] = 100 * by_label.balanced
            found[f"{name}_balanced_chance"] = 100 * by_label.balanced_chance
            if view.consistency.nearest_aligned is not None:
                by_aligned = Confusion(view.consistency.nearest_aligned).merged(same)
                found[f"{name}_aligned_balanced"] = 100 * by_aligned.balanced
            found[f"{name}_neighbours_balanced"] = 100 * view.neighbours.balanced
        return found

    @property
    def _views(self) -> dict[str, PartView]:
        named = {"part": self.tokens, "fused_part": self.fused}
        return {name: view for name, view in named.items() if view is not None}


def restore(trainer: Trainer, state: Mapping[str, Tensor]) -> Trained:
    """Returns the trained model from its stored tensors, in evaluation mode."""
    trained = trainer.fresh()
    head = {name.removeprefix("head."): value for name, value in state.items() if name.startswith("head.")}
    trained.head.load_state_dict(head)
    trained.model.load_state_dict(
        {name: value for name, value in state.items() if not name.startswith("head.")}
    )
    return trained.set_training(False)


def assess(trainer: Trainer, trained: Trained, texts: Texts | None = None) -> Assessment:
    """Score `trained` on the benchmark's test people; the last epoch as it is, no epoch is chosen.

    `texts`: what it was aligned with, where its features shall be held to that, too.
    """
    if trainer.split.query.part_map is None:
        return Assessment(retrieve(trainer, trained, rank), None, None)
    viewer = PartViewer.of(trainer, trained, None if texts is None else texts.parts)
    retrieval = retrieve(trainer, trained, rank, embed_query=viewer.embed)
    return Assessment(retrieval, *viewer.result())


def retrieve(
    trainer: Trainer, trained: Trained, ranking: Ranking, split: Split | None = None,
    embed_query: Embed | None = None,
) -> Retrieval:  # fmt: skip
    """Returns every query of the test people, by `rank` or by re-ranking; `split`: other pictures than the trainer's.

    `embed_query`: see `score`.
    """
    normalization = NORMALIZATIONS[trainer.recipe.normalization_of("image-tower")]
    embed, device = trained.model.embed, trainer.device
    return score(embed, split or trainer.split, normalization, BATCH, device, ranking, embed_query)


def retrieve_swapped(trainer: Trainer, trained: Trained) -> Retrieval | None:
    """Returns every query among test pictures whose surroundings are exchanged, the same for all rows and seeds.

    None where test pictures have no part maps, which say where surroundings are, or a picture has no source of them.
    """
    split = trainer.split
    if split.query.part_map is None or split.gallery.part_map is None:
        return None
    query = _swapped(split.query, "query")
    gallery = query if split.gallery is split.query else _swapped(split.gallery, "gallery")
    if query is None or gallery is None:
        return None
    return retrieve(trainer, trained, rank, replace(split, query=query, gallery=gallery))


@lru_cache(maxsize=2)  # the same for all rows and seeds
def _swapped(pictures: Pictures, name: str) -> Pictures | None:
    sources = draw_sources(pictures, torch_stream(0, f"background swap, {name}, same-camera"))
    return None if sources is None else swap_backgrounds(pictures, sources)


def swap_health(trainer: Trainer, trained: Trained) -> dict[str, float]:
    """Returns mAP in percent with surroundings exchanged, or nothing where it is not defined."""
    swapped = retrieve_swapped(trainer, trained)
    return {} if swapped is None else {"map_swapped_same_camera": 100 * swapped.map}


@dataclass
class PartViewer:
    """Describes the queries, which have part maps, in their order, and looks at what the cells of some know of parts.

    `meters`: of the deployed tokens and, where there is fusion, of the fused map. `viewed` bool [N]: the queries whose
    cells are looked at, whole batches; `probed`: those that the probe takes cells from. `seen`: the queries so far.
    """

    trainer: Trainer
    trained: Trained
    meters: list[tuple[ConsistencyMeter, PartProbe]]
    viewed: Tensor
    probed: Tensor
    seen: int = 0

    @classmethod
    def of(cls, trainer: Trainer, trained: Trained, aligned: Tensor | None) -> "PartViewer":
        """`aligned` [P, parts, D]: the part texts that the row was aligned with, or None."""
        labels, query = trainer.split.labels, trainer.split.query
        with torch.no_grad():
            texts = trainer.prompts().part_labels()
        mean = None if aligned is None else functional.normalize(aligned.float(), dim=2).mean(0)
        has_fusion = not isinstance(trained.head, LastTokens)
        meters = [
            (ConsistencyMeter(texts, aligned=mean), PartProbe(len(labels.parts), labels.flip_pairs))
            for _ in range(1 + has_fusion)
        ]
        viewed = torch.arange(len(query)) // BATCH % VIEWED == 0
        probed, looked_at = torch.zeros_like(viewed), viewed.nonzero().flatten()
        probed[looked_at[evenly_spaced(len(looked_at), PICTURES)]] = True
        return cls(trainer, trained, meters, viewed, probed)

    def embed(self, image: Tensor, camera: Tensor) -> Tensor:
        """Returns the descriptors of the next queries, image [B, 3, H, W] and camera [B], and looks at their cells."""
        recipe, query, tower = self.trainer.recipe, self.trainer.split.query, self.trained.model.tower
        some = slice(self.seen, self.seen + len(image))
        self.seen = some.stop
        if not self.viewed[some].all():
            return tower.embed(image, camera)
        assert query.part_map is not None
        part_map, person = (one[some].to(image.device) for one in (query.part_map, query.person))
        chosen = self.probed[some].to(image.device)
        features = tower(image, camera)
        for place, (meter, probe) in enumerate(self.meters):
            feature = self.trained.head(features) if place else features.tokens
            part = cell_labels(recipe, tower, part_map, feature.shape[-2:], probe.classes)
            meter.add(PixelBatch(feature, part, person))
            probe.add(feature[chosen], part[chosen], person[chosen])
        return tower.descriptor(features)

    def result(self) -> tuple[PartView, PartView | None]:
        """Returns what was seen in the tokens, and in the fused map where there is one."""
        tokens, *fused = (PartView(meter.result(), probe.result()) for meter, probe in self.meters)
        return tokens, fused[0] if fused else None
