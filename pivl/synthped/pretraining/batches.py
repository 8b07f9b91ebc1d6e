"""Batches of the tiny CLIP's pre-training: whole pictures, crops, and regions of both, with their texts.

Every lesson is drawn from a stream of its own, so it does not depend on the lessons before it.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pivl.data.part_maps.labels import LIP
from pivl.data.pictures import Pictures
from pivl.synthped.benchmark import PretrainingSet
from pivl.synthped.person.wardrobe import People
from pivl.synthped.pretraining.captions import caption, part_caption, zoom_caption
from pivl.synthped.pretraining.crops import close_up_boxes, crop, mirror, zoom_boxes
from pivl.system.random_streams import numpy_stream, torch_stream

LEAST_PIXELS = 12  # of a part that a text may name: fewer cannot be made out
CAPTIONS = 8  # of every person
NOBODY = "A photo of a person's background."  # a crop in which nothing can be named
ZOOM_PARTS = 4  # at most so many parts are named by the text of a zoom


@dataclass(frozen=True)
class PretrainBatch:
    """B pictures, whole ones first and crops after them, with one text each, and R regions with one text each.

    image float32 [B, 3, H, W] in 0..255; part_map uint8 [B, H, W]; texts: B strings; region int64 [R, 2] of
    picture and part; region_texts: R strings.
    """

    image: Tensor
    part_map: Tensor
    texts: tuple[str, ...]
    whole: int
    region: Tensor
    region_texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def to(self, device: torch.device) -> "PretrainBatch":
        """Returns the batch with its tensors on `device`."""
        image, part_map, region = (one.to(device) for one in (self.image, self.part_map, self.region))
        return replace(self, image=image, part_map=part_map, region=region)


@dataclass(frozen=True)
class Corpus:
    """Pictures of P people, a person's and a family's side by side, and what can be said of each person.

    captions: some captions of every person. part_texts: the text of every part of every person, None where
    it is not to be seen.
    """

    people: People
    pictures: Pictures
    captions: tuple[tuple[str, ...], ...]
    part_texts: tuple[tuple[str | None, ...], ...]
    has_text: Tensor  # bool [P, parts]


@dataclass(frozen=True)
class BatchMix:
    """The numbers of pictures, crops and regions of a batch.

    whole: whole pictures, an even number, since look-alikes come in pairs; crops, and the share of them that
    are close-ups of one part; regions: at most so many of a picture; mirrored: share of pictures;
    look_alikes: whether families share a lesson.
    """

    whole: int = 128
    crops: int = 64
    close_ups: float = 0.6
    regions: int = 2
    mirrored: float = 0.5
    look_alikes: bool = True


@dataclass(frozen=True)
class BatchPlan:
    """A lesson before it is drawn: its number and what it is to be made of."""

    number: int
    mix: BatchMix

    def __len__(self) -> int:
        return self.mix.whole + self.mix.crops


def describe(training_set: PretrainingSet, seed: int, each: int = CAPTIONS) -> Corpus:
    """Write `each` captions of every person and the text of each of their parts."""
    generator = numpy_stream(seed, "captions")
    people = range(len(training_set.people))
    captions = tuple(
        tuple(caption(training_set.people, who, generator) for _ in range(each)) for who in people
    )
    part_texts = tuple(
        tuple(part_caption(training_set.people, who, part) for part in LIP.parts) for who in people
    )
    has_text = torch.tensor([[text is not None for text in texts] for texts in part_texts])
    return Corpus(training_set.people, training_set.pictures, captions, part_texts, has_text)


def draw_batch(material: Corpus, plan: BatchPlan, seed: int) -> PretrainBatch:
    """Returns the lesson of `plan`; its own streams of `seed` decide everything."""
    mix, pictures = plan.mix, material.pictures
    stream = torch_stream(seed, f"lesson {plan.number}")
    words = numpy_stream(seed, f"captions of lesson {plan.number}")
    if pictures.part_map is None:
        raise ValueError("lessons need part maps; the pictures have none")
    index = torch.cat([_pick_whole(material, mix, stream), _pick(len(pictures), mix.crops, stream)])
    person = pictures.person[index]
    image, part_map = pictures.image[index], pictures.part_map[index]
    chosen = torch.rand(len(index), generator=stream) < mix.mirrored
    image, part_map = mirror(image, part_map, chosen, torch.from_numpy(LIP.mirror_table()))
    image, part = image.float(), torch.full((len(index),), -1)
    if mix.crops:
        crops, close = slice(mix.whole, None), round(mix.crops * mix.close_ups)
        box, part[crops] = _boxes(part_map[crops], material.has_text[person[crops]], close, stream)
        image[crops], part_map[crops] = crop(image[crops], part_map[crops], box)
    nameable = count_pixels(part_map) * material.has_text[person]
    texts = _texts(material, mix, person, part, nameable, words)
    region = _regions(nameable, mix.regions, stream)
    region_texts = tuple(
        _part_text(material, int(person[picture]), part) for picture, part in region.tolist()
    )
    return PretrainBatch(image, part_map, texts, mix.whole, region, region_texts)


def _pick_whole(material: Corpus, mix: BatchMix, stream: torch.Generator) -> Tensor:
    """Pictures int64 [whole] of as many different people; with look-alikes, of whole families of two."""
    people = len(material.people)
    shots = len(material.pictures) // people  # a person's pictures lie side by side
    if mix.look_alikes:
        family = torch.randperm(people // 2, generator=stream)[: mix.whole // 2]
        person = torch.stack([2 * family, 2 * family + 1], dim=1).flatten()
    else:
        person = torch.randperm(people, generator=stream)[: mix.whole]
    return person * shots + torch.randint(shots, (len(person),), generator=stream)


def _pick(count: int, size: int, stream: torch.Generator) -> Tensor:
    return torch.randint(count, (size,), generator=stream)


def _boxes(part_map: Tensor, has_text: Tensor, close: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    """Boxes [N, 4] of `close` close-ups and of zooms after them; the part int64 [N] a close-up shows, -1 for zooms."""
    part = torch.full((len(part_map),), -1)
    nameable = ((count_pixels(part_map[:close]) >= LEAST_PIXELS) & has_text[:close]).float()
    part[:close] = torch.multinomial(nameable + 1e-9, 1, generator=stream).squeeze(1)
    boxes = close_up_boxes(part_map[:close], part[:close], stream), zoom_boxes(part_map[close:], stream)
    return torch.cat(boxes), part


def _texts(
    material: Corpus,
    mix: BatchMix,
    person: Tensor,
    part: Tensor,
    nameable: Tensor,
    words: np.random.Generator,
) -> tuple[str, ...]:
    """One text for each picture: a caption of its person, its close-up's part, or up to ZOOM_PARTS of its parts."""
    texts = []
    for number, (who, close_up) in enumerate(zip(person.tolist(), part.tolist(), strict=True)):
        if number < mix.whole:
            captions = material.captions[who]
            texts.append(captions[words.integers(len(captions))])
        elif close_up >= 0:
            texts.append(_part_text(material, who, close_up))
        else:
            count = int((nameable[number] >= LEAST_PIXELS).sum())
            largest = nameable[number].argsort(descending=True)[: min(count, ZOOM_PARTS)]
            named = zoom_caption(material.people, who, [LIP.parts[one] for one in largest.tolist()], words)
            texts.append(named or NOBODY)
    return tuple(texts)


def _part_text(material: Corpus, who: int, part: int) -> str:
    return material.part_texts[who][part] or NOBODY


def _regions(counts: Tensor, each: int, stream: torch.Generator) -> Tensor:
    """int64 [R, 2]: up to `each` random parts of every picture that can be made out, if they have a text."""
    rank = torch.rand(counts.shape, generator=stream) * (counts >= LEAST_PIXELS)
    value, part = rank.topk(each, dim=1)
    picture = torch.arange(len(counts))[:, None].expand_as(part)
    return torch.stack([picture[value > 0], part[value > 0]], dim=1)


def count_pixels(part_map: Tensor) -> Tensor:
    """int64 [N, parts]: how many pixels of each map of uint8 [N, H, W] carry each part."""
    classes = len(LIP.parts)
    bins = (
        part_map.clamp(max=classes).int()
        + (classes + 1) * torch.arange(len(part_map), dtype=torch.int32)[:, None, None]
    )
    return bins.flatten().bincount(minlength=len(part_map) * (classes + 1)).view(-1, classes + 1)[:, :classes]
