"""Slow written-out truths, and the inputs of the reference figures drawn from their names (tests/reference/*.npz).

The files were made by the original CLIP-ReID on a CPU; `meta` in each says with which architecture, seed and
sizes.
"""

import json
import zlib
from dataclasses import dataclass
from functools import cache
from math import log, prod, sqrt
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pivl.towers.clip import Clip, ImageInput
from pivl.towers.weights import clip_from_state

FOLDER = Path(__file__).parent / "reference"
TEMPLATE = "A photo of a X X X X person."
PREFIX, SUFFIX = 5, 9  # tokens before and from after the four X in TEMPLATE, the start token included


def draw(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """A standard normal tensor that depends on its name and seed alone."""
    stream = np.random.RandomState((zlib.crc32(name.encode()) + seed) % 2**32)
    return stream.standard_normal(size=shape).astype(np.float32)


def clip_weight(key: str, shape: tuple[int, ...], seed: int) -> Tensor:
    """A tensor of the reference CLIP's state dict, by the rules of reference/README.md."""
    last = key.rpartition(".")[2]
    if last == "num_batches_tracked":
        return torch.tensor(0)
    if key == "logit_scale":
        return torch.tensor(log(1 / 0.07))
    z = torch.from_numpy(draw(key, shape, seed))
    if last == "running_var":
        return 0.5 + z.abs()
    if last == "running_mean":
        return 0.1 * z
    if len(shape) >= 2 and "embedding" not in key:
        return z / sqrt(prod(shape[1:]) if "weight" in last or len(shape) > 2 else shape[0])
    if "embedding" in key:
        return 0.05 * z
    return 1 + 0.1 * z if last == "weight" else 0.1 * z


def clip_shapes(meta: dict) -> dict[str, tuple[int, ...]]:
    """Names and shapes of OpenAI's state dict at 224 x 224, written out from the sizes in `meta`."""
    width, text, embed = meta["vision_width"], meta["text_width"], meta["embed_dim"]
    shapes: dict[str, tuple[int, ...]] = {
        "token_embedding.weight": (meta["vocab_size"], text),
        "positional_embedding": (meta["context_length"], text),
        "text_projection": (text, embed),
        "logit_scale": (),
        **_norm("ln_final", text),
        **_transformer("transformer", text, meta["text_layers"]),
    }
    if meta["backbone"] == "vit":
        patch, side = meta["patch"], meta["native_resolution"] // meta["patch"]
        return shapes | {
            "visual.class_embedding": (width,),
            "visual.positional_embedding": (side**2 + 1, width),
            "visual.proj": (width, embed),
            "visual.conv1.weight": (width, 3, patch, patch),
            **_norm("visual.ln_pre", width),
            **_norm("visual.ln_post", width),
            **_transformer("visual.transformer", width, meta["vision_layers"]),
        }
    side = meta["native_resolution"] // 32
    shapes["visual.attnpool.positional_embedding"] = (side**2 + 1, width * 32)
    for name, outputs in (("k", width * 32), ("q", width * 32), ("v", width * 32), ("c", embed)):
        shapes |= _linear(f"visual.attnpool.{name}_proj", width * 32, outputs)
    for number, (inputs, outputs) in enumerate(
        [(3, width // 2), (width // 2, width // 2), (width // 2, width)], 1
    ):
        shapes |= {
            f"visual.conv{number}.weight": (outputs, inputs, 3, 3),
            **_batch_norm(f"visual.bn{number}", outputs),
        }
    inputs = width
    for stage, blocks in enumerate(meta["vision_layers"]):
        for block in range(blocks):
            shapes |= _bottleneck(f"visual.layer{stage + 1}.{block}", inputs, width * 2**stage, block == 0)
            inputs = 4 * width * 2**stage
    return shapes


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _batch_norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
    running = {
        f"{name}.running_mean": (width,),
        f"{name}.running_var": (width,),
        f"{name}.num_batches_tracked": (),
    }
    return {**_norm(name, width), **running}


def _bottleneck(name: str, inputs: int, planes: int, first: bool) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.conv1.weight": (planes, inputs, 1, 1),
        f"{name}.conv2.weight": (planes, planes, 3, 3),
        f"{name}.conv3.weight": (4 * planes, planes, 1, 1),
        **_batch_norm(f"{name}.bn1", planes),
        **_batch_norm(f"{name}.bn2", planes),
        **_batch_norm(f"{name}.bn3", 4 * planes),
    }
    if first:
        shapes[f"{name}.downsample.0.weight"] = (4 * planes, inputs, 1, 1)
        shapes |= _batch_norm(f"{name}.downsample.1", 4 * planes)
    return shapes


def _transformer(name: str, width: int, layers: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for block in (f"{name}.resblocks.{number}" for number in range(layers)):
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * width, width),
            f"{block}.attn.in_proj_bias": (3 * width,),
            **_linear(f"{block}.attn.out_proj", width, width),
            **_norm(f"{block}.ln_1", width),
            **_norm(f"{block}.ln_2", width),
            **_linear(f"{block}.mlp.c_fc", width, 4 * width),
            **_linear(f"{block}.mlp.c_proj", 4 * width, width),
        }
    return shapes


@dataclass(frozen=True)
class Case:
    """A reference file: its figures by key, its meta, and the inputs they were computed from."""

    figures: dict[str, NDArray]
    meta: dict

    def state(self) -> dict[str, Tensor]:
        """The reference CLIP's state dict, with OpenAI's names and native shapes."""
        return {
            key: clip_weight(key, shape, self.meta["seed"]) for key, shape in clip_shapes(self.meta).items()
        }

    def clip(self) -> Clip:
        """The reference CLIP at the file's image size, built and filled by the project's own code; fresh every time."""
        return clip_from_state(self.state(), {}, "reference", ImageInput(tuple(self.meta["image_size"])))

    def images(self) -> Tensor:
        """[16, 3, 256, 128], taken as already normalised."""
        shape = (self.meta["batch"], 3, *self.meta["image_size"])
        return torch.from_numpy(draw("images", shape, self.meta["seed"]))

    def labels(self) -> Tensor:
        """int64 [16]: the person of each image, four images a person."""
        return torch.tensor(self.meta["labels"])

    def identity_tokens(self) -> Tensor:
        """[identities, 4, W]: the learnable tokens before stage 1."""
        shape = (self.meta["identities"], 4, self.meta["text_width"])
        return torch.from_numpy(0.02 * draw("cls_ctx", shape, self.meta["seed"]))

    def classifiers(self) -> tuple[Tensor, Tensor]:
        """Weights [identities, C] and [identities, D] of the classifiers on feat and on proj."""
        embed, identities = self.meta["embed_dim"], self.meta["identities"]
        feat = self.figures["eval.embedding"].shape[1] - embed
        seed = self.meta["seed"]
        weights = (
            draw("classifier.weight", (identities, feat), seed),
            draw("classifier_proj.weight", (identities, embed), seed),
        )
        return torch.from_numpy(0.001 * weights[0]), torch.from_numpy(0.001 * weights[1])


@cache
def case(name: str) -> Case:
    """The reference file `name`.npz."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return Case({key: file[key] for key in file.files if key != "meta"}, json.loads(str(file["meta"])))


def identity_text(clip: Clip, identity_tokens: Tensor) -> Tensor:
    """[N, D]: text features of TEMPLATE with its four X replaced by identity_tokens [N, 4, W]."""
    ids = torch.tensor(clip.vocabulary.tokens(TEMPLATE))
    words = clip.text.embed_tokens(ids).expand(len(identity_tokens), -1, -1)
    embeddings = torch.cat([words[:, :PREFIX], identity_tokens, words[:, SUFFIX:]], dim=1)
    return clip.text.encode(embeddings, torch.full((len(embeddings),), len(ids) - 1))


def relative_deviation(ours: Tensor, reference: NDArray) -> float:
    """The largest difference, relative to the largest reference value."""
    theirs = torch.from_numpy(np.asarray(reference, dtype=np.float64))
    return float((ours.detach().double().cpu() - theirs).abs().max() / theirs.abs().max())


def retrieval_by_hand(
    distance: NDArray, query: NDArray, query_camera: NDArray, gallery: NDArray, gallery_camera: NDArray
) -> list[tuple[float, int, float] | None]:
    """(average precision, wrong answers before the first match, INP) of each query, or None without a match.

    One query and one gallery picture at a time, from a distance matrix [Q, G]; equal distances in gallery
    order.
    """
    outcome: list[tuple[float, int, float] | None] = []
    for q in range(len(query)):
        answers = []
        for g in sorted(range(len(gallery)), key=lambda g: (distance[q, g], g)):
            same_person = gallery[g] == query[q] and query[q] >= 0
            if not (same_person and gallery_camera[g] == query_camera[q]):
                answers.append(same_person)
        places = [place for place, right in enumerate(answers, 1) if right]
        if not places:
            outcome.append(None)
            continue
        precision = [number / place for number, place in enumerate(places, 1)]
        outcome.append((sum(precision) / len(places), places[0] - 1, len(places) / places[-1]))
    return outcome
