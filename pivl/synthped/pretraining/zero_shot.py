"""Zero-shot evaluation of a CLIP: the criteria that the embedded benchmark's CLIP is chosen by.

All of them use people that it was neither trained nor will be tested on, never the benchmark's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pivl.data.normalization import CLIP as NORMALIZATION
from pivl.data.part_maps.labels import IGNORE, LIP, LabelSet
from pivl.data.part_maps.voting import Rule, part_presence, vote
from pivl.towers.clip import Clip
from pivl.towers.vocabulary import Vocabulary

BATCH = 100  # pictures encoded at a time
STRIDES = (16, 8, 4)  # pixels per cell: of the last tokens, of the paper's fused map, of a finer one
BARE_TEXTS = tuple(
    f"A photo of a person's {part}." for part in LIP.parts
)  # what PI-VL calls a part of nobody in particular


@dataclass(frozen=True)
class Retrieval:
    """Shares of queries, in 0..1, whose own counterpart is the nearest, or among the five nearest."""

    at_1: float
    at_5: float


@dataclass(frozen=True)
class PartAccuracy:
    """Shares in 0..1 of labelled cells: nearest to the bare text of their own part, and of the commonest part."""

    accuracy: float
    majority: float


@dataclass(frozen=True)
class TextSpread:
    """Cosines between the bare texts of different parts: their mean, and the closest pair with its names."""

    mean: float
    highest: float
    closest: tuple[str, str]


def encode_texts(clip: Clip, texts: Sequence[str]) -> Tensor:
    """Unit features float32 [T, D] of texts; gradients flow where the text tower's parameters ask for them.

    A word outside the vocabulary raises UserError.
    """
    tokens = [_tokens(clip.vocabulary, text) for text in texts]
    longest = max(map(len, tokens))
    device = next(clip.text.parameters()).device
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in tokens], device=device)
    end = torch.tensor([len(row) - 1 for row in tokens], device=device)
    return functional.normalize(clip.text.encode(clip.text.embed_tokens(ids), end).float(), dim=1)


@lru_cache(maxsize=2**17)
def _tokens(vocabulary: Vocabulary, text: str) -> list[int]:
    return vocabulary.tokens(text)  # 0.1 ms a text, and pre-training reads the same ones again and again


@torch.no_grad()
def encode_images(clip: Clip, image: Tensor) -> tuple[Tensor, Tensor]:
    """Unit features [N, D] and unit dense tokens [N, D, h, w], float32, of pictures uint8 [N, 3, H, W].

    The tower must be in eval mode.
    """
    features = [clip.vision(NORMALIZATION.normalize(batch)) for batch in image.split(BATCH)]
    pooled, dense = (
        torch.cat(one) for one in zip(*((one.proj, one.tokens) for one in features), strict=True)
    )
    return functional.normalize(pooled, dim=1), functional.normalize(dense, dim=1)


def retrieval(queries: Tensor, candidates: Tensor) -> Retrieval:
    """Returns how often query i of [N, D] ranks candidate i of [N, D] first, or among five, by dot product.

    Ties count against it.
    """
    scores = queries @ candidates.T
    rank = (scores >= scores.diagonal()[:, None]).sum(dim=1) - 1
    return Retrieval(float((rank < 1).float().mean()), float((rank < 5).float().mean()))


def part_accuracy(dense: Tensor, texts: Tensor, label: Tensor, background: bool) -> PartAccuracy:
    """Zero-shot parsing: dense [N, D, h, w] and texts [parts, D], both of unit length, label int64 [N, h, w].

    Without `background` its cells are left out and its text (part 0) is no candidate. Cells that are IGNORE never count.
    """
    first = 0 if background else 1
    counted = (label != IGNORE) & (label >= first)
    truth = label[counted]
    found = (dense.permute(0, 2, 3, 1)[counted] @ texts[first:].T).argmax(dim=1) + first
    return PartAccuracy(float((found == truth).float().mean()), float(truth.bincount().max() / len(truth)))


def text_spread(texts: Tensor, names: Sequence[str]) -> TextSpread:
    """Returns how far apart unit texts [T, D] lie."""
    cosine = texts @ texts.T
    one, other = torch.triu_indices(len(texts), len(texts), offset=1)
    pairs = cosine[one, other]
    top = int(pairs.argmax())
    return TextSpread(float(pairs.mean()), float(pairs[top]), (names[int(one[top])], names[int(other[top])]))


def kept_parts(part_map: Tensor, grid: tuple[int, int], labels: LabelSet, rule: Rule) -> dict[str, float]:
    """Of the pictures (maps uint8 [N, H, W]) that show a part at all, the share that keep it on `grid`, in 0..1, by part.

    The background and parts that no picture shows are left out.
    """
    count = len(labels.parts)
    shown = part_presence(part_map, count)
    kept = part_presence(vote(part_map, grid, count, rule).to(torch.uint8), count) & shown
    return {
        name: float(kept[:, part].sum() / shown[:, part].sum())
        for part, name in enumerate(labels.parts)
        if part and shown[:, part].any()
    }


@dataclass(frozen=True)
class Evaluation:
    """All criteria at once, on people with one picture and one caption each; `kept` by rule and stride."""

    image_to_text: Retrieval
    text_to_image: Retrieval
    parts: PartAccuracy
    parts_and_background: PartAccuracy
    spread: TextSpread
    kept: dict[str, dict[str, float]]


def evaluate(clip: Clip, image: Tensor, part_map: Tensor, captions: Sequence[str], rule: Rule) -> Evaluation:
    """Judge `clip` on pictures uint8 [N, 3, H, W] with LIP maps uint8 [N, H, W] and one caption each.

    A token's own part is voted by `rule`; `kept` is told for that rule and for a plain majority, at strides 16, 8 and 4.
    """
    size, count = part_map.shape[1:], len(LIP.parts)
    with torch.no_grad():
        pooled, dense = encode_images(clip, image)
        texts = encode_texts(clip, captions)
        bare = encode_texts(clip, BARE_TEXTS)
    label = vote(part_map, (dense.shape[2], dense.shape[3]), count, rule)
    rules: tuple[Rule, ...] = (rule, "majority")
    return Evaluation(
        retrieval(pooled, texts),
        retrieval(texts, pooled),
        part_accuracy(dense, bare, label, background=False),
        part_accuracy(dense, bare, label, background=True),
        text_spread(bare, LIP.parts),
        {
            f"{rule} {stride}": kept_parts(part_map, (size[0] // stride, size[1] // stride), LIP, rule)
            for rule in rules
            for stride in STRIDES
        },
    )
