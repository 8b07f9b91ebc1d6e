"""The tiny CLIP of the embedded benchmark, pre-trained from nothing on rendered people and their captions.

No CLIP can be shipped, so this one stands in for OpenAI's: a ModifiedResNet of width 16 and a text
transformer of two layers, trained as CLIP is (symmetric contrast of images and texts, learnable scale).
Departs: it also learns from crops of single parts and from regions, whose exact maps its people have; minutes
of training on whole captions tie no pixel to a word.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from pivl.data.normalization import CLIP as NORMALIZATION
from pivl.data.part_maps.labels import LIP
from pivl.data.part_maps.voting import pool_weights
from pivl.loop import Fit, Step, autocast, smooth_cosine
from pivl.losses import contrast
from pivl.synthped.pretraining.batches import BatchMix, BatchPlan, Corpus, PretrainBatch, draw_batch
from pivl.synthped.pretraining.captions import words
from pivl.synthped.pretraining.zero_shot import BARE_TEXTS, encode_texts
from pivl.system.random_streams import torch_stream
from pivl.towers.architecture import ClipArchitecture, TextArchitecture, VisionArchitecture
from pivl.towers.clip import Clip, ImageInput, build_clip
from pivl.towers.vocabulary import Vocabulary

CPU = torch.device("cpu")
CONTEXT = 48  # tokens: the longest caption has fewer
MOST_SCALE = 4.6052  # log(100), CLIP's bound on its logit scale
EPOCHS = 20  # parts of the training, which mean nothing but to its progress
LEAST_SHARE = 0.05  # of a cell: a region that covers less in all is left out

Encoder = Callable[[Sequence[str]], Tensor]  # from T texts to unit features [T, D]
Report = Callable[[str, Step], object]


@dataclass(frozen=True)
class Pretraining:
    """Every choice that decides the weights, except pictures and seed.

    regions_from: the share of steps after which regions are learned; region_weight and part_weight: of the
    terms that compare regions with their own texts and with the bare texts of all parts.
    """

    steps: int = 2400
    rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    crop_weight: float = 0.5
    region_weight: float = 0.5
    part_weight: float = 0.5
    regions_from: float = 0.1
    precision: str = "bf16"
    mix: BatchMix = field(default_factory=BatchMix)


def train_clip(
    material: Corpus,
    vision: VisionArchitecture,
    choices: Pretraining,
    seed: int,
    report: Report,
    device: torch.device = CPU,
) -> Clip:
    """Returns a tiny CLIP with the image tower `vision`, trained on `material` on `device`, on the CPU in eval mode.

    `report` is called at each step. Raises TrainingFailed at a non-finite loss.
    """
    height, width = material.pictures.image.shape[2:]
    clip = fresh_clip(vision, (height, width), seed)
    clip.vision.train().to(device).to(memory_format=torch.channels_last)  # 1.3 times as fast on a CPU
    clip.text.train().to(device)
    log_scale = nn.Parameter(torch.tensor(clip.logit_scale, device=device))
    epochs = min(EPOCHS, choices.steps)

    def plans(epoch: int) -> list[BatchPlan]:
        first, end = (choices.steps * place // epochs for place in (epoch - 1, epoch))
        return [BatchPlan(number, _mix_at(number, choices)) for number in range(first, end)]

    def terms(plan: BatchPlan) -> dict[str, Tensor]:
        scale = log_scale.clamp(max=MOST_SCALE).exp()
        return batch_terms(clip, scale, choices, draw_batch(material, plan, seed).to(device))

    schedule = smooth_cosine(epochs, choices.warmup * epochs, 0.01)
    optimizer = _optimizer(clip, log_scale, choices)
    for step in Fit(epochs, plans, terms, optimizer, schedule, choices.precision):
        report("pretrain", step)
    clip.vision.to(CPU).to(memory_format=torch.contiguous_format)
    clip.text.to(CPU)
    _measure_batch_statistics(clip, material.pictures.image, torch_stream(seed, "batch statistics"))
    return replace(clip, logit_scale=float(log_scale.detach().clamp(max=MOST_SCALE)))


def fresh_clip(vision: VisionArchitecture, size: tuple[int, int], seed: int) -> Clip:
    """Returns a tiny CLIP with random weights for pictures of `size` (height, width)."""
    vocabulary = Vocabulary.covering([*words(), *BARE_TEXTS, "A photo of a person, and."])
    architecture = ClipArchitecture(
        vision,
        TextArchitecture(
            layers=2, width=128, heads=2, embed_dim=128, context=CONTEXT, vocabulary=len(vocabulary)
        ),
    )
    return build_clip(
        architecture, ImageInput(size), vocabulary, torch_stream(seed, "initial weights of the tiny CLIP")
    )


def batch_terms(clip: Clip, scale: Tensor, choices: Pretraining, lesson: PretrainBatch) -> dict[str, Tensor]:
    """Returns the weighted terms of one lesson: pictures and crops against their texts, regions against theirs."""
    image = NORMALIZATION.normalize(lesson.image).contiguous(memory_format=torch.channels_last)
    # The fused attention of CPUs takes 3.6 times as long as plain products for sequences this short.
    with autocast(image.device, choices.precision), sdpa_kernel(SDPBackend.MATH):
        features = clip.vision(image)
        tokens = features.tokens if len(lesson.region) else None
    pooled = functional.normalize(features.proj.float(), dim=1)
    encode = _text_encoder(clip, choices.precision, image.device)
    whole, crops = slice(0, lesson.whole), slice(lesson.whole, None)
    terms = {"whole": match_texts(pooled[whole], encode, lesson.texts[whole], scale)}
    if len(lesson) > lesson.whole:
        terms["crops"] = choices.crop_weight * match_texts(pooled[crops], encode, lesson.texts[crops], scale)
    if tokens is not None:
        regions = cut_regions(tokens, lesson.part_map)
        named = regions.mean[lesson.region[:, 0], lesson.region[:, 1]]
        terms["regions"] = choices.region_weight * match_texts(named, encode, lesson.region_texts, scale)
        terms["parts"] = choices.part_weight * name_parts(regions, encode(BARE_TEXTS), scale)
    return terms


def match_texts(images: Tensor, encode: Encoder, texts: Sequence[str], scale: Tensor) -> Tensor:
    """CLIP's loss of unit features [N, D] and their N texts, the mean of both directions.

    Equal texts are one text with several images.
    """
    distinct = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    place = torch.tensor([distinct[text] for text in texts], device=images.device)
    features = encode(tuple(distinct))
    positives = place[:, None] == torch.arange(len(distinct), device=images.device)
    return 0.5 * (
        contrast(scale * images, features, positives, 1.0)
        + contrast(scale * features, images, positives.T, 1.0)
    )


@dataclass(frozen=True)
class Regions:
    """The dense tokens of B pictures by part.

    cells: unit tokens [B, L, D]; cover [B, parts, L]: the share of each cell that each part covers; mean
    [B, parts, D]: the mean cell of each part, weighed by cover, of unit length.
    """

    cells: Tensor
    cover: Tensor
    mean: Tensor


def cut_regions(tokens: Tensor, part_map: Tensor) -> Regions:
    """Regions of tokens [B, D, h, w] under part_map uint8 [B, H, W]."""
    cover = pool_weights(part_map, (tokens.shape[2], tokens.shape[3]), len(LIP.parts)).flatten(2)
    cells = functional.normalize(tokens.float(), dim=1).flatten(2).transpose(1, 2)
    return Regions(cells, cover, functional.normalize(cover @ cells, dim=2))


def name_parts(regions: Regions, texts: Tensor, scale: Tensor) -> Tensor:
    """Cross-entropy over the bare texts [parts, D]: half of it of regions, half of cells by what covers them.

    Regions count alike, so that shoes matter as much as coats; cells know where the background begins.
    """
    picture, part = (regions.cover.sum(dim=2) >= LEAST_SHARE).nonzero(as_tuple=True)
    of_regions = functional.cross_entropy(scale * regions.mean[picture, part] @ texts.T, part)
    share = (scale * regions.cells @ texts.T).log_softmax(dim=2)
    of_cells = -(regions.cover.transpose(1, 2) * share).sum(dim=2).mean()
    return 0.5 * (of_regions + of_cells)


def _mix_at(step: int, choices: Pretraining) -> BatchMix:
    """Returns what the lesson of a step is made of: regions come later."""
    return choices.mix if step >= choices.regions_from * choices.steps else replace(choices.mix, regions=0)


def _text_encoder(clip: Clip, precision: str, device: torch.device) -> Encoder:
    def encode(texts: Sequence[str]) -> Tensor:
        with autocast(device, precision), sdpa_kernel(SDPBackend.MATH):
            return encode_texts(clip, texts)

    return encode


def _optimizer(clip: Clip, log_scale: nn.Parameter, choices: Pretraining) -> torch.optim.Optimizer:
    """AdamW, with weight decay on matrices and kernels only."""
    trained = [*clip.vision.parameters(), *clip.text.parameters(), log_scale]
    return torch.optim.AdamW(
        [
            {"params": [one for one in trained if one.ndim > 1], "weight_decay": choices.weight_decay},
            {"params": [one for one in trained if one.ndim < 2], "weight_decay": 0.0},
        ],
        lr=choices.rate,
        betas=(0.9, 0.98),
    )


@torch.no_grad()
def _measure_batch_statistics(clip: Clip, image: Tensor, stream: torch.Generator) -> None:
    """Replace running statistics, which crops took part in, by those of whole pictures; ends in eval mode."""
    for layer in clip.vision.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over the batches
    for index in torch.randperm(len(image), generator=stream)[:4096].split(256):
        clip.vision(NORMALIZATION.normalize(image[index]))
    for layer in clip.vision.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.1
    clip.vision.eval()
    clip.text.eval()
